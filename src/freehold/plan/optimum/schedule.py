"""A schedule k(t): the cheapest number of owned replicas for each hour of the day or week, where machines can be stopped.

The optimum itself is in `cycle.py`. A saving found on the traffic that made the schedule flatters it; so the schedule of the
span's first half is also run in the second.
"""

import math

import msgspec
import numpy as np

from freehold.core.errors import BadSettings
from freehold.plan.demand.hours import HOUR_S, Slots
from freehold.plan.demand.traffic import DAY_S, Ints
from freehold.plan.optimum.cycle import Cycle, best_changing, best_constant, measure_cycle, rises
from freehold.plan.optimum.elastic import Elastic, Hire, Windows

__all__ = ["Elastic", "Following", "Hire", "Schedule", "Windows", "follow_hours"]

_WEEKLY_FROM_S = 0.99 * 14 * DAY_S
_DAILY_FROM_S = 0.99 * DAY_S
_NOISE = 1e-9


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Replicas by the hour (UTC; of a week from Monday), their cost and use. `starts_per_day` counts machines; `saved` is against
    `constant_replicas`, the cheapest constant number; `needed` is work in replicas at the highest use allowed.

    `saved_unseen`: what the first half's schedule saves in the second half, against the first half's constant number; None where
    a half does not show every hour.
    """

    slots: Slots
    replicas: list[int]
    fixed_nanousd_month: int
    rented_nanousd_month: int
    total_nanousd_month: int
    spilled_share: float
    owned_share: float
    utilisation: float
    starts_per_day: float
    constant_replicas: int
    saved_nanousd_month: int
    saved_unseen_nanousd_month: int | None
    mean_needed: list[float]
    p95_needed: list[float]


class Following(msgspec.Struct, frozen=True, kw_only=True):
    """The schedule and how often its hours were seen; None with the reason why there is none."""

    schedule: Schedule | None
    reason: str


def follow_hours(windows: Windows, hire: Hire, elastic: Elastic | None) -> Following:
    """The cheapest replicas for each hour, the span repeated to fill the month; `elastic` is None where none can be stopped.

    From two weeks on, hours of the week are taken where they save more on unseen traffic than hours of the day.
    Raises BadSettings on rules that contradict each other and on an absurd peak.
    """
    if not windows.work_s.any():
        raise BadSettings("the traffic holds no work at all; a schedule needs some")
    if elastic is None:
        return _unscheduled("the machines are paid whether they run or not, so there is nothing to save by stopping them")
    if windows.span_s < _DAILY_FROM_S:
        seen = f"{windows.span_s / HOUR_S:.1f} hours"
        return _unscheduled(f"the traffic shows {seen}; a schedule needs every hour of a day at least once")
    held = hire.replicas_for(float(windows.sensitive_s.max()), windows.window_s)
    if elastic.max_replicas is not None and held > elastic.max_replicas:
        return _unscheduled(f"the sensitive work needs {held:,} replicas, more than max_replicas, {elastic.max_replicas:,}")
    both: tuple[Slots, ...] = (24, 168) if windows.span_s >= _WEEKLY_FROM_S else (24,)
    found = [_schedule(windows, hire, elastic, slots) for slots in both if _rasters(elastic, slots)]
    if not found:
        paid = f"{elastic.least_run_s / HOUR_S:.0f} hours"
        return _unscheduled(f"a started machine is paid for {paid} at least, too long to follow the hours of a day")
    best = max(found, key=_proven)
    times = windows.span_s / HOUR_S / best.slots
    return Following(schedule=best, reason=f"each hour of the {'day' if best.slots == 24 else 'week'} was seen {times:.1f} times")


def _proven(schedule: Schedule) -> float:
    unseen = schedule.saved_unseen_nanousd_month
    return -math.inf if unseen is None else unseen


def _schedule(windows: Windows, hire: Hire, elastic: Elastic, slots: Slots) -> Schedule:
    groups = _by_slot(windows, slots)
    cycle = measure_cycle(windows, hire, elastic, groups)
    rasters = _rasters(elastic, slots)
    unseen = _saved_unseen(windows, hire, elastic, rasters, slots)
    return _describe(windows, cycle, groups, _cheapest(cycle, rasters), unseen)


def _rasters(elastic: Elastic, slots: Slots) -> list[int]:
    """Numbers of hours between changes that let no started machine stop before its least run; none is a multiple of another."""
    least = max(1, math.ceil((elastic.least_run_s - elastic.start_delay_s) / HOUR_S - 1e-9))
    rasters: list[int] = []
    for hours in range(least, slots // 2 + 1):
        if slots % hours == 0 and all(hours % shorter for shorter in rasters):
            rasters.append(hours)
    return rasters


def _by_slot(windows: Windows, slots: Slots) -> list[Ints]:
    """The windows of each hour of the cycle."""
    slot = windows.hours(slots)
    return np.split(np.argsort(slot, kind="stable"), np.cumsum(np.bincount(slot, minlength=slots))[:-1])


def _cheapest(cycle: Cycle, rasters: list[int]) -> tuple[Ints, Ints]:
    """Machines by slot of the cheapest schedule and of the cheapest constant number."""
    constant, best = best_constant(cycle), best_changing(cycle, rasters)
    # Where running and renting cost the same, sums of floats differ in their last digits; that is no reason to change.
    worth = cycle.total_nanousd(constant) - cycle.total_nanousd(best) > _NOISE * cycle.total_nanousd(constant)
    return best if worth else constant, constant


def _saved_unseen(windows: Windows, hire: Hire, elastic: Elastic, rasters: list[int], slots: Slots) -> int | None:
    """Nano-dollars a month that the first half's schedule saves in the second; both run what its sensitive work needs there."""
    halves = windows.halves()
    grouped = [_by_slot(half, slots) for half in halves]
    if any(len(group) == 0 for groups in grouped for group in groups):
        return None
    first, second = (measure_cycle(half, hire, elastic, groups) for half, groups in zip(halves, grouped, strict=True))
    best, constant = (second.raised(machines) for machines in _cheapest(first, rasters))
    return second.total_nanousd(constant) - second.total_nanousd(best)


