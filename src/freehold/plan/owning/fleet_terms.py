"""The terms of owning machines: discounts, interruptions, spares, people in steps, and what bought metal costs to keep."""

import msgspec

from freehold.core.errors import BadSettings
from freehold.plan.inputs import Assumption

_LIMITS = (
    ("reserved_1y_discount", 0, 0.95),
    ("reserved_3y_discount", 0, 0.95),
    ("spot_interruptions_day", 0, 1000),
    ("restart_minutes", 0, 720),
    ("spare_machines", 0, 1000),
    ("zones", 1, 16),
    ("min_replicas", 0, 20_000),
    ("max_replicas", 1, 20_000),
    ("crew_machines", 0, 100_000),
    ("platform_usd_month", 0, 1e7),
    ("storage_usd_gb_month", 0, 100),
    ("egress_usd_gb", 0, 10),
    ("depreciation_months", 1, 240),
    ("residual_share", 0, 1),
    ("upkeep_year", 0, 1),
    ("capital_cost_year", 0, 1),
    ("usd_per_kwh", 0, 10),
    ("pue", 1, 5),
    ("host_power", 1, 5),
    ("colocation_usd_kw_month", 0, 10_000),
    ("dedicated_people_share", 0, 1),
)

# A chat.completion.chunk with one token, as engines send it.
CHUNK_BYTES = 250


class FleetTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The choices about owned machines that hold for every workload. `spare_machines` None: one where sensitive work, which has
    no API to go to, would be stranded; none elsewhere, because there the API is the spare."""

    reserved_1y_discount: float = 0.3
    reserved_3y_discount: float = 0.5
    spot_interruptions_day: float = 1.0
    restart_minutes: float = 10.0
    spare_machines: int | None = None
    zones: int = 1
    min_replicas: int = 0
    max_replicas: int | None = None
    scale_to_zero: bool = True
    crew_machines: int = 16
    platform_usd_month: float = 100.0
    storage_usd_gb_month: float = 0.08
    egress_usd_gb: float = 0.0
    depreciation_months: int = 48
    residual_share: float = 0.0
    upkeep_year: float = 0.05
    capital_cost_year: float = 0.08
    usd_per_kwh: float = 0.15
    pue: float = 1.4
    host_power: float = 1.3
    colocation_usd_kw_month: float = 150.0
    dedicated_people_share: float = 0.25
    chosen: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name, low, high in _LIMITS:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise BadSettings(f"{name} is {value:g}; give a number from {low:g} to {high:g}")

    @property
    def spot_availability(self) -> float:
        """Share of the time a spot machine serves: after each interruption another one starts."""
        return max(0.01, 1 - self.spot_interruptions_day * self.restart_minutes / 1440)

    def assumptions(self) -> list[Assumption]:
        """Every term, each marked `user` where it was chosen and `default` where it was not."""
        shown = msgspec.structs.asdict(self) | {
            "spare_machines": "1 where sensitive work has no API to go to"
            if self.spare_machines is None
            else self.spare_machines,
            "max_replicas": "not stated" if self.max_replicas is None else self.max_replicas,
            "scale_to_zero": "yes" if self.scale_to_zero else "no",
        }
        return [
            Assumption(
                name=name,
                value=value if isinstance(value := shown[field], str) else f"{value:,.10g}",
                unit=unit,
                source="user" if field in self.chosen else "default",
                origin=origin,
            )
            for field, name, unit, origin in _ROWS
        ]


_ROWS = (
    ("reserved_1y_discount", "1-year discount", "of on demand", "where no reserved price is listed; 20 to 40 % is usual"),
    ("reserved_3y_discount", "3-year discount", "of on demand", "where no reserved price is listed; 40 to 60 % is usual"),
    ("spot_interruptions_day", "spot interruptions", "a day", "a guess; sensitive work never counts on spot machines"),
    ("restart_minutes", "start of a replica", "minutes", "machine, weights and warm-up; paid, and serving nothing"),
    ("spare_machines", "spare machines", "", "N + r; where work may be rented the API is the spare"),
    ("zones", "zones", "", "with more than one, the loss of a zone leaves enough machines"),
    ("min_replicas", "fewest replicas by the hour", "", "where replicas follow the hour"),
    ("max_replicas", "most replicas by the hour", "", "where replicas follow the hour; unset: as many as pay"),
    ("scale_to_zero", "scale to zero", "", "an hour without replicas is rented; never where sensitive work may come"),
    ("crew_machines", "machines per crew", "machines", "beyond it the people are counted once more; 0: never"),
    ("platform_usd_month", "platform", "USD a month", "load balancer, monitoring, registry: a guess from the first replica on"),
    ("storage_usd_gb_month", "storage", "USD per GB and month", "twice the weights on every machine; a usual SSD list price"),
    ("egress_usd_gb", "egress", "USD per GB", f"0: answers leave through the gateway either way; {CHUNK_BYTES} bytes a token"),
    ("depreciation_months", "depreciation", "months", "own metal, in a straight line"),
    ("residual_share", "residual value", "of the price", "own metal, at the end"),
    ("upkeep_year", "upkeep", "of the price, a year", "own metal: repairs and support"),
    ("capital_cost_year", "cost of capital", "a year", "own metal, on half the price"),
    ("usd_per_kwh", "electricity", "USD per kWh", "own metal; Pan et al., arXiv 2509.18101 (2025)"),
    ("pue", "PUE", "", "own metal: all power over the machines' power"),
    ("host_power", "host power", "times the GPUs' TDP", "own metal: processors, fans, network"),
    ("colocation_usd_kw_month", "colocation", "USD per kW and month", "own metal: a guess"),
    ("dedicated_people_share", "people of a dedicated deployment", "of the people", "somebody else runs its machines"),
)
