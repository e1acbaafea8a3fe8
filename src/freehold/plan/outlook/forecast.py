"""What comes next: the coming week by the hour, the coming year by the month, and the day a budget will be passed.

The week is seasonal-naive with bands from the workload's own past errors. The year is today's level, the stated growth, and
a spread that widens with the square root of the months; growth is a scenario, not a forecast.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

import msgspec
import numpy as np

from freehold.core.money import NANO
from freehold.plan.demand.traffic import Floats, Traffic
from freehold.plan.optimum.breakeven import volume_curve
from freehold.plan.optimum.hybrid import MAX_REPLICAS, HybridPoint, Market
from freehold.plan.owning.terms import PlanTerms
from freehold.stats.seasonal import DAY, UNSEEN_80, WEEK, backtest, error_quantile, season_of, seasonal_naive

Basis: TypeAlias = Literal["hour of the week", "hour of the day", "declared day", "none"]

MONTHS = 12
DAYS_PER_MONTH = 365 / 12

_BASES: dict[int | None, Basis] = {WEEK: "hour of the week", DAY: "hour of the day", None: "none"}
# How far a month may stray where no season was seen twice: factors at 80 % and 95 %.
_UNSEEN_MONTH = {0.1: 1 / 1.5, 0.9: 1.5, 0.025: 0.5, 0.975: 2.0}


class HourPoint(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens in one coming hour: 80 % of outcomes are expected in p10 to p90."""

    p10: float
    point: float
    p90: float


class MonthPoint(msgspec.Struct, frozen=True, kw_only=True):
    """The spend rate that many months ahead, nano-dollars a month. `planned` is the cheapest mix, sized anew for the volume."""

    months_ahead: int
    tokens_per_day: float
    rented_nanousd_month: int
    planned_nanousd_month: int
    planned_p2_5: int
    planned_p10: int
    planned_p90: int
    planned_p97_5: int


class Spike(msgspec.Struct, frozen=True, kw_only=True):
    """One day with so many times the traffic: what it costs if everything is rented, and with the replicas of the answer."""

    times: float
    rented_nanousd_day: int
    planned_nanousd_day: int
    planned_usual_nanousd_day: int
    spilled_share: float
    sensitive_fits: bool


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """When the spend rate passes the budget, as ISO dates: on the expected path, on that of p90 (earliest) and of p10 (latest).
    None: not within a year."""

    budget_nanousd_month: int
    renting: str | None
    planned: str | None
    planned_earliest: str | None
    planned_latest: str | None


class BacktestResult(msgspec.Struct, frozen=True, kw_only=True):
    """Past days forecast from the hours before them: share of hours inside the 80 % bands, interval score in mean hours."""

    hours: int
    covered: float
    interval_score: float


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """`basis`: which past hour stands for a coming one; where no season was seen twice, bands are wide guesses."""

    basis: Basis
    week: list[HourPoint]
    months: list[MonthPoint]
    spike: Spike
    backtest: BacktestResult | None


def seen_hours(traffic: Traffic, amounts: Floats) -> Floats:
    """The sum of an amount per request in each hour that was seen, to within three minutes; below one hour the rate of what was
    seen."""
    hours = int(traffic.span_s / 3600 + 0.05)
    if hours < 1:
        return np.array([amounts.sum() / traffic.span_s * 3600])
    index = (traffic.time_s / 3600).astype(np.int64)
    return np.bincount(index, weights=amounts, minlength=hours)[:hours].astype(np.float64)


def tested(hours: Floats) -> BacktestResult | None:
    """The back-test of an hourly series; None where it is too short for one."""
    found = backtest(hours)
    return None if found is None else BacktestResult(hours=found.hours, covered=found.covered, interval_score=found.score)


def forecast(traffic: Traffic, market: Market, best: HybridPoint, terms: PlanTerms) -> Forecast:
    """Everything ahead of one workload, as if its traffic were of the days before today."""
    hours = seen_hours(traffic, (traffic.input_tokens + traffic.output_tokens).astype(np.float64))
    return Forecast(
        basis="declared day" if traffic.declared else _BASES[season_of(len(hours))],
        week=_declared_week(hours) if traffic.declared else _seen_week(hours),
        months=_months(hours, market, traffic.tokens_per_day, terms),
        spike=_spike(market, best, terms),
        backtest=None if traffic.declared else tested(hours),
    )


def _seen_week(hours: Floats) -> list[HourPoint]:
    week = seasonal_naive(hours, WEEK)
    return [
        HourPoint(p10=float(low), point=float(point), p90=float(high))
        for low, point, high in zip(week.low80, week.point, week.high80, strict=True)
    ]


