"""The plan as a document: what `freehold plan --json` prints and every report reads. Money is in integer nano-dollars."""

import msgspec

from freehold.plan.demand.traffic import TrafficSummary
from freehold.plan.inputs import Assumption
from freehold.plan.optimum.breakeven import BreakEven, VolumePoint
from freehold.plan.optimum.hybrid import HybridPoint
from freehold.plan.optimum.schedule import Schedule
from freehold.plan.outlook.forecast import Breach, Forecast
from freehold.plan.outlook.investment import Investment
from freehold.plan.outlook.tiers import TierForecast
from freehold.plan.outlook.uncertainty import Interval, Uncertainty
from freehold.plan.owning.machines import Kind
from freehold.plan.verdict.checklist import Cheapest, Judgement


class RentedCost(msgspec.Struct, frozen=True, kw_only=True):
    """All of the traffic at one API, and from which volume owning beats that one. `hosted`: it serves the owned model.
    `peak`: what spills is rented here."""

    provider: str
    model: str
    hosted: bool
    peak: bool
    rented_nanousd_month: int
    interval_nanousd_month: Interval
    first_tokens_per_day: float | None


class CandidateCost(msgspec.Struct, frozen=True, kw_only=True):
    """One way of owning: the cheapest mix at all (`best`), the cheapest with something owned (`owning`), and everything owned.
    `chosen`: the one the plan's curves and answer are about. `hybrid`: its cheapest mix at each of the plan's volumes."""

    kind: Kind
    label: str
    chosen: bool
    best: HybridPoint
    owning: HybridPoint
    own: HybridPoint
    owning_interval_nanousd_month: Interval
    first_tokens_per_day: float | None
    p_owning_wins: float
    hybrid_nanousd_month: list[int]


class DurationPoint(msgspec.Struct, frozen=True):
    """In `share` (0-1) of the windows at least this many replicas are needed, at the highest utilisation allowed."""

    share: float
    replicas: float


class VolumeBand(msgspec.Struct, frozen=True, kw_only=True):
    """Where 80 % of the draws lie at one volume: renting all (at the cheapest API), owning all, and the cheapest mix."""

    tokens_per_day: float
    rented_p10: int
    rented_p90: int
    owned_p10: int
    owned_p90: int
    hybrid_p10: int
    hybrid_p90: int


class WorkloadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One workload's answer. `cheapest` is what the point figures say, `judgement` what to do.

    `rented` is the bill of everything at the model rented today, even where it may not all be rented (`rent_allowed`). `best` is
    the cheapest of all mixes, the peak rented at `peak_model`. `volumes` and `bands` rent at that one, too.
    """

    name: str
    judgement: Judgement
    cheapest: Cheapest
    rented_model: str
    peak_model: str
    owned_model: str
    traffic: TrafficSummary
    rent_allowed: bool
    rented_nanousd_day: int
    rented_nanousd_month: int
    least_rented_nanousd_month: int
    own: HybridPoint
    best: HybridPoint
    break_even: BreakEven
    uncertainty: Uncertainty
    forecast: Forecast
    tiers: list[TierForecast]
    investment: Investment | None
    rented: list[RentedCost]
    candidates: list[CandidateCost]
    schedule: Schedule | None
    schedule_reason: str
    curve: list[HybridPoint]
    duration: list[DurationPoint]
    volumes: list[VolumePoint]
    bands: list[VolumeBand]
    week_tokens: list[list[float | None]]
    assumptions: list[Assumption]
    warnings: list[str]


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """Several workloads on one set of replicas, whose peaks do not fall together and whose people are counted once, against the
    sum of their own best mixes."""

    owned_model: str
    workloads: list[str]
    best: HybridPoint
    apart_nanousd_month: int


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the workloads, each served on its own. Intervals: an input that is high for one workload is high for all."""

    tokens_per_day: float
    rented_nanousd_month: int
    owned_nanousd_month: int
    best_nanousd_month: int
    rented_interval_nanousd_month: Interval
    best_interval_nanousd_month: Interval


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer. `version` counts changes of this shape."""

    version: int = 3
    made_on: str
    workloads: list[WorkloadPlan]
    totals: Totals
    pools: list[Pool]
    breach: Breach | None
    assumptions: list[Assumption]
    warnings: list[str]
