"""The choices that hold for every workload of a plan, each shown with the plan: chosen, or the default and why."""

from fractions import Fraction

import msgspec

from freehold.core.errors import BadSettings
from freehold.plan.inputs import Assumption
from freehold.plan.owning.fleet_terms import FleetTerms

HOURS_PER_MONTH = 730.0

_LIMITS = (
    ("month_hours", 1, 744),
    ("max_utilisation", 0.01, 1),
    ("people_fte", 0, 1000),
    ("token_ratio", 0.2, 5),
    ("prefix_reuse", 0, 0.99),
    ("discount", 0, 0.99),
    ("batch_share", 0, 1),
    ("batch_price", 0, 1),
    ("growth_per_month", -0.5, 0.5),
    ("spike", 1, 1000),
    ("budget_usd_month", 0.01, 1e9),
    ("migration_usd", 0, 1e9),
    ("opportunity_usd", 0, 1e9),
    ("dual_running_months", 0, 24),
    ("discount_rate", 0, 1),
    ("horizon_months", 1, 120),
)


class PlanTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The choices that hold for every workload of a plan. A month is `month_hours` long on both sides of the comparison.
    `ranges`: stated ranges of inputs, each as name=low..high."""

    month_hours: float = HOURS_PER_MONTH
    max_utilisation: float = 0.7
    people_fte: float = 0.25
    token_ratio: float = 1.0
    prefix_reuse: float | None = None
    discount: float = 0.0
    batch_share: float = 0.0
    batch_price: float | None = None
    salary_usd_year: int = 200_000
    growth_per_month: float = 0.0
    spike: float = 3.0
    budget_usd_month: float | None = None
    migration_usd: float | None = None
    opportunity_usd: float = 0.0
    dual_running_months: float = 1.0
    discount_rate: float = 0.1
    horizon_months: int = 24
    fleet: FleetTerms = FleetTerms()
    ranges: tuple[str, ...] = ()
    chosen: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name, low, high in _LIMITS:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise BadSettings(f"{name} is {value:g}; give a number from {low:g} to {high:g}")
        if self.salary_usd_year < 0:
            raise BadSettings(f"salary_usd_year is {self.salary_usd_year}; give 0 or more")

    def rented_multiplier(self, batch_multiplier: Fraction) -> Fraction:
        """What the rented model's list price is multiplied by: discount, and the part of the traffic that goes by batch."""
        batch = batch_multiplier if self.batch_price is None else Fraction(str(self.batch_price))
        return (1 - Fraction(str(self.discount))) * (1 - Fraction(str(self.batch_share)) * (1 - batch))

    def assumptions(self) -> list[Assumption]:
        """Every term, each marked `user` where it was chosen and `default` where it was not."""
        return [
            Assumption(
                name=name,
                value=_shown(getattr(self, field)),
                unit=unit,
                source="user" if field in self.chosen else "default",
                origin=origin,
            )
            for field, name, unit, origin in _ROWS
        ] + self.fleet.assumptions()


def _shown(value: float | None) -> str:
    if value is None:
        return "not stated"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"


_ROWS = (
    ("month_hours", "length of a month", "hours", "365 days / 12; API and machines are counted over the same month"),
    ("max_utilisation", "highest use", "of a replica", "a busier replica queues its requests; the rest is headroom"),
    ("people_fte", "people", "full-time", "who run what you own, for each crew of machines; 0 leaves people out"),
    (
        "token_ratio",
        "token ratio",
        "owned tokens per rented token",
        "the models' tokenizers count the same text differently",
    ),
    (
        "prefix_reuse",
        "prefix reuse",
        "of the input, where owned",
        "unless stated, the share that the API read from its cache",
    ),
    (
        "discount",
        "negotiated discount",
        "of the rented price",
        "on the rented model; hosted open models are at list price",
    ),
    ("batch_share", "batch share", "of the rented traffic", "that can wait for a batch API"),
    (
        "batch_price",
        "batch price",
        "of the rented price",
        "unless stated, what the provider asks by batch; all of it where it has no batch API",
    ),
    ("salary_usd_year", "loaded salary", "USD per person and year", "counted with people and with the move"),
    ("growth_per_month", "growth", "of the volume, a month", "a scenario, not drawn; --growth-per-month states one"),
    ("spike", "spike", "times the traffic, for a day", "a scenario, not drawn"),
    ("budget_usd_month", "budget", "USD a month", "the spend rate is watched against it"),
    (
        "migration_usd",
        "cost of the move",
        "USD, once",
        "engineering and evaluation; unless stated, four weeks of a salary",
    ),
    (
        "opportunity_usd",
        "opportunity cost",
        "USD, once",
        "what the same people would have earned elsewhere; 0 leaves it out",
    ),
    ("dual_running_months", "dual running", "months", "owned and rented are both paid while moving"),
    ("discount_rate", "discount rate", "a year", "what money spent today is worth later"),
    ("horizon_months", "horizon", "months", "over which the move must pay"),
)
