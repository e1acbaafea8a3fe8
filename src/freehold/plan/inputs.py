"""What a plan was worked out from: every figure with its value, unit, source, date and range, so any answer can be asked why."""

import math
from collections.abc import Mapping
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
            np.exp(np.interp(quantile, (0.0, 0.5, 1.0), np.log(ends))) if self.low > 0 else np.interp(quantile, (0.0, 0.5, 1.0), ends)
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


class PlanTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The choices that hold for every workload of a plan. A month is `month_hours` long on both sides of the comparison."""

    month_hours: float = HOURS_PER_MONTH
    max_utilisation: float = 0.7
    people_fte: float = 0.0
    salary_usd_year: int = 200_000
    chosen: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name, low, high in (("month_hours", 1, 744), ("max_utilisation", 0.01, 1), ("people_fte", 0, 1000)):
            if not low <= getattr(self, name) <= high:
                raise BadSettings(f"{name} is {getattr(self, name):g}; give a number from {low} to {high}")
        if self.salary_usd_year < 0:
            raise BadSettings(f"salary_usd_year is {self.salary_usd_year}; give 0 or more")

    def assumptions(self) -> list[Assumption]:
        """The four terms, each marked `user` where it was chosen and `default` where it was not."""
        rows = (
            ("month_hours", "length of a month", "hours", "365 days / 12; API and machines are counted over the same month"),
            ("max_utilisation", "highest use", "of a replica", "a busier replica queues its requests; the rest is headroom"),
            ("people_fte", "people", "full-time", "who run what you own; 0 leaves people out of the comparison"),
            ("salary_usd_year", "loaded salary", "USD per person and year", "counted only with people"),
        )
        return [
            Assumption(
                name=name,
                value=f"{getattr(self, field):,g}" if field != "salary_usd_year" else f"{self.salary_usd_year:,}",
                unit=unit,
                source="user" if field in self.chosen else "default",
                origin=origin,
            )
            for field, name, unit, origin in rows
        ]