def _declared_week(day: Floats) -> list[HourPoint]:
    """The declared hours over and over; how far real ones stray from them nobody has seen."""
    hours = np.resize(day, WEEK)
    return [HourPoint(p10=float(hour / UNSEEN_80), point=float(hour), p90=float(hour * UNSEEN_80)) for hour in hours]


def _months(hours: Floats, market: Market, tokens_per_day: float, terms: PlanTerms) -> list[MonthPoint]:
    """Today's level is the month the plan is made for; the spread is that of whole days against the same day a season ago."""
    factors = {share: month_factor(hours, share) for share in _UNSEEN_MONTH}
    # Beyond this no market is worked out; only the far end of a band can reach it.
    most = MAX_REPLICAS * market.replica_window_s / market.load.peak_s * tokens_per_day
    points = []
    for month in range(MONTHS + 1):
        grown = tokens_per_day * (1 + terms.growth_per_month) ** month
        widening = np.sqrt(1.0 + month)
        volumes = [grown, *(min(grown * factor**widening, max(most, grown)) for factor in factors.values())]
        usual, *ends = volume_curve(market, tokens_per_day, [float(volume) for volume in volumes])
        at = dict(zip(factors, ends, strict=True))
        points.append(
            MonthPoint(
                months_ahead=month,
                tokens_per_day=grown,
                rented_nanousd_month=usual.rented_nanousd_month,
                planned_nanousd_month=usual.hybrid_nanousd_month,
                planned_p2_5=at[0.025].hybrid_nanousd_month,
                planned_p10=at[0.1].hybrid_nanousd_month,
                planned_p90=at[0.9].hybrid_nanousd_month,
                planned_p97_5=at[0.975].hybrid_nanousd_month,
            )
        )
    return points


def month_factor(hours: Floats, share: float) -> float:
    """The factor by which a month may stray, at that quantile; an amount that some days lack is taken as not seen."""
    days = hours[len(hours) % DAY :].reshape(-1, DAY).sum(axis=1)
    season = 7 if len(days) >= 14 else 1
    if len(days) < 3 or not days.all():
        return _UNSEEN_MONTH[share]
    return float(np.exp(error_quantile(np.log(days), season, share)))


def _spike(market: Market, best: HybridPoint, terms: PlanTerms) -> Spike:
    """The load of a day scaled as it is, met with the replicas of the answer."""
    replicas = np.array([best.replicas])
    days = market.owned.month_hours / 24
    spilled_work = market.load.spilled_s(market.capacity_s(replicas) / terms.spike)
    stranded = market.load.stranded_s(market.capacity_s(replicas) / terms.spike)
    variable = (market.spilled_nanousd(replicas, terms.spike), market.running_nanousd(replicas, terms.spike))
    return Spike(
        times=terms.spike,
        rented_nanousd_day=round(market.bill_nanousd_month * terms.spike / days),
        planned_nanousd_day=round(
            (best.fixed_nanousd_month + float(sum(part[0] for part in variable))) / days,
        ),
        planned_usual_nanousd_day=round(best.total_nanousd_month / days),
        spilled_share=min(1.0, float(spilled_work[0]) / market.load.total_s),
        sensitive_fits=float(stranded[0]) <= 1e-9 * market.load.total_s,
    )


def budget_breach(forecasts: Sequence[Forecast], budget_usd_month: float, made_on: dt.date) -> Breach:
    """When all workloads together pass the budget. Their bands are added up as if all strayed the same way."""
    budget = round(budget_usd_month * NANO)

    def date(rate: Callable[[MonthPoint], int]) -> str | None:
        months = zip(*(found.months for found in forecasts), strict=True)
        return _passed([sum(rate(point) for point in points) for points in months], budget, made_on)

    return Breach(
        budget_nanousd_month=budget,
        renting=date(lambda point: point.rented_nanousd_month),
        planned=date(lambda point: point.planned_nanousd_month),
        planned_earliest=date(lambda point: point.planned_p90),
        planned_latest=date(lambda point: point.planned_p10),
    )


def _passed(rates: Sequence[int], budget: int, made_on: dt.date) -> str | None:
    """The first day on which the rate, a straight line between months, is above the budget."""
    if rates[0] > budget:
        return made_on.isoformat()
    for month, (before, after) in enumerate(pairwise(rates)):
        if after > budget:
            ahead = (month + (budget - before) / (after - before)) * DAYS_PER_MONTH
            return (made_on + dt.timedelta(days=int(ahead) + 1)).isoformat()
    return None
