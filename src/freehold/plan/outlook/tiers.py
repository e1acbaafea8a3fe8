"""The rented bill by price tier: long requests are priced apart, so their spend is forecast apart."""

import msgspec
import numpy as np

from freehold.plan.demand.traffic import Traffic
from freehold.plan.outlook.forecast import MONTHS, BacktestResult, month_factor, seen_hours, tested
from freehold.plan.owning.terms import PlanTerms
from freehold.plan.renting.bill import Bill


class TierForecast(msgspec.Struct, frozen=True, kw_only=True):
    """Requests whose input is above so many tokens, up to the next tier: their part of the rented bill now, and in a year at the
    stated growth with its 80 % band. `backtest` is of the spend by the hour; None where there is no past to test on."""

    above_input_tokens: int
    requests_share: float
    rented_nanousd_month: int
    year_nanousd_month: int
    year_p10: int
    year_p90: int
    backtest: BacktestResult | None


def tier_forecasts(traffic: Traffic, bill: Bill, to_month: float, terms: PlanTerms) -> list[TierForecast]:
    """One for each tier of the card, the first one above nothing; a card without tiers has that one alone."""
    rates = [bill.card.of(bucket) for bucket in traffic.buckets()]
    thresholds = [0, *sorted({above for rate in rates for above, _ in rate.tiers})]
    tier = np.maximum(0, np.searchsorted(thresholds, traffic.input_tokens, side="left") - 1)
    grown, widening = (1 + terms.growth_per_month) ** MONTHS, np.sqrt(1.0 + MONTHS)
    found = []
    for place, above in enumerate(thresholds):
        inside = tier == place
        spend = np.where(inside, bill.nanousd, 0).astype(np.float64)
        hours = seen_hours(traffic, spend)
        month = float(spend.sum()) * to_month
        low, high = (month_factor(hours, share) ** widening for share in (0.1, 0.9))
        found.append(
            TierForecast(
                above_input_tokens=above,
                requests_share=float(inside.mean()),
                rented_nanousd_month=round(month),
                year_nanousd_month=round(month * grown),
                year_p10=round(month * grown * low),
                year_p90=round(month * grown * high),
                backtest=None if traffic.declared or month == 0 else tested(hours),
            )
        )
    return found
