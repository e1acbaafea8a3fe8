"""Make the plan: per workload what every way to rent and to own costs a month, which is cheapest, and what to do about it.

Point figures over explicit inputs, what the inputs' ranges make of them, and the verdict that joins both with the evidence.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np

from freehold.core.errors import BadSettings
from freehold.plan.candidate import Demand, OwnedCandidate, Weighed, weigh
from freehold.plan.demand.hours import hourly_tokens
from freehold.plan.demand.traffic import DAY_S, Floats, Traffic, TrafficSummary
from freehold.plan.document import DurationPoint, Plan, RentedCost, Totals, VolumeBand, WorkloadPlan
from freehold.plan.inputs import INPUTS, Assumption
from freehold.plan.optimum.breakeven import BreakEven, volume_curve
from freehold.plan.optimum.hybrid import Market
from freehold.plan.optimum.load import Load
from freehold.plan.outlook.forecast import budget_breach, forecast
from freehold.plan.outlook.investment import invest
from freehold.plan.outlook.tiers import tier_forecasts
from freehold.plan.outlook.uncertainty import SEED, outcomes, quantiles
from freehold.plan.owning.terms import PlanTerms
from freehold.plan.pool import pools
from freehold.plan.verdict.checklist import Evidence, Host, Judgement, Money, Operator
from freehold.plan.verdict.judge import judge
from freehold.plan.wording import turning_points
from freehold.stats.hypercube import latin_hypercube

_THREADS = 2
_VOLUMES = 300
_BANDS, _BAND_DRAWS = 24, 1_000
_DRAWN_REPLICAS = 2_000
_DURATIONS = 200


@dataclass(frozen=True, kw_only=True)
class WorkloadInput:
    """One workload and every way to serve it.

    `candidates[0]` is the way of owning that was asked for; unless it was `pinned` by name or price, the cheapest is taken.
    `owned_share_now`: share of its requests that owned targets answer today; None: unknown.
    """

    name: str
    demand: Demand
    candidates: tuple[OwnedCandidate, ...]
    pinned: bool
    operator: Operator = Operator()
    evidence: Evidence | None = None
    owned_share_now: float | None = None
    people_fte: float = 0.0
    assumptions: tuple[Assumption, ...] = ()
    warnings: tuple[str, ...] = ()


def make_plan(inputs: Iterable[WorkloadInput], terms: PlanTerms, made_on: dt.date, warnings: Sequence[str] = ()) -> Plan:
    """Plan every workload, two at a time: the requests of one are let go before the next is asked for.

    Raises BadSettings when there is none.
    """
    planned = _plan_all(inputs, terms, made_on)
    if not planned:
        raise BadSettings("there is no traffic to plan for; give requests of at least one workload")
    workloads = [workload for workload, _ in planned]
    forecasts = [workload.forecast for workload in workloads]
    today = [chosen.outcome.bills[0] for _, chosen in planned]
    return Plan(
        made_on=made_on.isoformat(),
        workloads=workloads,
        totals=Totals(
            tokens_per_day=sum(w.traffic.tokens_per_day for w in workloads),
            rented_nanousd_month=sum(w.rented_nanousd_month for w in workloads),
            owned_nanousd_month=sum(w.own.total_nanousd_month for w in workloads),
            best_nanousd_month=sum(w.best.total_nanousd_month for w in workloads),
            rented_interval_nanousd_month=quantiles(np.sum(today, axis=0)),
            best_interval_nanousd_month=quantiles(np.sum([chosen.outcome.best for _, chosen in planned], axis=0)),
        ),
        pools=pools([(workload.name, chosen) for workload, chosen in planned]),
        breach=None if terms.budget_usd_month is None else budget_breach(forecasts, terms.budget_usd_month, made_on),
        assumptions=terms.assumptions(),
        warnings=list(warnings),
    )


def _plan_all(inputs: Iterable[WorkloadInput], terms: PlanTerms, made_on: dt.date) -> list[tuple[WorkloadPlan, Weighed]]:
    """In the order of the inputs. Arithmetic over large arrays holds no lock of Python's, so that two threads use two cores."""
    waiting, turn = enumerate(inputs), Lock()
    found: dict[int, tuple[WorkloadPlan, Weighed]] = {}

    def work() -> None:
        while True:
            with turn:
                place, given = next(waiting, (-1, None))
            if given is None:
                return
            found[place] = _plan_workload(given, terms, made_on)

    with ThreadPoolExecutor(_THREADS) as pool:
        for thread in [pool.submit(work) for _ in range(_THREADS)]:
            thread.result()
    return [found[place] for place in sorted(found)]


