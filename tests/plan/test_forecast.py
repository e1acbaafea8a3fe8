"""What comes next: levels, growth, spikes, and the day of the breach."""

import datetime as dt

import numpy as np
import pytest

from freehold.core.price import PriceCard, Rate
from freehold.plan.demand.traffic import DAY_S, Floats, Traffic
from freehold.plan.optimum.hybrid import Market, cheapest, hybrid_curve
from freehold.plan.optimum.load import load_of
from freehold.plan.optimum.profile import measure_profile
from freehold.plan.outlook.forecast import DAYS_PER_MONTH, MONTHS, Breach, Forecast, budget_breach, forecast, seen_hours
from freehold.plan.owning.capacity import Rates
from freehold.plan.owning.fleet_terms import FleetTerms
from freehold.plan.owning.machines import Machine
from freehold.plan.owning.owned import owned_cost
from freehold.plan.owning.terms import PlanTerms
from freehold.plan.renting.bill import bill_of

TODAY = dt.date(2026, 11, 21)
# Machines alone, so that the figures are those of the load.
BARE = PlanTerms(people_fte=0, fleet=FleetTerms(spare_machines=0, platform_usd_month=0, storage_usd_gb_month=0))
PACE = Rates(prefill_tok_s=1_000, decode_tok_s=100, source="user", origin="test")


def traffic(days: float, sensitive: float = 0.0, declared: bool = False) -> Traffic:
    random = np.random.default_rng(3)
    count = int(days * 2_000)
    time_s = np.sort(random.random(count)) * days * DAY_S
    kept = random.random(count) < 0.6 + 0.4 * np.sin(time_s / DAY_S * 2 * np.pi)
    return Traffic(
        time_s=time_s[kept],
        input_tokens=random.integers(100, 1_000, int(kept.sum())),
        cache_read=np.zeros(int(kept.sum()), dtype=np.int64),
        output_tokens=random.integers(10, 300, int(kept.sum())),
        sensitive=random.random(int(kept.sum())) < sensitive,
        span_s=days * DAY_S,
        declared=declared,
    )


def market(given: Traffic, usd_per_mtok: int = 20) -> Market:
    machine = Machine(
        provider="p", instance="i", gpu="G", gpu_count=1, price_nanousd_h=300_000_000,
        hire_plan="on_demand", source="catalog", origin="test", date="2026-01-01",
    )  # fmt: skip
    rate = Rate(usd_per_mtok * 10**9)
    card = PriceCard(provider="p", model="m", input=rate, output=rate, valid_from="2026-01-01", source="test")
    return Market(
        load_of(measure_profile(given, PACE, bill_of(card, given))),
        owned_cost(machine, 1, BARE),
        0.7,
        730 * 3600 / given.span_s,
    )


def made(given: Traffic, terms: PlanTerms | None = None) -> Forecast:
    m = market(given)
    return forecast(given, m, cheapest(hybrid_curve(m)), terms or PlanTerms())


def tokens(given: Traffic) -> Floats:
    return (given.input_tokens + given.output_tokens).astype(np.float64)


def test_hours_add_up_to_what_was_seen() -> None:
    given = traffic(3)
    hours = seen_hours(given, tokens(given))
    assert len(hours) == 72
    assert hours.sum() == (given.input_tokens + given.output_tokens).sum()
    half = traffic(1 / 48)
    assert seen_hours(half, tokens(half)) == pytest.approx([half.tokens_per_day / 24])


@pytest.mark.parametrize(
    ("days", "declared", "basis"),
    [(0.5, False, "none"), (3, False, "hour of the day"), (15, False, "hour of the week"), (1, True, "declared day")],
)
def test_the_basis_is_what_the_past_allows(days: float, declared: bool, basis: str) -> None:
    found = made(traffic(days, declared=declared))
    assert found.basis == basis
    assert len(found.week) == 168
    assert all(hour.p10 <= hour.point <= hour.p90 for hour in found.week)
    assert (found.backtest is None) == declared


def test_the_year_starts_at_the_plan_and_grows_as_stated() -> None:
    given = traffic(3)
    best = cheapest(hybrid_curve(market(given)))
    flat, grown = made(given), made(given, PlanTerms(growth_per_month=0.1))
    assert len(grown.months) == MONTHS + 1
    assert flat.months[0].planned_nanousd_month == pytest.approx(best.total_nanousd_month, abs=2)
    assert flat.months[-1].rented_nanousd_month == flat.months[0].rented_nanousd_month
    assert grown.months[-1].rented_nanousd_month == pytest.approx(1.1**12 * grown.months[0].rented_nanousd_month, rel=1e-9)
    for point in grown.months:
        ends = (point.planned_p2_5, point.planned_p10, point.planned_nanousd_month, point.planned_p90, point.planned_p97_5)
        assert list(ends) == sorted(ends)
        assert point.planned_nanousd_month <= point.rented_nanousd_month
    widths = [(p.planned_p90 / p.planned_nanousd_month) for p in flat.months]
    assert widths[-1] > widths[0]


def test_a_huge_band_ends_where_markets_end_instead_of_failing() -> None:
    assert made(traffic(0.5), PlanTerms(growth_per_month=0.5)).months[-1].planned_p97_5 > 0


def test_a_spike_costs_the_owned_base_less_than_renting_it_all_and_shows_what_does_not_fit() -> None:
    found = made(traffic(3), PlanTerms(spike=5)).spike
    assert found.planned_usual_nanousd_day < found.planned_nanousd_day < found.rented_nanousd_day
    assert 0 < found.spilled_share < 1
    assert found.sensitive_fits
    assert not made(traffic(3, sensitive=0.5), PlanTerms(spike=50)).spike.sensitive_fits
    usual = made(traffic(3), PlanTerms(spike=1)).spike
    assert usual.planned_nanousd_day == usual.planned_usual_nanousd_day


def renting(growth: float, budget: float) -> Breach:
    return budget_breach([made(traffic(3), PlanTerms(growth_per_month=growth))], budget, TODAY)


def test_the_budget_is_passed_when_growth_says() -> None:
    bill = made(traffic(3)).months[0].rented_nanousd_month / 1e9
    date = renting(0.1, bill * 1.1**3).renting
    assert date is not None
    assert abs((dt.date.fromisoformat(date) - TODAY).days - 3 * DAYS_PER_MONTH) <= 2
    assert renting(0.1, 0.9 * bill).renting == TODAY.isoformat()
    assert renting(0.0, 1.01 * bill).renting is None


def test_more_growth_or_less_budget_never_moves_the_breach_later() -> None:
    bill = made(traffic(3)).months[0].rented_nanousd_month / 1e9
    dates = [renting(growth, 1.2 * bill).renting for growth in (0.03, 0.06, 0.12)]
    assert None not in dates
    assert dates == sorted(dates, key=str, reverse=True)
    found = renting(0.06, 0.9 * bill)
    ordered = [date or "9999" for date in (found.planned_earliest, found.planned, found.planned_latest)]
    assert ordered == sorted(ordered)


def test_workloads_share_one_budget() -> None:
    one = made(traffic(3))
    budget = 1.5 * one.months[0].rented_nanousd_month / 1e9
    assert budget_breach([one], budget, TODAY).renting is None
    assert budget_breach([one, one], budget, TODAY).renting == TODAY.isoformat()
