"""The plan's pace from the simulation: how fast a full replica is, and how far it can be used before requests leave it.

The plan's own model of spill is capacity per window of ten seconds. Inside such a window requests still come in bursts; how much
of the capacity that costs is found by simulating the same requests one by one and choosing the highest use under which both
models spill the same share of the work. Compared with a real replay: tests/plan/test_simulated_pace.py.
"""

from dataclasses import dataclass

import numpy as np

from freehold.core.errors import BadSettings
from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.simulator.fleet import Engine, Fleet
from freehold.plan.capacity.simulator.law import Floats
from freehold.plan.capacity.simulator.simulate import simulate
from freehold.plan.capacity.simulator.world import SPILLED, Ints
from freehold.plan.demand.traffic import Traffic
from freehold.plan.optimum.load import Load
from freehold.plan.optimum.profile import WINDOW_S
from freehold.plan.owning.capacity import Rates

MOST_REQUESTS, MOST_REPLICAS = 50_000, 1_000
# Below this share of the work nothing can be said about how full a replica may be.
TELLING = 0.002


@dataclass(frozen=True)
class Simulated:
    """Rates of a full replica, requests at once that keep the time per token, and the highest use (0-1]; None: it cannot
    be told, because hardly anything spilled or the fleet is too large to simulate."""

    rates: Rates
    concurrency: int
    highest_use: float | None


def simulated_pace(engine: Engine, traffic: Traffic, tpot_s: float) -> Simulated:
    """Simulate the first MOST_REQUESTS: all at once, for the speed, then as they came, with an API behind, for the highest use.

    Requests longer than the cache of a replica are left out. Raises BadSettings without numba, where none fits, or where not even
    one at a time keeps the time per token.
    """
    arrivals = _fitting(engine, arrivals_of_traffic(traffic))
    whole, prompts = (
        _busy_s(engine, arrivals, outputs) for outputs in (arrivals.output_tokens, np.ones_like(arrivals.output_tokens))
    )
    concurrency = most_at_once(engine, arrivals, tpot_s)
    rates = Rates(
        prefill_tok_s=float(arrivals.input_tokens.sum()) / prompts,
        decode_tok_s=float(arrivals.output_tokens.sum()) / max(whole - prompts, 1e-3 * whole),
        batch=concurrency,
        source="default",
        origin=f"simulated: {len(arrivals):,} of these requests on one full replica, step by step",
    )
    work = _work_s(arrivals, rates)
    span_s = float(arrivals.at_s[-1] - arrivals.at_s[0]) * len(arrivals) / max(len(arrivals) - 1, 1)
    if span_s <= 0 or work.sum() / span_s > MOST_REPLICAS:
        return Simulated(rates, concurrency, None)
    replicas = max(1, round(float(work.sum()) / span_s))
    fleet = Fleet(replicas=replicas, targets=replicas, concurrency=concurrency, rented=True, spill=True)
    share = spilled_share(engine, fleet, arrivals, work)
    use = highest_use(load_of_arrivals(arrivals, work, span_s), replicas, share) if share >= TELLING else None
    return Simulated(rates, concurrency, use)


def most_at_once(engine: Engine, arrivals: Arrivals, tpot_s: float) -> int:
    """Sequences that decode together within that time per token, at the mean context; by halving, because steps only grow."""
    context = float((arrivals.input_tokens + arrivals.output_tokens / 2).mean())

    def keeps(batch: int) -> bool:
        return engine.law.seconds(batch=batch, context=batch * context) <= tpot_s

    if not keeps(1):
        raise BadSettings(f"one sequence alone takes longer than {1000 * tpot_s:g} ms a token there; allow more, or a faster GPU")
    room = max(1, int(engine.kv_blocks * engine.block_tokens / max(context, 1.0)))
    low, high = 1, min(engine.max_sequences, room) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return low


def spilled_share(engine: Engine, fleet: Fleet, arrivals: Arrivals, work_s: Floats) -> float:
    """The share (0-1) of the work that leaves the fleet."""
    status = simulate(engine, fleet, arrivals).requests.status
    return float(work_s[status == SPILLED].sum() / work_s.sum())


def highest_use(load: Load, replicas: int, share: float) -> float:
    """The use (up to 1) of so many replicas at which capacity per window spills that share of the work; by halving, because more
    capacity never spills more."""
    low, high = 0.01, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        capacity = np.array([middle * replicas * load.window_s])
        low, high = (middle, high) if load.spilled_s(capacity)[0] / load.total_s > share else (low, middle)
    return high


def load_of_arrivals(arrivals: Arrivals, work_s: Floats, span_s: float) -> Load:
    """The work of these requests in windows as the plan cuts them; without a bill."""
    count = max(1, round(span_s / WINDOW_S))
    place = np.minimum(((arrivals.at_s - arrivals.at_s[0]) * (count / span_s)).astype(np.int64), count - 1)
    held = work_s * arrivals.sensitive
    whole, sensitive = (np.bincount(place, each, count).astype(np.float64) for each in (work_s, held))
    return Load(span_s / count, whole, sensitive, np.zeros(count), 0)


def arrivals_of_traffic(traffic: Traffic) -> Arrivals:
    """The first MOST_REQUESTS of a plan's traffic as columns; a count of 0 tokens is taken as 1."""
    few = slice(0, MOST_REQUESTS)
    return Arrivals(
        at_s=traffic.time_s[few],
        input_tokens=np.maximum(1, traffic.input_tokens[few] - traffic.cache_read[few]),
        output_tokens=np.maximum(1, traffic.output_tokens[few]),
        sensitive=traffic.sensitive[few].astype(np.int64),
    )


def _fitting(engine: Engine, arrivals: Arrivals) -> Arrivals:
    fits = arrivals.input_tokens + arrivals.output_tokens <= engine.kv_blocks * engine.block_tokens
    if not fits.any():
        raise BadSettings("no request fits into the cache of a replica there: a bigger GPU, or a lower precision")
    return Arrivals(
        at_s=arrivals.at_s[fits],
        input_tokens=arrivals.input_tokens[fits],
        output_tokens=arrivals.output_tokens[fits],
        sensitive=arrivals.sensitive[fits],
    )


def _work_s(arrivals: Arrivals, rates: Rates) -> Floats:
    work: Floats = arrivals.input_tokens / rates.prefill_tok_s + arrivals.output_tokens / rates.decode_tok_s
    return work


def _busy_s(engine: Engine, arrivals: Arrivals, output_tokens: Ints) -> float:
    """Seconds one replica works on all of them, with answers of that length, when they are there at once."""
    at_once = Arrivals(at_s=np.zeros(len(arrivals)), input_tokens=arrivals.input_tokens, output_tokens=output_tokens)
    totals = simulate(engine, Fleet(), at_once).totals
    return totals.utilisation * totals.span_s
