"""What any numbers of machines cost over a cycle of hours, and the cheapest of them.

The cost is a sum over machines: the j-th one runs in the hours that need at least j, and a rise of the count is one start for
each machine it passes. Once an hour's sensitive work fits, a further machine there displaces no more than the one before, so
choosing for each machine by itself the cheapest hours to run in (a shortest path through on and off, around the cycle) gives
nested hours and with them the exact optimum, in time linear in the machines.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freehold.core.errors import BadSettings
from freehold.plan.demand.hours import HOUR_S
from freehold.plan.demand.traffic import Flags, Floats, Ints
from freehold.plan.optimum.elastic import Elastic, Hire, Windows
from freehold.plan.optimum.load import Excess

_MAX_MACHINES = 20_000


@dataclass(frozen=True, eq=False)
class Cycle:
    """One cycle in machines: hours of the month, those paid ahead by one start, and the floor of each slot; the API bill a month
    by slot and machines; the replicas that so many machines run; the fewest machines that may run at all; whether some must."""

    hire: Hire
    hours: Floats
    ahead: Floats
    floor: Ints
    rented: Floats
    replicas: Ints
    lowest: int
    must_own: bool

    def fixed_nanousd(self, machines: Ints) -> int:
        """A month of so many machines in each slot, starts and fixed cost included."""
        hire, held = self.hire, self.hire.committed_machines
        if not machines.any():
            return 0
        paid_h = float((self.hours * (machines - held)).sum() + (self.ahead * rises(machines)).sum())
        price_h = hire.price_nanousd_h if hire.committed_price_nanousd_h is None else hire.committed_price_nanousd_h
        return round(hire.price_nanousd_h * paid_h) + round(price_h * held * hire.month_hours) + hire.fixed_nanousd_month

    def rented_nanousd(self, machines: Ints) -> int:
        """A month's API bill of what spills; machines beyond what the peak needs leave nothing more to rent."""
        columns = np.minimum(machines, self.rented.shape[1] - 1)
        return round(float(self.rented[np.arange(len(machines)), columns].sum()))

    def total_nanousd(self, machines: Ints) -> int:
        """Both."""
        return self.fixed_nanousd(machines) + self.rented_nanousd(machines)

    def raised(self, machines: Ints) -> Ints:
        """Those machines, or the floor where it is higher; none at all where nothing is owned and nothing has to be."""
        return np.maximum(machines, self.floor) if self.must_own or machines.any() else machines


def measure_cycle(windows: Windows, hire: Hire, elastic: Elastic, groups: list[Ints]) -> Cycle:
    """Sum the windows of each hour into what it costs to leave their work to so many machines."""

    def machines_for(work_s: Floats) -> int:
        return hire.machines_for(hire.replicas_for(float(work_s.max()), windows.window_s))

    lowest = max(1, hire.machines_for(elastic.min_replicas))
    floor = np.array([max(hire.committed_machines, machines_for(windows.sensitive_s[group])) for group in groups])
    floor = np.where((floor > 0) | (not elastic.scale_to_zero), np.maximum(floor, lowest), 0)
    most = max(machines_for(windows.work_s), int(floor.max()), lowest)
    limit = elastic.max_replicas or most * hire.replicas_per_machine
    most = min(most, hire.machines_for(limit))
    if hire.committed_machines > most:
        raise BadSettings(f"committed_machines is {hire.committed_machines}, more than max_replicas, {limit}, need; lower it")
    if most > _MAX_MACHINES:
        raise BadSettings(
            f"the peak needs {most:,} machines, more than {_MAX_MACHINES:,}; check the volume, the model and the GPU"
        )
    replicas = np.minimum(np.arange(most + 1) * hire.replicas_per_machine, limit)
    hours = np.array([len(group) for group in groups]) * (hire.month_hours / len(windows.work_s))
    whole, part = divmod(elastic.start_delay_s / HOUR_S, 1.0)
    ahead = sum((np.roll(hours, back) for back in range(1, int(whole) + 1)), part * np.roll(hours, int(whole) + 1))
    return Cycle(
        hire=hire,
        hours=hours,
        ahead=ahead,
        floor=floor,
        rented=_rented_nanousd(windows, groups, replicas * hire.max_utilisation * windows.window_s)
        * (hire.month_hours * HOUR_S / windows.span_s),
        replicas=replicas,
        lowest=lowest,
        must_own=hire.committed_machines > 0 or bool(windows.sensitive_s.any()),
    )


