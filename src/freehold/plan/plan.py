"""The plan: per workload what renting, owning and owning the base cost a month, from which volume on owning pays, and why.

Point figures over explicit inputs, and what the inputs' ranges make of them. All money is in integer nano-dollars and says so
in its name.
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
from freehold.plan.forecast import Breach, Forecast, budget_breach, forecast
from freehold.plan.hybrid import HybridPoint, Market, cheapest, hybrid_curve
from freehold.plan.inputs import INPUTS, Assumption, PlanTerms
from freehold.plan.investment import Investment, invest
from freehold.plan.load import Load, measure_load
from freehold.plan.owned import OwnedCost, person_nanousd_month
from freehold.plan.ranges import Ranges
from freehold.plan.rented import request_costs_nanousd
from freehold.plan.spill import measure_profile
from freehold.plan.traffic import DAY_S, Floats, Traffic, TrafficSummary
from freehold.plan.uncertainty import Interval, Outcome, Subject, Uncertainty, assess, quantiles, spill_surface

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
    ranges: Ranges
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
    uncertainty: Uncertainty
    forecast: Forecast
    investment: Investment | None
    hosted: list[HostedCost]
    curve: list[HybridPoint]
    duration: list[DurationPoint]
    volumes: list[VolumePoint]
    assumptions: list[Assumption]
    warnings: list[str]


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the workloads; each is served on its own, replicas are not shared between them. Intervals: an input that is high
    for one workload is high for all."""

    tokens_per_day: float
    rented_nanousd_month: int
    owned_nanousd_month: int
    best_nanousd_month: int
    rented_interval_nanousd_month: Interval
    best_interval_nanousd_month: Interval


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer, as `freehold plan --json` prints it. `version` counts changes of this shape."""

    version: int = 2
    made_on: str
    workloads: list[WorkloadPlan]
    totals: Totals
    breach: Breach | None
    assumptions: list[Assumption]
    warnings: list[str]


def make_plan(inputs: Sequence[WorkloadInput], terms: PlanTerms, made_on: dt.date, warnings: Sequence[str] = ()) -> Plan:
    """Plan every workload. Raises BadSettings when there is none."""
    if not inputs:
        raise BadSettings("there is no traffic to plan for; give requests of at least one workload")
    planned = [_plan_workload(given, terms, made_on) for given in inputs]
    workloads = [workload for workload, _ in planned]
    forecasts = [workload.forecast for workload in workloads]
    return Plan(
        made_on=made_on.isoformat(),
        workloads=workloads,
        totals=Totals(
            tokens_per_day=sum(w.traffic.tokens_per_day for w in workloads),
            rented_nanousd_month=sum(w.rented_nanousd_month for w in workloads),
            owned_nanousd_month=sum(w.own.total_nanousd_month for w in workloads),
            best_nanousd_month=sum(w.best.total_nanousd_month for w in workloads),
            rented_interval_nanousd_month=quantiles(_summed([drawn.rented for _, drawn in planned])),
            best_interval_nanousd_month=quantiles(_summed([drawn.best for _, drawn in planned])),
        ),
        breach=None if terms.budget_usd_month is None else budget_breach(forecasts, terms.budget_usd_month, made_on),
        assumptions=terms.assumptions(),
        warnings=list(warnings),
    )


def _summed(draws: Sequence[Floats]) -> Floats:
    total: Floats = np.sum(draws, axis=0)
    return total


def _subject(given: WorkloadInput, terms: PlanTerms) -> Subject:
    profile = measure_profile(given.traffic, given.pace, given.rented)
    return Subject(
        profile=profile,
        surface=spill_surface(profile, given.ranges),
        owned=given.owned,
        person_nanousd_month=round(person_nanousd_month(terms)),
        to_month=terms.month_hours * 3600 / given.traffic.span_s,
        input_tokens_per_day=float(given.traffic.input_tokens.sum()) / given.traffic.span_s * DAY_S,
        output_tokens_per_day=float(given.traffic.output_tokens.sum()) / given.traffic.span_s * DAY_S,
    )


def _plan_workload(given: WorkloadInput, terms: PlanTerms, made_on: dt.date) -> tuple[WorkloadPlan, Outcome]:
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
    subject = _subject(given, terms)
    uncertainty, drawn = assess(subject, given.ranges)
    owning = cheapest(curve[1:]).fixed_nanousd_month
    planned = WorkloadPlan(
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
        uncertainty=uncertainty,
        forecast=forecast(given.traffic, main, best, terms),
        investment=invest(subject, given.ranges, terms, owning, made_on) if curve[0].feasible else None,
        hosted=hosted,
        curve=curve,
        duration=_duration_curve(main.load, main.replica_window_s),
        volumes=volume_curve(main, per_day, _volumes(main, per_day, crossing)),
        assumptions=[*given.assumptions, *(given.ranges[name].assumption() for name in INPUTS)],
        warnings=[*given.warnings, *_warnings(given.traffic, best, hosted)],
    )
    return planned, drawn


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
