"""The plan: per workload what renting, owning and owning the base cost a month, from which volume on owning pays, and why.

Point figures over explicit inputs. All money is in integer nano-dollars and says so in its name.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec
import numpy as np

from freehold.core.errors import BadSettings
from freehold.core.price import PriceCard
from freehold.plan.breakeven import BreakEven, VolumePoint, break_even, volume_curve
from freehold.plan.capacity import Pace
from freehold.plan.hybrid import HybridPoint, Market, cheapest, hybrid_curve
from freehold.plan.inputs import Assumption, PlanTerms
from freehold.plan.load import Load, measure_load
from freehold.plan.owned import OwnedCost
from freehold.plan.rented import request_costs_nanousd
from freehold.plan.traffic import Traffic, TrafficSummary

Answer: TypeAlias = Literal["rent", "own base, rent peak", "own"]

_VOLUMES = 300
_DRAWN_REPLICAS = 2_000
_DURATIONS = 200


@dataclass(frozen=True, kw_only=True)
class WorkloadInput:
    """One workload and the two ways to serve it. `hosted`: open-weight APIs of the owned model, the third candidate."""

    name: str
    traffic: Traffic
    rented: PriceCard
    owned: OwnedCost
    owned_label: str
    pace: Pace
    hosted: tuple[PriceCard, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    warnings: tuple[str, ...] = ()


class HostedCost(msgspec.Struct, frozen=True, kw_only=True):
    """The same traffic at another API, and from which volume owning beats that one."""

    provider: str
    model: str
    rented_nanousd_month: int
    first_tokens_per_day: float | None


class DurationPoint(msgspec.Struct, frozen=True):
    """In `share` (0-1) of the windows at least this many replicas are needed, at the highest utilisation allowed."""

    share: float
    replicas: float


class WorkloadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One workload's answer. `rented` is the bill of everything, even where it may not all be rented (`rent_allowed`)."""

    name: str
    answer: Answer
    rented_model: str
    owned_model: str
    traffic: TrafficSummary
    rent_allowed: bool
    rented_nanousd_day: int
    rented_nanousd_month: int
    own: HybridPoint
    best: HybridPoint
    break_even: BreakEven
    hosted: list[HostedCost]
    curve: list[HybridPoint]
    duration: list[DurationPoint]
    volumes: list[VolumePoint]
    assumptions: list[Assumption]
    warnings: list[str]


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the workloads; each is served on its own, replicas are not shared between them."""

    tokens_per_day: float
    rented_nanousd_month: int
    owned_nanousd_month: int
    best_nanousd_month: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer, as `freehold plan --json` prints it. `version` counts changes of this shape."""

    version: int = 1
    made_on: str
    workloads: list[WorkloadPlan]
    totals: Totals
    assumptions: list[Assumption]
    warnings: list[str]


def make_plan(inputs: Sequence[WorkloadInput], terms: PlanTerms, made_on: dt.date, warnings: Sequence[str] = ()) -> Plan:
    """Plan every workload. Raises BadSettings when there is none."""
    if not inputs:
        raise BadSettings("there is no traffic to plan for; give requests of at least one workload")
    workloads = [_plan_workload(given, terms) for given in inputs]
    return Plan(
        made_on=made_on.isoformat(),
        workloads=workloads,
        totals=Totals(
            tokens_per_day=sum(w.traffic.tokens_per_day for w in workloads),
            rented_nanousd_month=sum(w.rented_nanousd_month for w in workloads),
            owned_nanousd_month=sum(w.own.total_nanousd_month for w in workloads),
            best_nanousd_month=sum(w.best.total_nanousd_month for w in workloads),
        ),
        assumptions=terms.assumptions(),
        warnings=list(warnings),
    )


def _plan_workload(given: WorkloadInput, terms: PlanTerms) -> WorkloadPlan:
    work_s = given.pace.replica_seconds(given.traffic)

    def market(card: PriceCard) -> Market:
        load = measure_load(given.traffic, work_s, request_costs_nanousd(card, given.traffic))
        return Market(load, given.owned, terms.max_utilisation, terms.month_hours * 3600 / given.traffic.span_s)

    main = market(given.rented)
    summary = given.traffic.summary()
    per_day = summary.tokens_per_day
    curve = hybrid_curve(main)
    best, crossing = cheapest(curve), break_even(main, per_day)
    rented_month = round(main.bill_nanousd_month)
    hosted = [_hosted(card, market(card), per_day) for card in given.hosted]
    return WorkloadPlan(
        name=given.name,
        answer=_answer(best, len(curve) - 1),
        rented_model=f"{given.rented.provider}/{given.rented.model}",
        owned_model=given.owned_label,
        traffic=summary,
        rent_allowed=curve[0].feasible,
        rented_nanousd_day=round(main.bill_nanousd_month / terms.month_hours * 24),
        rented_nanousd_month=rented_month,
        own=curve[-1],
        best=best,
        break_even=crossing,
        hosted=hosted,
        curve=curve,
        duration=_duration_curve(main.load, main.replica_window_s),
        volumes=volume_curve(main, per_day, _volumes(main, per_day, crossing)),
        assumptions=list(given.assumptions),
        warnings=[*given.warnings, *_warnings(given.traffic, best, hosted)],
    )


def _answer(best: HybridPoint, peak_replicas: int) -> Answer:
    if best.replicas == 0:
        return "rent"
    return "own" if best.replicas >= peak_replicas or best.spilled_share == 0 else "own base, rent peak"


def _hosted(card: PriceCard, market: Market, tokens_per_day: float) -> HostedCost:
    return HostedCost(
        provider=card.provider,
        model=card.model,
        rented_nanousd_month=round(market.bill_nanousd_month),
        first_tokens_per_day=break_even(market, tokens_per_day).first_tokens_per_day,
    )


def _warnings(traffic: Traffic, best: HybridPoint, hosted: Sequence[HostedCost]) -> list[str]:
    unseen = traffic.unseen()
    cheaper = [] if traffic.sensitive.any() else [h for h in hosted if h.rented_nanousd_month < best.total_nanousd_month]
    return [
        *([unseen] if unseen else []),
        *(f"{h.provider}/{h.model} hosts the owned model for less than this answer: compare it first" for h in cheaper),
    ]


def _duration_curve(load: Load, replica_window_s: float) -> list[DurationPoint]:
    """The windows' needs, highest first, thinned to what a picture can show; the first and last are kept."""
    needs = np.sort(load.work_s)[::-1] / replica_window_s
    places = np.unique(np.linspace(0, len(needs) - 1, _DURATIONS).astype(int))
    return [DurationPoint(float((place + 1) / len(needs)), float(needs[place])) for place in places]


def _volumes(market: Market, tokens_per_day: float, crossing: BreakEven) -> list[float]:
    """Evenly from almost nothing to a quarter beyond today, or beyond break-even where a picture can still show its steps."""
    marks = [m for m in (crossing.first_tokens_per_day, crossing.all_tokens_per_day) if m is not None]
    drawable = _DRAWN_REPLICAS * market.replica_window_s / market.load.peak_s * tokens_per_day
    end = 1.25 * max([tokens_per_day, *(m for m in marks if 1.25 * m <= drawable)])
    return [float(volume) for volume in np.linspace(0, end, _VOLUMES + 1)[1:]]
