"""How much leaves the lab engine because it is full: as it was replayed, simulated one by one, and by the plan's own curve."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from freehold.app.cli.demo.world import SLOTS
from freehold.core.trace import TracedRequest
from freehold.lab.engine import EngineSettings
from freehold.lab.mix import Mix
from freehold.lab.simulated import lab_arrivals, lab_engine, lab_seconds
from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.simulator.compiling import interpreted
from freehold.plan.capacity.simulator.fleet import Fleet
from freehold.plan.capacity.simulator.law import Floats
from freehold.plan.capacity.simulator.simulate import simulate
from freehold.plan.capacity.simulator.world import SPILLED
from freehold.plan.capacity.sizing.pace import TELLING, highest_use, load_of_arrivals

ENGINE = EngineSettings(slots=SLOTS, ttft_ms=250, tokens_per_s=45)
TARGET = "assistant-owned"
# Whose requests it serves, and whether they may leave it.
MAY_LEAVE = {"assistant": True, "contracts": False}
_FAR = 0.02


class Spill(msgspec.Struct, frozen=True, kw_only=True):
    """Shares (0-1) that left the engine: `replayed` and `simulated` of the `requests`, `planned` of their work, by the plan's
    curve with the highest use that the first half of the trace shows; None where so little left that it shows none."""

    requests: int
    replayed: float
    simulated: float
    planned: float | None

    @property
    def words(self) -> str:
        """One line for people."""
        planned = "" if self.planned is None else f"; the plan's curve, from the first half of them, says {self.planned:.1%}"
        far = abs(self.replayed - self.simulated) > _FAR
        why = (
            " They differ where the machine has more to do than the replay leaves it time for: try a lower --speed."
            if far
            else ""
        )
        return (
            f"Of {self.requests:,} requests for the lab engine {self.replayed:.1%} left it because it was full; simulated one by "
            f"one it is {self.simulated:.1%}{planned}.{why}"
        )


def spill(
    requests: Sequence[TracedRequest], mix: Mix, by_workload: Mapping[str, Mapping[str, int]], spilled: int
) -> Spill | None:
    """Of a trace that was replayed: where its requests went by workload and target, and how many spilled; None of none."""
    reached = spilled + sum(by_workload.get(name, {}).get(TARGET, 0) for name in MAY_LEAVE)
    mine = [(request, mix.share_of(index).workload) for index, request in enumerate(requests)]
    mine = [(request, workload) for request, workload in mine if workload in MAY_LEAVE]
    if not reached or len(mine) < 2:
        return None
    rows = [request for request, _ in mine]
    arrivals = lab_arrivals(rows, ENGINE, [not MAY_LEAVE[workload] for _, workload in mine])
    left = _left(arrivals)
    return Spill(
        requests=reached,
        replayed=spilled / reached,
        simulated=float(left.mean()),
        planned=_planned(arrivals, lab_seconds(rows, ENGINE) / SLOTS, left),
    )


def _left(arrivals: Arrivals) -> Floats:
    """1 for each request that leaves, 0 for the others. A demo's trace is short: it needs no machine code."""
    seen = simulate(lab_engine(ENGINE), Fleet(concurrency=SLOTS, rented=True, spill=True), arrivals, interpreted())
    left: Floats = (seen.requests.status == SPILLED).astype(np.float64)
    return left


def _planned(arrivals: Arrivals, work_s: Floats, left: Floats) -> float | None:
    """The share of the work, by windows that hold so much at the highest use of the first half."""
    half = int(np.searchsorted(arrivals.at_s, (arrivals.at_s[0] + arrivals.at_s[-1]) / 2))
    share = float((work_s * left)[:half].sum() / max(work_s[:half].sum(), 1e-9))
    if half < 2 or share < TELLING:
        return None
    seen = Arrivals(
        at_s=arrivals.at_s[:half],
        input_tokens=arrivals.input_tokens[:half],
        output_tokens=arrivals.output_tokens[:half],
        sensitive=arrivals.sensitive[:half],
    )
    use = highest_use(load_of_arrivals(seen, work_s[:half], float(seen.at_s[-1] - seen.at_s[0])), 1, share)
    load = load_of_arrivals(arrivals, work_s, float(arrivals.at_s[-1] - arrivals.at_s[0]))
    return float(load.spilled_s(np.array([use * load.window_s]))[0] / load.total_s)