def _plan_workload(given: WorkloadInput, terms: PlanTerms, made_on: dt.date) -> tuple[WorkloadPlan, Weighed]:
    demand, traffic = given.demand, given.demand.traffic
    weighed = weigh(given.candidates, demand, terms)
    chosen = weighed[0] if given.pinned else min(weighed, key=lambda one: one.owning.total_nanousd_month)
    summary, market, week = traffic.summary(), chosen.market, _week(traffic)
    per_day, rent_allowed = summary.tokens_per_day, chosen.curve[0].feasible
    rented = [_rented(demand, chosen, place) for place in range(len(demand.bills))]
    volumes = _volumes(market, per_day, chosen.break_even)
    following = chosen.following()
    owning = chosen.owning.fixed_nanousd_month
    planned = WorkloadPlan(
        name=given.name,
        judgement=_judgement(given, chosen, (rented, summary, week)),
        cheapest=chosen.cheapest,
        rented_model=demand.bills[0].label,
        peak_model=demand.peak.label,
        owned_model=chosen.candidate.label,
        traffic=summary,
        rent_allowed=rent_allowed,
        rented_nanousd_day=round(rented[0].rented_nanousd_month / terms.month_hours * 24),
        rented_nanousd_month=rented[0].rented_nanousd_month,
        least_rented_nanousd_month=min(cost.rented_nanousd_month for cost in rented),
        own=chosen.curve[-1],
        best=chosen.best,
        break_even=chosen.break_even,
        uncertainty=chosen.uncertainty,
        forecast=forecast(traffic, market, chosen.best, terms),
        tiers=tier_forecasts(traffic, demand.bills[0], market.to_month, terms),
        investment=invest(chosen.subject, chosen.candidate.ranges, terms, owning, made_on) if rent_allowed else None,
        rented=rented,
        candidates=[one.cost(per_day, volumes, chosen=one is chosen) for one in weighed],
        schedule=following.schedule,
        schedule_reason=following.reason,
        curve=chosen.curve,
        duration=_duration_curve(market.load, market.replica_window_s),
        volumes=volume_curve(market, per_day, volumes),
        bands=_bands(chosen, per_day, volumes[-1]),
        week_tokens=[[None if np.isnan(hour) else float(hour) for hour in day] for day in week],
        assumptions=[
            *given.assumptions,
            *chosen.candidate.assumptions,
            *(chosen.candidate.ranges[name].assumption() for name in INPUTS),
        ],
        warnings=[*given.warnings, *chosen.candidate.warnings, *_warnings(given, chosen, weighed)],
    )
    return planned, chosen


def _rented(demand: Demand, chosen: Weighed, place: int) -> RentedCost:
    bill = demand.bills[place]
    return RentedCost(
        provider=bill.card.provider,
        model=bill.card.model,
        hosted=bill.hosted,
        peak=bill is demand.peak,
        rented_nanousd_month=round(bill.total_nanousd * chosen.market.to_month),
        interval_nanousd_month=quantiles(chosen.outcome.bills[place]),
        first_tokens_per_day=chosen.against(demand, bill).first_tokens_per_day,
    )


def _judgement(given: WorkloadInput, chosen: Weighed, seen: tuple[Sequence[RentedCost], TrafficSummary, Floats]) -> Judgement:
    """What the checklist makes of the money, what the operator knows, and the evidence."""
    traffic, best = given.demand.traffic, chosen.best
    rented, summary, week = seen
    host = min((cost for cost in rented if cost.hosted), key=lambda cost: cost.rented_nanousd_month, default=None)
    cheaper = host is not None and host.rented_nanousd_month < chosen.owning.total_nanousd_month
    money = Money(
        cheapest=chosen.cheapest,
        p_owning_wins=chosen.uncertainty.p_owning_wins,
        rent_allowed=chosen.curve[0].feasible,
        sensitive_share=summary.sensitive_share,
        peak_to_mean_60s=summary.peak_to_mean_60s,
        daily_peak_to_mean=float(np.nanmax(week) / np.nanmean(week)) if traffic.span_s >= 0.99 * DAY_S else None,
        tokens_per_day=summary.tokens_per_day,
        first_tokens_per_day=chosen.break_even.first_tokens_per_day,
        best_nanousd_month=best.total_nanousd_month,
        rented_nanousd_month=rented[0].rented_nanousd_month,
        own_nanousd_month=chosen.curve[-1].total_nanousd_month,
        cheaper_host=Host(f"{host.provider}/{host.model}", host.rented_nanousd_month) if host is not None and cheaper else None,
        people_fte=given.people_fte,
        owned_share_now=given.owned_share_now,
        spilled_share=best.spilled_share,
        replicas=best.replicas,
        turning=turning_points(chosen.uncertainty),
        seen_days=traffic.span_s / DAY_S,
        traffic_source="user" if traffic.declared else "measured",
    )
    return judge(money, given.operator, given.evidence)


def _warnings(given: WorkloadInput, chosen: Weighed, weighed: Sequence[Weighed]) -> list[str]:
    unseen = given.demand.traffic.unseen()
    cost = chosen.owning.total_nanousd_month
    less = [one for one in weighed if one is not chosen and one.owning.total_nanousd_month < 0.8 * cost]
    return [
        *([unseen] if unseen else []),
        *(f"owning costs a fifth less or better on {one.candidate.label}: compare it first" for one in less),
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


def _bands(chosen: Weighed, tokens_per_day: float, end: float) -> list[VolumeBand]:
    """The draws at fixed volumes: every input from its range but the volume, which is given."""
    drawn = latin_hypercube(_BAND_DRAWS, len(INPUTS), SEED)
    drawn[:, INPUTS.index("volume")] = 0.5
    found = []
    for volume in np.linspace(0, end, _BANDS + 1)[1:]:
        outcome = outcomes(chosen.subject, chosen.candidate.ranges, drawn, float(volume) / tokens_per_day, crossing=False)
        ends = [_ends(values) for values in (outcome.rented, outcome.owned, outcome.best)]
        (rented_p10, rented_p90), (owned_p10, owned_p90), (hybrid_p10, hybrid_p90) = ends
        found.append(
            VolumeBand(
                tokens_per_day=float(volume),
                rented_p10=rented_p10,
                rented_p90=rented_p90,
                owned_p10=owned_p10,
                owned_p90=owned_p90,
                hybrid_p10=hybrid_p10,
                hybrid_p90=hybrid_p90,
            )
        )
    return found


def _ends(values: Floats) -> tuple[int, int]:
    low, high = np.quantile(values, (0.1, 0.9))
    return round(low), round(high)


def _week(traffic: Traffic) -> Floats:
    """Tokens by weekday and hour (UTC), one row where only a day was seen; NaN: not seen."""
    return hourly_tokens(traffic.time_s, traffic.start_s, traffic.input_tokens + traffic.output_tokens)