def _describe(
    windows: Windows, cycle: Cycle, groups: list[Ints], chosen: tuple[Ints, Ints], saved_unseen: int | None
) -> Schedule:
    """What a schedule costs and carries, window by window; `chosen` are its machines and the constant ones."""
    best, constant = chosen
    slots: Slots = 168 if len(groups) == 168 else 24
    owned = np.empty(len(windows.work_s))
    for group, replicas in zip(groups, cycle.replicas[best], strict=True):
        owned[group] = replicas
    replica_s = cycle.hire.max_utilisation * windows.window_s
    work_s = float(windows.work_s.sum())
    spilled_s = np.maximum(0.0, windows.work_s - owned * replica_s) - np.maximum(0.0, windows.sensitive_s - owned * replica_s)
    spilled = min(1.0, max(0.0, float(spilled_s.sum())) / work_s)
    available_s = float(owned.sum()) * windows.window_s
    return Schedule(
        slots=slots,
        replicas=cycle.replicas[best].tolist(),
        fixed_nanousd_month=cycle.fixed_nanousd(best),
        rented_nanousd_month=cycle.rented_nanousd(best),
        total_nanousd_month=cycle.total_nanousd(best),
        spilled_share=spilled,
        owned_share=1.0 - spilled,
        utilisation=(1.0 - spilled) * work_s / available_s if available_s else 0.0,
        starts_per_day=int(rises(best).sum()) * 24 / slots,
        constant_replicas=int(cycle.replicas[constant[0]]),
        saved_unseen_nanousd_month=saved_unseen,
        saved_nanousd_month=cycle.total_nanousd(constant) - cycle.total_nanousd(best),
        mean_needed=[float(windows.work_s[group].mean()) / replica_s for group in groups],
        p95_needed=[float(np.percentile(windows.work_s[group], 95)) / replica_s for group in groups],
    )


def _unscheduled(reason: str) -> Following:
    return Following(schedule=None, reason=reason)
