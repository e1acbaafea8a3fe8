"""What a plan was worked out from: every figure with its value, unit, source, date and range, so any answer can be asked why."""

from typing import Literal, TypeAlias, get_args

import msgspec
import numpy as np

from freehold.core.errors import BadSettings
from freehold.plan.traffic import Floats

Source: TypeAlias = Literal["measured", "catalog", "user", "default"]

InputName: TypeAlias = Literal[
    "api_price", "gpu_price", "prefill_speed", "decode_speed", "max_utilisation", "volume", "output_length", "people_fte"
]
INPUTS: tuple[InputName, ...] = get_args(InputName)

HOURS_PER_MONTH = 730.0


class Assumption(msgspec.Struct, frozen=True, kw_only=True):
    """One input: `value` as people read it, who says so (`source`), on what ground (`origin`) and from when (`date`, ISO).
    `range`: between which values it was drawn, where it was."""

    name: str
    value: str
    unit: str
    source: Source
    origin: str
    date: str = ""
    range: str = ""


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """Where an uncertain input may lie. The point is the median: half the draws lie below it and half above, evenly (in
    ratios, where the range does not touch zero) up to the ends."""

    name: InputName
    low: float
    point: float
    high: float
    unit: str
    source: Source
    origin: str

    def at(self, quantile: Floats) -> Floats:
        """The value at each quantile (0-1). Widening the range moves every value away from the point, none towards it."""
        ends = np.array([self.low, self.point, self.high])
        values: Floats = (
            np.exp(np.interp(quantile, (0.0, 0.5, 1.0), np.log(ends)))
            if self.low > 0
            else np.interp(quantile, (0.0, 0.5, 1.0), ends)
        )
        return values

    def assumption(self) -> Assumption:
        """Its row in the table."""
        name = self.name.replace("_", " ").replace("api", "API").replace("gpu", "GPU").replace("fte", "FTE")
        return Assumption(
            name=f"{name}, range",
            value=f"{self.point:g}",
            unit=self.unit,
            source=self.source,
            origin=self.origin,
            range=f"{self.low:.3g} to {self.high:.3g}",
        )


_LIMITS = (
    ("month_hours", 1, 744),
    ("max_utilisation", 0.01, 1),
    ("people_fte", 0, 1000),
    ("growth_per_month", -0.5, 0.5),
    ("spike", 1, 1000),
    ("budget_usd_month", 0.01, 1e9),
    ("migration_usd", 0, 1e9),
    ("dual_running_months", 0, 24),
    ("discount_rate", 0, 1),
    ("horizon_months", 1, 120),
)


class PlanTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The choices that hold for every workload of a plan. A month is `month_hours` long on both sides of the comparison.
    `ranges`: stated ranges of inputs, each as name=low..high."""

    month_hours: float = HOURS_PER_MONTH
    max_utilisation: float = 0.7
    people_fte: float = 0.0
    salary_usd_year: int = 200_000
    growth_per_month: float = 0.0
    spike: float = 3.0
    budget_usd_month: float | None = None
    migration_usd: float | None = None
    dual_running_months: float = 1.0
    discount_rate: float = 0.1
    horizon_months: int = 24
    ranges: tuple[str, ...] = ()
    chosen: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name, low, high in _LIMITS:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise BadSettings(f"{name} is {value:g}; give a number from {low:g} to {high:g}")
        if self.salary_usd_year < 0:
            raise BadSettings(f"salary_usd_year is {self.salary_usd_year}; give 0 or more")

    def assumptions(self) -> list[Assumption]:
        """Every term, each marked `user` where it was chosen and `default` where it was not."""
        rows = (
            ("month_hours", "length of a month", "hours", "365 days / 12; API and machines are counted over the same month"),
            ("max_utilisation", "highest use", "of a replica", "a busier replica queues its requests; the rest is headroom"),
            ("people_fte", "people", "full-time", "who run what you own; 0 leaves people out of the comparison"),
            ("salary_usd_year", "loaded salary", "USD per person and year", "counted with people and with the move"),
            ("growth_per_month", "growth", "of the volume, a month", "a scenario, not drawn; --growth-per-month states one"),
            ("spike", "spike", "times the traffic, for a day", "a scenario, not drawn"),
            ("budget_usd_month", "budget", "USD a month", "the spend rate is watched against it"),
            ("migration_usd", "cost of the move", "USD, once", "unless stated, four weeks of one loaded salary"),
            ("dual_running_months", "dual running", "months", "owned and rented are both paid while moving"),
            ("discount_rate", "discount rate", "a year", "what money spent today is worth later"),
            ("horizon_months", "horizon", "months", "over which the move must pay"),
        )
        return [
            Assumption(
                name=name,
                value=_shown(getattr(self, field)),
                unit=unit,
                source="user" if field in self.chosen else "default",
                origin=origin,
            )
            for field, name, unit, origin in rows
        ]


def _shown(value: float | None) -> str:
    if value is None:
        return "not stated"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"
