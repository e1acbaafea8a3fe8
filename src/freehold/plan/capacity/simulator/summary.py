"""A trace of any length in bounded memory: its times as histograms with quantiles to one part in 128, goodput under an SLO."""

from collections.abc import Callable, Iterable

import msgspec
import numpy as np

from freehold.core.errors import BadSettings
from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.simulator.fleet import Engine, Fleet, Slo
from freehold.plan.capacity.simulator.law import Floats
from freehold.plan.capacity.simulator.simulate import Finished, Simulator, Timeline, Totals
from freehold.plan.capacity.simulator.world import OWNED

# Each doubling of time in 128 equal parts, from about a microsecond to half a year.
_PARTS, _LOWEST, _HIGHEST = 128, -20, 24


class Times:
    """A histogram of seconds."""

    def __init__(self) -> None:
        self._counts = np.zeros((_HIGHEST - _LOWEST) * _PARTS, np.int64)
        self._sum_s = 0.0

    def add(self, seconds: Floats) -> None:
        """Count them; NaN is left out, and what lies outside the range counts at its end."""
        known = seconds[~np.isnan(seconds)]
        part, doubling = np.frexp(known)  # exact on every machine, unlike a logarithm
        place = (doubling - 1 - _LOWEST) * _PARTS + ((part - 0.5) * 2 * _PARTS).astype(np.int64)
        self._counts += np.bincount(np.clip(place, 0, len(self._counts) - 1), minlength=len(self._counts))
        self._sum_s += float(known.sum())

    @property
    def count(self) -> int:
        """How many there were."""
        return int(self._counts.sum())

    @property
    def mean_s(self) -> float:
        """Their mean; NaN where there were none."""
        return self._sum_s / self.count if self.count else float("nan")

    def quantile(self, level: float) -> float:
        """The time that a share `level` (0-1) does not exceed, never too low and too high by at most 1/128; NaN of none."""
        if not 0 <= level <= 1:
            raise BadSettings(f"the level of a quantile is {level:g}; give a share from 0 to 1")
        if not self.count:
            return float("nan")
        wanted = max(1, int(np.ceil(level * self.count)))
        place = int(np.searchsorted(np.cumsum(self._counts), wanted))
        doubling, part = divmod(place, _PARTS)
        return float(np.ldexp(1 + (part + 1) / _PARTS, doubling + _LOWEST))


class Quantiles(msgspec.Struct, frozen=True):
    """Mean and quantiles of a time, in seconds; NaN where nothing was measured."""

    mean_s: float
    p50_s: float
    p90_s: float
    p95_s: float
    p99_s: float


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A trace in a page. `good` requests were answered on owned replicas inside the SLO; `goodput_rps` is how many a second."""

    totals: Totals
    ttft: Quantiles
    tpot: Quantiles
    total: Quantiles
    good: int
    goodput_rps: float


def summarise(
    engine: Engine, fleet: Fleet, chunks: Iterable[Arrivals], slo: Slo, progress: Callable[[Totals], None] = lambda _: None
) -> tuple[Summary, Timeline]:
    """Run a trace given in chunks to its end; `progress` hears after each how it stands. Memory grows with what is on its way
    and with a chunk, not with the trace. Raises BadSettings without numba."""
    simulator = Simulator(engine, fleet)
    times, good = (Times(), Times(), Times()), 0
    for chunk in chunks:
        good += _count(times, simulator.feed(chunk), slo)
        progress(simulator.totals())
    good += _count(times, simulator.drain(), slo)
    totals = simulator.totals()
    ttft, tpot, total = (_quantiles(each) for each in times)
    rate = good / totals.span_s if totals.span_s else 0.0
    return Summary(totals=totals, ttft=ttft, tpot=tpot, total=total, good=good, goodput_rps=rate), simulator.timeline()


def good_ones(finished: Finished, slo: Slo) -> int:
    """How many were answered on owned replicas inside the SLO; an answer of one token has no pace to keep."""
    paced = np.isnan(finished.tpot_s) | (finished.tpot_s <= slo.tpot_s)
    return int(((finished.status == OWNED) & (finished.ttft_s <= slo.ttft_s) & paced).sum())


def _count(times: tuple[Times, Times, Times], finished: Finished, slo: Slo) -> int:
    for each, seconds in zip(times, (finished.ttft_s, finished.tpot_s, finished.total_s), strict=True):
        each.add(seconds)
    return good_ones(finished, slo)


def _quantiles(times: Times) -> Quantiles:
    return Quantiles(times.mean_s, *(times.quantile(level) for level in (0.5, 0.9, 0.95, 0.99)))
