"""What a schedule is worked out from: the windows of the traffic, what running machines costs, and how far they may follow."""

import math
from dataclasses import dataclass

import msgspec
import numpy as np

from freehold.core.errors import BadSettings
from freehold.plan.demand.hours import HOUR_S, Slots, hour_slots
from freehold.plan.demand.traffic import DAY_S, Floats, Ints


class Elastic(msgspec.Struct, frozen=True, kw_only=True):
    """How far owned replicas may follow the hour: `min_replicas` run whenever any does, none at all only with `scale_to_zero`. A
    started machine is paid for `start_delay_s` before it serves, and for `least_run_s` at least."""

    start_delay_s: float
    least_run_s: float
    min_replicas: int = 0
    max_replicas: int | None = None
    scale_to_zero: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.start_delay_s <= DAY_S:
            raise BadSettings(f"start_delay_s is {self.start_delay_s:g}; give 0 to {DAY_S:.0f} seconds")
        if not (0 <= self.least_run_s < math.inf):
            raise BadSettings(f"least_run_s is {self.least_run_s:g}; give a finite number of seconds, 0 or more")
        if self.min_replicas < 0:
            raise BadSettings(f"min_replicas is {self.min_replicas}; give 0 or more")
        if self.max_replicas is not None and self.max_replicas < max(1, self.min_replicas):
            raise BadSettings(f"max_replicas is {self.max_replicas}; give at least 1 and at least min_replicas")


class Hire(msgspec.Struct, frozen=True, kw_only=True):
    """What running costs: machines by the hour, `fixed_nanousd_month` from the first one on, and committed machines, which run
    and are paid always, at their own price (None: the same)."""

    price_nanousd_h: int
    replicas_per_machine: int
    max_utilisation: float
    month_hours: float
    fixed_nanousd_month: int = 0
    committed_machines: int = 0
    committed_price_nanousd_h: int | None = None

    def __post_init__(self) -> None:
        if self.price_nanousd_h < 0 or self.fixed_nanousd_month < 0 or (self.committed_price_nanousd_h or 0) < 0:
            raise BadSettings("a price or fixed cost of the hire is negative; give 0 or more")
        if self.replicas_per_machine < 1 or self.committed_machines < 0:
            raise BadSettings("a machine holds at least 1 replica and committed_machines is 0 or more")
        if not 0 < self.max_utilisation <= 1:
            raise BadSettings(f"max_utilisation is {self.max_utilisation:g}; give more than 0 and at most 1")

    def replicas_for(self, work_s: float, window_s: float) -> int:
        """The fewest replicas that carry so much work in a window."""
        return math.ceil(work_s / (self.max_utilisation * window_s) - 1e-9)

    def machines_for(self, replicas: int) -> int:
        """Whole machines that hold so many replicas."""
        return -(-replicas // self.replicas_per_machine)


@dataclass(frozen=True, eq=False)
class Windows:
    """The span cut into windows of `window_s`, from `start_s` (Unix seconds) on; one value each: work in replica-seconds, the
    sensitive part of it, and the API cost of the rest."""

    start_s: float
    window_s: float
    work_s: Floats
    sensitive_s: Floats
    cost_nanousd: Floats

    def __post_init__(self) -> None:
        if not len(self.work_s) == len(self.sensitive_s) == len(self.cost_nanousd) > 0:
            raise BadSettings("the windows have no or unequal numbers of values; give work, sensitive part and cost of each")
        if not 0 < self.window_s <= HOUR_S / 2:
            raise BadSettings(
                f"window_s is {self.window_s:g}; give more than 0 and at most 1800 seconds, so that every hour has one"
            )
        fits = (self.sensitive_s >= 0) & (self.sensitive_s <= self.work_s * (1 + 1e-9))  # sums of the same requests, both rounded
        if not (np.isfinite(self.work_s) & fits).all():
            raise BadSettings("the work of a window is negative, not finite, or less than its sensitive part; check the columns")
        if not (np.isfinite(self.cost_nanousd).all() and (self.cost_nanousd >= 0).all()):
            raise BadSettings("the API cost of a window is negative or not finite; check the price")

    @property
    def span_s(self) -> float:
        """All windows together."""
        return self.window_s * len(self.work_s)

    def hours(self, slots: Slots) -> Ints:
        """The hour of the day or of the week of each window's middle."""
        middle = np.arange(len(self.work_s), dtype=np.float64) + 0.5
        return hour_slots(self.start_s + middle * self.window_s, slots)

    def halves(self) -> "tuple[Windows, Windows]":
        """The span cut in two. Raises BadSettings on a single window."""
        middle = len(self.work_s) // 2
        first, second = (
            Windows(start_s, self.window_s, self.work_s[part], self.sensitive_s[part], self.cost_nanousd[part])
            for start_s, part in (
                (self.start_s, slice(None, middle)),
                (self.start_s + middle * self.window_s, slice(middle, None)),
            )
        )
        return first, second
