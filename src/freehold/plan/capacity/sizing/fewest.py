"""The fewest replicas that keep a promise on latency under a trace, and how much more traffic they would take."""

from collections.abc import Callable

import msgspec
import numpy as np

from freehold.core.errors import BadSettings
from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.simulator.fleet import Engine, Fleet, Slo
from freehold.plan.capacity.simulator.law import Floats
from freehold.plan.capacity.simulator.simulate import simulate
from freehold.plan.capacity.simulator.summary import good_ones
from freehold.plan.capacity.simulator.world import OWNED

MOST_REPLICAS = 4096
# How finely the traffic at which the next replica is needed is looked for, and how far: twice the traffic, twice over.
_HALVINGS, _FARTHEST = 5, 4.0


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """A share `level` (0-1) of the requests has its first token within `ttft_s`, and as large a one keeps `tpot_s` a token."""

    ttft_s: float
    tpot_s: float
    level: float = 0.95

    def __post_init__(self) -> None:
        for name in ("ttft_s", "tpot_s"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadSettings(f"{name} is {getattr(self, name):g}; give seconds above 0")
        if not 0 < self.level < 1:
            raise BadSettings(f"the percentile is {100 * self.level:g}; give one above 0 and below 100, such as 95")


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One simulation: both times at the promised level, infinite where too many requests fit no replica. `busy`: share (0-1) of
    the replicas' time that they were at work; `good` requests kept both times, `goodput_rps` of them a second."""

    replicas: int
    ttft_s: float
    tpot_s: float
    busy: float
    goodput_rps: float
    good: int
    pushed_out: int
    busy_s: float

    def keeps(self, promise: Promise) -> bool:
        """Whether both times are inside."""
        return self.ttft_s <= promise.ttft_s and self.tpot_s <= promise.tpot_s


def try_out(engine: Engine, replicas: int, arrivals: Arrivals, promise: Promise) -> Trial:
    """Simulate so many replicas with nothing rented behind them. Raises BadSettings without numba."""
    made = simulate(engine, Fleet(replicas=replicas), arrivals)
    totals, seen = made.totals, made.requests
    good = good_ones(seen, Slo(ttft_s=promise.ttft_s, tpot_s=promise.tpot_s))
    ttft = np.where(seen.status == OWNED, seen.ttft_s, np.inf)
    return Trial(
        replicas=replicas,
        ttft_s=_level(ttft, promise.level),
        tpot_s=_level(seen.tpot_s[~np.isnan(seen.tpot_s)], promise.level),
        busy=totals.utilisation,
        goodput_rps=good / totals.span_s if totals.span_s else 0.0,
        good=good,
        pushed_out=totals.pushed_out,
        busy_s=totals.utilisation * totals.span_s * replicas,
    )


def least_times(engine: Engine, arrivals: Arrivals, level: float) -> tuple[float, float]:
    """Seconds to the first token and per token that no number of replicas goes below: a request at the level, all alone."""
    length = float(np.quantile(arrivals.input_tokens, level, method="inverted_cdf"))
    chunk = min(length, float(engine.step_tokens))
    alone = engine.law.seconds(prefill=chunk, pairs=chunk * chunk / 2)
    cached = bool(engine.prefix_tokens and len(arrivals.prefix_ids))
    return engine.outside_s + engine.admission_s + (0.0 if cached else alone), engine.law.seconds(batch=1.0)


def fewest(engine: Engine, arrivals: Arrivals, promise: Promise, most: int) -> Trial | None:
    """The fewest replicas, up to `most`, that keep the promise; None where those do not. The search gallops from what the work
    asks for and then halves: more replicas are taken to be no worse."""
    ttft_s, tpot_s = least_times(engine, arrivals, promise.level)
    if ttft_s > promise.ttft_s or tpot_s > promise.tpot_s:
        return None

    def attempt(replicas: int) -> Trial:
        return try_out(engine, replicas, arrivals, promise)

    one = attempt(1)
    if one.keeps(promise) or most == 1:
        return one if one.keeps(promise) else None
    span = max(float(arrivals.at_s[-1] - arrivals.at_s[0]), 1e-9)
    failed, tried = 1, min(most, max(2, round(one.busy_s / span)))
    found = attempt(tried)
    while not found.keeps(promise):
        if tried == most:
            return None
        failed, tried = tried, min(most, max(tried + 1, round(tried * 1.3)))
        found = attempt(tried)
    return _halve(attempt, promise, failed, found)


def _halve(attempt: Callable[[int], Trial], promise: Promise, failed: int, found: Trial) -> Trial:
    """The least number above one that failed, given one that holds."""
    while found.replicas - failed > 1:
        middle = attempt((failed + found.replicas) // 2)
        if middle.keeps(promise):
            found = middle
        else:
            failed = middle.replicas
    return found


def next_step(engine: Engine, arrivals: Arrivals, promise: Promise, replicas: int) -> float:
    """The multiple of the traffic up to which so many replicas keep the promise, looked for to a few hundredths; at most 4."""
    low, high = 1.0, min(_FARTHEST, 1.0 + 1.0 / replicas)
    while try_out(engine, replicas, faster(arrivals, high), promise).keeps(promise):
        if high == _FARTHEST:
            return high
        low, high = high, min(_FARTHEST, 1.5 * high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        kept = try_out(engine, replicas, faster(arrivals, middle), promise).keeps(promise)
        low, high = (middle, high) if kept else (low, middle)
    return low


def faster(arrivals: Arrivals, times: float) -> Arrivals:
    """The same requests so many times closer together."""
    first = arrivals.at_s[0]
    return Arrivals(
        at_s=first + (arrivals.at_s - first) / times,
        input_tokens=arrivals.input_tokens,
        output_tokens=arrivals.output_tokens,
        sensitive=arrivals.sensitive,
        prefix_counts=arrivals.prefix_counts,
        prefix_ids=arrivals.prefix_ids,
    )


def _level(seconds: Floats, level: float) -> float:
    """The time that a share `level` does not exceed; 0 of none."""
    return float(np.quantile(seconds, level, method="inverted_cdf")) if len(seconds) else 0.0
