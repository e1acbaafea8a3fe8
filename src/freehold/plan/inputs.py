"""What a plan was worked out from: every figure with its value, unit, source and date, so that any answer can be asked why."""

from typing import Literal, TypeAlias

import msgspec

from freehold.core.errors import BadSettings

Source: TypeAlias = Literal["measured", "catalog", "user", "default"]

HOURS_PER_MONTH = 730.0


class Assumption(msgspec.Struct, frozen=True, kw_only=True):
    """One input: `value` as people read it, who says so (`source`), on what ground (`origin`) and from when (`date`, ISO)."""

    name: str
    value: str
    unit: str
    source: Source
    origin: str
    date: str = ""


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
