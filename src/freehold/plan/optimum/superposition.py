"""From which volume on owning pays if growth comes from users who are independent of each other: their bursts smooth out.

The other way to grow beside scaling the load as it is. Of a window's work only what departs from the hour around it is chance:
s times the users make s times the hour's mean and the square root of s times the chance.
"""

import numpy as np

from freehold.plan.demand.traffic import Flags, Floats
from freehold.plan.optimum.hybrid import MAX_REPLICAS, Market

_HOUR_S = 3600.0
_MOST_WINDOWS = 40_000
# Every so many hours of a long span, so that all hours of the day stay in equal shares.
_STRIDES = (1, 5, 7, 11, 13, 17, 19, 23)
_DOUBLINGS, _STEPS = 10, 8


def smoothed_first_scale(market: Market) -> float | None:
    """The smallest scale above 1 at which some number of full machines costs less than what it displaces, within 1 %.

    None where that is at no more than 2^10 times today's volume, or where no fleet of a sane size carries it.
    """
    load = market.load
    hour = max(1, round(_HOUR_S / load.window_s))
    kept = _kept(len(load.work_s), hour)
    steady = _moving_mean(load.work_s, hour)[kept]
    chance = load.work_s[kept] - steady
    mean_rate = float(load.cost_nanousd.sum()) / load.total_s
    rate = np.where(load.work_s[kept] > 0, load.rate_nanousd[kept], mean_rate)
    to_month = market.to_month * len(load.work_s) / max(1, int(kept.sum()))
    running = market.marginal_nanousd / load.total_s

    def pays(scale: float) -> bool:
        work = np.maximum(0.0, scale * steady + np.sqrt(scale) * chance)
        machine_s = market.replica_window_s * market.owned.replicas_per_machine
        most = int(np.ceil(work.max() / machine_s))
        if most * market.owned.replicas_per_machine > MAX_REPLICAS:
            return False
        machines = np.arange(1, most + 1)
        carried = (machines * machine_s).astype(np.float64)
        saved = _displaced(work, rate - running, carried) * to_month
        return bool((saved > market.fixed_nanousd(machines * market.owned.replicas_per_machine)).any())

    high = 2.0
    for _ in range(_DOUBLINGS):
        if pays(high):
            break
        high *= 2
    else:
        return None
    low = high / 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if pays(middle) else (middle, high)
    return high


def _displaced(work: Floats, rate: Floats, capacities: Floats) -> Floats:
    """sum of rate x min(work, c) over the windows, for each capacity c in rising order."""
    above = np.searchsorted(capacities, work, side="right")
    whole = np.cumsum(np.bincount(above, work * rate, len(capacities) + 1))[:-1]
    full = np.cumsum(np.bincount(above, rate, len(capacities) + 1)[::-1])[-2::-1]
    displaced: Floats = whole + capacities * full
    return displaced


def _kept(count: int, hour: int) -> Flags:
    """All windows of every n-th hour, n as small as keeps them few."""
    stride = next((n for n in _STRIDES if count / n <= _MOST_WINDOWS), _STRIDES[-1])
    return np.asarray((np.arange(count) // hour) % stride == 0, dtype=np.bool_)


def _moving_mean(values: Floats, width: int) -> Floats:
    """The mean of the hour around each window; at the ends of what there is of it."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    places = np.arange(len(values))
    first, last = np.maximum(0, places - width // 2), np.minimum(len(values), places + width // 2 + 1)
    mean: Floats = (sums[last] - sums[first]) / (last - first)
    return mean
