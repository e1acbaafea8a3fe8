"""Whether moving pays: the one-off cost against what owning saves each month, discounted, and the day owning starts to win."""

import datetime as dt
import math
from decimal import Decimal

import msgspec
import numpy as np

from freehold.core.money import NANO
from freehold.plan.demand.traffic import Floats
from freehold.plan.inputs import INPUTS
from freehold.plan.outlook.ranges import Ranges
from freehold.plan.outlook.uncertainty import SEED, Interval, Outcome, Subject, outcomes, quantiles
from freehold.plan.owning.terms import PlanTerms
from freehold.stats.hypercube import latin_hypercube
from freehold.stats.intervals import interval

DRAWS = 1_000
DAYS_PER_MONTH = 365 / 12
_FARTHEST_MONTHS = 1_200.0


class Investment(msgspec.Struct, frozen=True, kw_only=True):
    """Moving now, to the cheapest mix with something owned, against renting everything, over `horizon_months`.

    `payback_months` is undiscounted; None: not within the horizon. Dates are ISO; None: not within a hundred years.
    """

    one_off_nanousd: int
    horizon_months: int
    payback_months: float | None
    npv_nanousd: int
    npv_interval_nanousd: Interval
    p_npv_positive: float
    owning_wins_on: str | None
    owning_wins_earliest: str | None
    owning_wins_latest: str | None


def invest(subject: Subject, ranges: Ranges, terms: PlanTerms, fixed_nanousd_month: int, made_on: dt.date) -> Investment:
    """NPV = -one-off + sum over months m of saving(m) / (1 + discount rate)^(m / 12), the volume grown to each month's middle.

    `fixed_nanousd_month`: what owning costs a month today, paid on top of renting while both run.
    """
    drawn = np.vstack((np.full((1, len(INPUTS)), 0.5), latin_hypercube(DRAWS, len(INPUTS), SEED)))
    one_off = migration_nanousd(terms) + round(Decimal(str(terms.dual_running_months)) * fixed_nanousd_month)
    savings = _savings(subject, ranges, drawn, terms)
    months = np.arange(1, terms.horizon_months + 1)
    npv = (savings / (1 + terms.discount_rate) ** (months / 12)[:, None]).sum(axis=0) - one_off
    waits = _months_until(outcomes(subject, ranges, drawn), terms.growth_per_month)
    found = interval(waits[1:])
    return Investment(
        one_off_nanousd=one_off,
        horizon_months=terms.horizon_months,
        payback_months=_payback(savings[:, 0], one_off),
        npv_nanousd=round(npv[0]),
        npv_interval_nanousd=quantiles(npv[1:]),
        p_npv_positive=float((npv[1:] > 0).mean()),
        owning_wins_on=_date(waits[0], made_on),
        owning_wins_earliest=_date(found.p10, made_on),
        owning_wins_latest=_date(found.p90, made_on),
    )


def migration_nanousd(terms: PlanTerms) -> int:
    """The move: engineering and evaluation as stated, or four weeks of one loaded salary; and what those people leave undone."""
    work_usd = terms.salary_usd_year * 4 / 52 if terms.migration_usd is None else terms.migration_usd
    return round((work_usd + terms.opportunity_usd) * NANO)


def _savings(subject: Subject, ranges: Ranges, drawn: Floats, terms: PlanTerms) -> Floats:
    """What owning saves in each month (rows) and draw; without growth every month is like the first."""

    def saving(month: int) -> Floats:
        found = outcomes(subject, ranges, drawn, (1 + terms.growth_per_month) ** (month - 0.5), crossing=False)
        return found.rented - found.owning

    months = range(1, terms.horizon_months + 1)
    if terms.growth_per_month == 0:
        return np.tile(saving(1), (len(months), 1))
    return np.array([saving(month) for month in months])


def _payback(savings: Floats, one_off: int) -> float | None:
    """Months until the savings together reach the cost, a straight line within a month."""
    left = float(one_off)
    for month, saving in enumerate(savings):
        if saving >= left:
            return month + (left / float(saving) if saving > 0 else 0.0)
        left -= float(saving)
    return None


def _months_until(today: Outcome, growth: float) -> Floats:
    """Months until each draw's volume reaches its break-even; 0 where it has, infinite where it never will."""
    with np.errstate(divide="ignore"):
        needed = np.log(today.first_tokens_per_day / today.tokens_per_day)
    waits: Floats = np.where(needed <= 0, 0.0, needed / math.log1p(growth) if growth > 0 else np.inf)
    return waits


def _date(months: float, made_on: dt.date) -> str | None:
    if months > _FARTHEST_MONTHS:
        return None
    return (made_on + dt.timedelta(days=math.ceil(months * DAYS_PER_MONTH))).isoformat()
