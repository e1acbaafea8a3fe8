"""The way in: `simulate` for a trace that fits into memory, `Simulator` fed chunk by chunk for any other."""

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from freehold.core.errors import BadSettings
from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.simulator.compiling import Core, compiled
from freehold.plan.capacity.simulator.fleet import Engine, Fleet
from freehold.plan.capacity.simulator.law import Floats
from freehold.plan.capacity.simulator.world import (
    ARRIVED,
    BUSY_S,
    KV_BLOCK_S,
    LEFT,
    OUTPUT_TOKENS,
    OWNED,
    PROMPT_TOKENS,
    REFUSED,
    RENTED,
    SEQUENCE_S,
    SPILLED,
    Ints,
    open_world,
    with_room,
)


@dataclass(frozen=True)
class Finished:
    """Requests that are done: their `number` in order of arrival, `status` (OWNED, SPILLED, RENTED or REFUSED), time of arrival,
    seconds to the first token, per token after it (NaN where there is only one) and to the last. NaN where not owned."""

    number: Ints
    status: Ints
    at_s: Floats
    ttft_s: Floats
    tpot_s: Floats
    total_s: Floats

    def in_order(self) -> "Finished":
        """The same in order of arrival."""
        order = np.argsort(self.number, kind="stable")
        return Finished(
            self.number[order], self.status[order], self.at_s[order], self.ttft_s[order], self.tpot_s[order], self.total_s[order]
        )


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Counts so far. Of `requests`, those on `owned` replicas are done or on their way; `prompt_tokens` were computed,
    `cached_tokens` found. `utilisation` (0-1) is the share of the replicas' time, up to `span_s`, in which a step ran or
    an admitted request was waited for."""

    requests: int
    owned: int
    spilled: int
    rented: int
    refused: int
    on_the_way: int
    pushed_out: int
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    span_s: float
    utilisation: float


@dataclass(frozen=True)
class Timeline:
    """The fleet over time in bins of `width_s` from the first arrival: shares (0-1) of its time and memory in use, sequences
    running, tokens computed and put out, requests that arrived, and those that left it."""

    width_s: float
    busy: Floats
    kv_used: Floats
    running: Floats
    prompt_tokens: Floats
    output_tokens: Floats
    arrived: Floats
    left: Floats


class Simulator:
    """A fleet at work. The same requests give the same times to the bit, however they are cut into chunks; nothing is drawn."""

    def __init__(self, engine: Engine, fleet: Fleet, core: Core | None = None) -> None:
        """`core`: the compiled one unless stated. Raises BadSettings without numba."""
        self._core = compiled() if core is None else core
        self._engine, self._fleet = engine, fleet
        self.world = open_world(engine, fleet)
        self._first_s: float | None = None
        self._last_s = -np.inf
        self._statuses = np.zeros(REFUSED + 1, np.int64)

    def feed(self, arrivals: Arrivals) -> Finished:
        """The next requests arrive; what is done by the last of them. Raises BadSettings where they are earlier than the last."""
        if not len(arrivals):
            return self._finished()
        if arrivals.at_s[0] < self._last_s:
            raise BadSettings(
                f"requests from {arrivals.at_s[0]:g} s follow one at {self._last_s:g} s; give chunks in order of time"
            )
        if self._first_s is None:
            self._first_s = float(arrivals.at_s[0])
        self._last_s = float(arrivals.at_s[-1])
        counts, ids = self._prefixes(arrivals)
        self.world, start = with_room(self.world, len(arrivals), ids)
        starts = start + np.cumsum(counts) - counts
        columns = (arrivals.input_tokens, arrivals.output_tokens, arrivals.sensitive, counts, starts)
        lengths = np.column_stack(columns).astype(np.int64)
        self._core.run(self.world, arrivals.at_s - self._first_s, lengths, False)
        return self._finished()

    def drain(self) -> Finished:
        """Nothing more arrives; all that was still on its way."""
        self.world, _ = with_room(self.world, 0, np.zeros(0, np.int64))
        self._core.run(self.world, np.zeros(0), np.zeros((0, 5), np.int64), True)
        return self._finished()

    def totals(self) -> Totals:
        """What has happened so far."""
        tally, counts = self.world.tally[0], self._statuses
        span = float(tally["now"])
        return Totals(
            requests=int(tally["numbered"]),
            owned=int(counts[OWNED] + tally["on_the_way"]),
            spilled=int(counts[SPILLED]),
            rented=int(counts[RENTED]),
            refused=int(counts[REFUSED]),
            on_the_way=int(tally["on_the_way"]),
            pushed_out=int(tally["pushed_out"]),
            prompt_tokens=int(tally["prompt_tokens"]),
            cached_tokens=int(tally["cached_tokens"]),
            output_tokens=int(tally["output_tokens"]),
            span_s=span,
            utilisation=float(tally["busy_s"]) / (span * self._fleet.replicas) if span else 0.0,
        )

    def timeline(self) -> Timeline:
        """How busy the fleet was; the last bin ends with what is known."""
        tally, rows = self.world.tally[0], self.world.timeline
        width, span = float(tally["width_s"]), float(tally["now"])
        rows = rows[: int(span / width) + 1]
        seconds = np.minimum(span - np.arange(len(rows)) * width, width) * self._fleet.replicas
        seconds = np.where(seconds > 0, seconds, np.inf)
        return Timeline(
            width_s=width,
            busy=rows[:, BUSY_S] / seconds,
            kv_used=rows[:, KV_BLOCK_S] / seconds / self._engine.kv_blocks,
            running=rows[:, SEQUENCE_S] / seconds * self._fleet.replicas,
            prompt_tokens=rows[:, PROMPT_TOKENS].copy(),
            output_tokens=rows[:, OUTPUT_TOKENS].copy(),
            arrived=rows[:, ARRIVED].copy(),
            left=rows[:, LEFT].copy(),
        )

    def _prefixes(self, arrivals: Arrivals) -> tuple[Ints, Ints]:
        """How many prefix blocks of each request can be kept, and their ids: those that its input fills to the end."""
        size = self._engine.prefix_tokens
        if not size:
            return np.zeros(len(arrivals), np.int64), np.zeros(0, np.int64)
        named = arrivals.prefix_counts
        whole = np.minimum(named, arrivals.input_tokens // size)
        place = np.arange(len(arrivals.prefix_ids)) - np.repeat(np.cumsum(named) - named, named)
        kept: NDArray[np.bool_] = place < np.repeat(whole, named)
        return whole, arrivals.prefix_ids[kept]

    def _finished(self) -> Finished:
        tally = self.world.tally[0]
        done = self.world.done[: tally["done"]]
        tally["done"] = 0
        self._statuses += np.bincount(done["status"], minlength=REFUSED + 1)
        at_s = done["at"] + (self._first_s or 0.0)
        outside_s = self._engine.outside_s
        return Finished(
            done["number"].copy(),
            done["status"].copy(),
            at_s,
            done["ttft_s"] + outside_s,
            done["tpot_s"].copy(),
            done["total_s"] + outside_s,
        )


@dataclass(frozen=True)
class Simulated:
    """A whole trace: every request in order of arrival, the totals, and the fleet over time."""

    requests: Finished
    totals: Totals
    timeline: Timeline


def simulate(engine: Engine, fleet: Fleet, arrivals: Arrivals, core: Core | None = None) -> Simulated:
    """Run a trace to its end, on the compiled core unless stated. Raises BadSettings without numba."""
    simulator = Simulator(engine, fleet, core)
    parts = [simulator.feed(arrivals), simulator.drain()]
    columns = (np.concatenate([getattr(part, name) for part in parts]) for name in Finished.__dataclass_fields__)
    return Simulated(Finished(*columns).in_order(), simulator.totals(), simulator.timeline())
