"""The options of `freehold plan`, in groups: whence the traffic, what is compared, on which terms, on which machines."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from cyclopts import Parameter

from freehold.app.cli.ledger_flag import LedgerFlag
from freehold.catalog.efficiency import load_efficiency
from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.plan.capacity.measured import Measured
from freehold.plan.choice import Choice
from freehold.plan.owning.capacity import Precision
from freehold.plan.owning.fleet_terms import FleetTerms
from freehold.plan.owning.terms import PlanTerms
from freehold.plan.simulating import Simulating

_Overlaid = TypeVar("_Overlaid", Choice, PlanTerms, FleetTerms)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Given:
    """Where the traffic comes from; one of them."""

    ledger: LedgerFlag | None = None
    "A ledger that `freehold serve` or `freehold import` wrote: every workload in it is planned."
    trace: Path | None = None
    "A request trace (Azure 2023 CSV or Mooncake JSONL, plain or gzipped), planned as one workload."
    scenario: str | None = None
    "A scenario file, or the name of a shipped one; `--scenario list` names them."
    workload: str | None = None
    "Plan only this workload of a ledger; or the traced workload's name, as in the configuration."
    since: str | None = None
    "Only requests of a ledger that stand for this day (YYYY-MM-DD, UTC) or later ones."
    until: str | None = None
    "Only requests of a ledger that stand for days before this one."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Compared:
    """What is compared. Unset, the configuration, the scenario or the ledger decides, then a default that the plan shows."""

    rent: str | None = None
    "The rented model as provider/model. Default: the one most used in the ledger, or openai/gpt-4o."
    hosted: tuple[str, ...] = ()
    "APIs that host the owned model, as provider/model: the third candidate; `none` leaves it out. May be repeated."
    clearance: DataClass | None = None
    "The highest data class that may be rented. Default: internal."
    model: str | None = None
    "The owned model. Default: Llama-3.1-8B."
    precision: Precision | None = None
    "Its precision. Default: fp8, or bf16 where the GPU has no fp8."
    gpu: str | None = None
    "The GPU. Default: L40S."
    gpu_count: int | None = None
    "GPUs per replica. Default: 1."
    provider: str | None = None
    "Who hires out the GPU. Default: aws; unless stated, a cheaper one may be taken."
    hire_plan: str | None = None
    "How it is hired: on_demand, spot, reserved_1y, reserved_3y, or a mix such as reserved_1y=0.6,on_demand=0.4."
    usd_per_hour: Decimal | None = None
    "Price of one replica's GPUs per hour, instead of the catalogue's."
    dedicated_usd_h: Decimal | None = None
    "Price of one replica's GPUs per hour as a dedicated deployment."
    capex_usd: float | None = None
    "What one GPU with its share of a server costs to buy: own metal."
    prefill_tok_s: float | None = None
    "Measured input tokens per second of one replica, with --decode-tok-s."
    decode_tok_s: float | None = None
    "Measured output tokens per second of one replica, with --prefill-tok-s."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TermsGiven:
    """On which terms."""

    max_utilisation: float | None = None
    "How busy a replica may be kept, 0 to 1. Default: 0.7."
    people_fte: float | None = None
    "People who run what is owned, in full-time equivalents, for each crew of machines. Default: 0.25."
    salary_usd_year: int | None = None
    "Loaded salary of one of them. Default: 200000."
    discount: float | None = None
    "Negotiated discount on the rented model, such as 0.1. Default: 0."
    batch_share: float | None = None
    "Share of the rented traffic that can wait for a batch API at half the price. Default: 0."
    token_ratio: float | None = None
    "Tokens of the owned model for each token of the rented one. Default: 1."
    prefix_reuse: float | None = None
    "Share of the input that an owned replica finds in its prefix cache. Default: what the API read from its cache."
    month_hours: float | None = None
    "Length of the month, on both sides. Default: 730."
    growth_per_month: float | None = None
    "By how much the volume grows each month, such as 0.05: a scenario. Default: 0."
    spike: float | None = None
    "How many times the traffic one busy day brings. Default: 3."
    budget_usd_month: float | None = None
    "A budget in dollars a month, for all workloads together; the plan says when it will be passed."
    migration_usd: float | None = None
    "What the move to owning costs once. Default: four weeks of one loaded salary."
    opportunity_usd: float | None = None
    "What the same people would have earned elsewhere. Default: 0, left out."
    dual_running_months: float | None = None
    "How long owned and rented are both paid while moving. Default: 1."
    discount_rate: float | None = None
    "Discount rate a year. Default: 0.1."
    horizon_months: int | None = None
    "Months over which the move must pay. Default: 24."
    ranges: Annotated[tuple[str, ...], Parameter(name="--range")] = ()
    "Where an uncertain input may lie, as name=low..high, e.g. gpu_price=0.9..1.1 times its point. May be repeated."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FleetGiven:
    """On which machines."""

    spare_machines: int | None = None
    "N + r. Default: one where sensitive work has no API to go to, none elsewhere."
    zones: int | None = None
    "With more than one, the loss of a zone leaves enough machines. Default: 1."
    min_replicas: int | None = None
    "Fewest replicas while following the hour. Default: 0."
    max_replicas: int | None = None
    "Most replicas while following the hour."
    scale_to_zero: bool | None = None
    "Whether an hour may be rented altogether. Default: yes."
    restart_minutes: float | None = None
    "Minutes a replica takes to start. Default: 10."
    spot_interruptions_day: float | None = None
    "How often a spot machine is taken away. Default: 1."
    reserved_1y_discount: float | None = None
    "Where no price is listed, below on demand. Default: 0.3."
    reserved_3y_discount: float | None = None
    "Where no price is listed, below on demand. Default: 0.5."
    crew_machines: int | None = None
    "Machines the people can run before they are counted once more. Default: 16."
    platform_usd_month: float | None = None
    "Load balancer, monitoring, registry. Default: 100."
    storage_usd_gb_month: float | None = None
    "Storage for twice the weights on every machine. Default: 0.08."
    egress_usd_gb: float | None = None
    "Where answers leave an owned machine's network for money. Default: 0."
    depreciation_months: int | None = None
    "Own metal. Default: 48."
    residual_share: float | None = None
    "Own metal: what is left of the price. Default: 0."
    upkeep_year: float | None = None
    "Own metal: repairs and support, of the price. Default: 0.05."
    capital_cost_year: float | None = None
    "Own metal: on half the price. Default: 0.08."
    usd_per_kwh: float | None = None
    "Own metal. Default: 0.15."
    pue: float | None = None
    "Own metal: all power over the machines' power. Default: 1.4."
    host_power: float | None = None
    "Own metal: machine power over the GPUs' TDP. Default: 1.3."
    colocation_usd_kw_month: float | None = None
    "Own metal. Default: 150."
    dedicated_people_share: float | None = None
    "People a dedicated deployment needs, of the people. Default: 0.25."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SimulatedPace:
    """Where the pace of an owned replica comes from, unless it was measured."""

    simulate: bool = True
    "Simulate the owned engine on the traffic, where the extra is there and published curves cover model and GPU; else estimate."
    tpot_ms: float = 50.0
    "Time per token that a full replica keeps, in ms, where it is simulated."

    def simulating(self, measured: Iterable[Measured] = ()) -> Simulating | None:
        """How to simulate, with the targets that were calibrated, or None. Raises BadSettings."""
        if not 0 < self.tpot_ms < float("inf"):
            raise BadSettings(f"--tpot-ms is {self.tpot_ms:g}; give milliseconds above 0")
        return Simulating(load_efficiency(), tpot_s=self.tpot_ms / 1000, measured=tuple(measured)) if self.simulate else None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Printed:
    """How the answer comes out."""

    html: Path | None = None
    "Also write the plan as one self-contained page."
    json: bool = False
    "Print the plan as one JSON document; money in integer nano-dollars."
    schema: bool = False
    "Print the JSON schema of that document, and nothing else."


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Watched:
    """Watch a ledger's signals instead of planning it once."""

    watch: bool = False
    "Show the signals of the build threshold until Ctrl-C."
    once: bool = False
    "With --watch: look once; exit code 1 where a signal is on."
    every_s: float = 10.0
    "With --watch: seconds between looks."


def overlaid(base: _Overlaid, *layers: object) -> _Overlaid:
    """The base with every field that a layer sets; later layers win. What was set is remembered in `chosen`."""
    stated: dict[str, Any] = {}
    for layer in layers:
        values = msgspec.structs.asdict(layer) if isinstance(layer, msgspec.Struct) else vars(layer)
        stated |= {n: v for n, v in values.items() if n in base.__struct_fields__ and v not in (None, ())}
    return msgspec.structs.replace(base, **stated, chosen=base.chosen | stated.keys())


def terms_of(*layers: object, fleet: tuple[object, ...] = ()) -> PlanTerms:
    """The terms with every layer's; the machines' own terms inside."""
    return msgspec.structs.replace(overlaid(PlanTerms(), *layers), fleet=overlaid(FleetTerms(), *fleet))