def _rented_nanousd(windows: Windows, groups: list[Ints], capacity_s: Floats) -> Floats:
    """The API bill of each hour (rows) at each capacity per window (columns): (w - c)+ - (s - c)+ at each window's own price."""
    rentable_s = windows.work_s - windows.sensitive_s
    rate = np.divide(windows.cost_nanousd, rentable_s, out=np.zeros_like(rentable_s), where=rentable_s > 0)
    work, sensitive = (
        np.array([Excess(values[group], rate[group]).over(capacity_s) for group in groups])
        for values in (windows.work_s, windows.sensitive_s)
    )
    left: Floats = np.maximum(0.0, work - sensitive)
    return left


def best_constant(cycle: Cycle) -> Ints:
    """The cheapest constant number of machines, or none where nothing has to be owned; among equals the fewest."""
    least = max(cycle.lowest, int(cycle.floor.max()))
    paid = np.arange(least, len(cycle.replicas)) * (cycle.hire.price_nanousd_h * float(cycle.hours.sum()))
    best = np.full(len(cycle.hours), least + int(np.argmin(paid + cycle.rented[:, least:].sum(axis=0))))
    none = np.zeros_like(best)
    return none if not cycle.must_own and cycle.total_nanousd(none) <= cycle.total_nanousd(best) else best


def best_changing(cycle: Cycle, rasters: Iterable[int]) -> Ints:
    """The cheapest machines by slot that change every so many slots only, as `rasters` say; among equals the fewest starts.

    The `lowest` machines run or stop together: their mean is one column, and the further ones have a column each.
    """
    lowest, price_h = cycle.lowest, cycle.hire.price_nanousd_h
    running = np.diff(cycle.rented, axis=1) + price_h * cycle.hours[:, None]
    running = np.concatenate([running[:, :lowest].mean(axis=1, keepdims=True), running[:, lowest:]], axis=1)
    forced = cycle.floor[:, None] >= lowest + np.arange(running.shape[1])
    # A machine that pays in no slot by itself pays in no run of them.
    paying = 1 + int(np.max(np.flatnonzero(((running < 0) | forced).any(axis=0)), initial=0))
    running, forced = running[:, :paying], forced[:, :paying]
    sizes = np.append(lowest, np.ones(paying - 1, dtype=np.int64))

    def changing(hold: int, first: int) -> Ints:
        def blocks(values: NDArray[Any]) -> NDArray[Any]:
            return np.roll(values, -first, axis=0).reshape(-1, hold, *values.shape[1:])

        starts = blocks(price_h * cycle.ahead)[:, 0]
        runs = _cheapest_runs(blocks(running).sum(axis=1), starts, blocks(forced).max(axis=1))
        return np.roll(np.repeat(runs @ sizes, hold), first)

    found = (changing(hold, first) for hold in rasters for first in range(hold))
    return min(found, key=lambda machines: (cycle.total_nanousd(machines), rises(machines).sum()))


def _cheapest_runs(running: Floats, start: Floats, forced: Flags) -> Flags:
    """For each column the cheapest rows to run in, around the cycle: the shortest path through off and on that ends as it began.

    `running` is what a row costs when run, `start` what it costs to begin in it, `forced` where running is a must.
    """
    rows, columns = running.shape
    cheapest, best = np.full(columns, np.inf), np.ones((rows, columns), dtype=np.bool_)
    for began_on in (False, True):
        off = np.where(forced[0] | began_on, np.inf, 0.0)
        on = running[0] if began_on else np.full(columns, np.inf)
        before: list[tuple[Flags, Flags]] = []  # whether the row before was on, if this one is off and if it is on
        for row in range(1, rows):
            before.append((on < off, on <= off + start[row]))
            on, off = (
                np.minimum(on, off + start[row]) + running[row],
                np.where(forced[row], np.inf, np.minimum(on, off)),
            )
        was_on, cost = (on <= off + start[0], np.minimum(on, off + start[0])) if began_on else (on < off, np.minimum(on, off))
        path = np.full((rows, columns), began_on)
        for row in range(rows - 1, 0, -1):
            path[row] = was_on
            was_on = np.where(was_on, before[row - 1][1], before[row - 1][0])
        best = np.where(cost < cheapest, path, best)
        cheapest = np.minimum(cost, cheapest)
    return best


def rises(machines: Ints) -> Ints:
    """Machines started as each slot begins, around the cycle."""
    started: Ints = np.maximum(0, machines - np.roll(machines, 1))
    return started
