"""One-off cost, payback, net present value and dates, against figures worked out by hand."""

import datetime as dt

import numpy as np
import pytest

from freehold.core.price import PriceCard, Rate
from freehold.plan.demand.traffic import DAY_S, Traffic
from freehold.plan.inputs import INPUTS, InputName, Range
from freehold.plan.optimum.profile import measure_profile
from freehold.plan.outlook.investment import Investment, invest, migration_nanousd
from freehold.plan.outlook.ranges import Ranges
from freehold.plan.outlook.uncertainty import Rival, Subject, spill_surface
from freehold.plan.owning.capacity import Rates
from freehold.plan.owning.fleet_terms import FleetTerms
from freehold.plan.owning.machines import Machine
from freehold.plan.owning.owned import owned_cost
from freehold.plan.owning.terms import PlanTerms
from freehold.plan.renting.bill import bill_of

TODAY = dt.date(2026, 11, 21)
PACE = Rates(prefill_tok_s=1e6, decode_tok_s=1e6, source="user", origin="test")
# The machine alone: nobody, no platform, no storage.
BARE = PlanTerms(people_fte=0, fleet=FleetTerms(platform_usd_month=0, storage_usd_gb_month=0))
# One request a second of 100 + 100 tokens: 17.28 M tokens a day. One replica at $1 an hour is far from full.
EVEN = Traffic(
    time_s=np.arange(86_400, dtype=np.float64),
    input_tokens=np.full(86_400, 100),
    cache_read=np.zeros(86_400, dtype=np.int64),
    output_tokens=np.full(86_400, 100),
    sensitive=np.zeros(86_400, dtype=np.bool_),
    span_s=DAY_S,
)
DAY_TOKENS = 17.28e6


def certain(widen: float = 1.0) -> Ranges:
    made: dict[InputName, Range] = {}
    for name in INPUTS:
        point = {"people_fte": 0.0, "max_utilisation": 0.7}.get(name, 1.0)
        low, high = (point / widen, min(point * widen, 1.0) if name == "max_utilisation" else point * widen)
        made[name] = Range(name=name, low=low, point=point, high=high, unit="", source="default", origin="test")
    return made


def move(usd_per_mtok: float, terms: PlanTerms, widen: float = 1.0) -> Investment:
    """A month rents for 525.6 M tokens x the price (at 730 h); one machine costs $730."""
    rate = Rate(round(usd_per_mtok * 1e9))
    card = PriceCard(provider="p", model="m", input=rate, output=rate, valid_from="2026-01-01", source="test")
    machine = Machine(
        provider="p", instance="i", gpu="G", gpu_count=1, price_nanousd_h=10**9,
        hire_plan="on_demand", source="catalog", origin="test", date="2026-01-01",
    )  # fmt: skip
    profile, ranges = measure_profile(EVEN, PACE, bill_of(card, EVEN)), certain(widen)
    subject = Subject(
        profile=profile,
        surface=spill_surface(profile, ranges),
        owned=owned_cost(machine, 1, BARE),
        person_nanousd_month=0,
        to_month=730 / 24,
        input_tokens_per_day=DAY_TOKENS / 2,
        output_tokens_per_day=DAY_TOKENS / 2,
        rivals=(Rival(profile.input_nanousd_all, profile.output_nanousd_all, hosted=False),),
    )
    return invest(subject, ranges, terms, 730 * 10**9, TODAY)


def test_payback_and_npv_by_hand() -> None:
    # $4 per million: 525.6 x 4 = $2,102.40 rented, $730 owned, $1,372.40 saved a month; one-off $10,000 + $730.
    terms = PlanTerms(migration_usd=10_000, horizon_months=12)
    found = move(4.0, terms)
    assert found.one_off_nanousd == 10_730 * 10**9
    assert found.payback_months == pytest.approx(10_730 / 1_372.4)
    worth = sum(1_372.4 / 1.1 ** (month / 12) for month in range(1, 13)) - 10_730
    assert found.npv_nanousd / 1e9 == pytest.approx(worth, abs=0.01)
    assert found.p_npv_positive == 1.0
    assert found.owning_wins_on == TODAY.isoformat()


def test_no_discount_is_plain_addition() -> None:
    found = move(4.0, PlanTerms(migration_usd=0, dual_running_months=0, discount_rate=0, horizon_months=10))
    assert found.npv_nanousd / 1e9 == pytest.approx(13_724.0, abs=0.01)
    assert found.payback_months == 0.0


def test_growth_names_the_day_owning_starts_to_win() -> None:
    # $1 per million: $525.60 rented against $730; the volume must grow 1.3889 times: 6.7 months at 5 %.
    found = move(1.0, PlanTerms(growth_per_month=0.05))
    days = np.log(730 / 525.6) / np.log(1.05) * 365 / 12
    assert found.owning_wins_on == (TODAY + dt.timedelta(days=int(np.ceil(days)))).isoformat()
    assert found.owning_wins_earliest == found.owning_wins_latest == found.owning_wins_on
    assert move(1.0, PlanTerms()).owning_wins_on is None
    assert move(1.0, PlanTerms(growth_per_month=-0.1)).owning_wins_on is None


def test_what_never_saves_is_never_paid_back() -> None:
    found = move(1.0, PlanTerms())
    assert found.payback_months is None
    assert found.p_npv_positive == 0.0
    assert found.npv_nanousd < -found.one_off_nanousd


def test_directions() -> None:
    base = PlanTerms(migration_usd=10_000)
    npv = move(4.0, base).npv_nanousd
    for worse in (
        PlanTerms(migration_usd=12_000),
        PlanTerms(migration_usd=10_000, dual_running_months=3),
        PlanTerms(migration_usd=10_000, discount_rate=0.3),
        PlanTerms(migration_usd=10_000, horizon_months=12),
        PlanTerms(migration_usd=10_000, growth_per_month=-0.05),
    ):
        assert move(4.0, worse).npv_nanousd < npv
    assert move(5.0, base).npv_nanousd > npv


def test_uncertain_inputs_give_an_interval_around_the_point() -> None:
    found = move(1.6, PlanTerms(migration_usd=1_000), widen=1.3)
    drawn = found.npv_interval_nanousd
    assert drawn.p2_5 < drawn.p10 < found.npv_nanousd < drawn.p90 < drawn.p97_5
    assert 0 < found.p_npv_positive < 1
    assert found.owning_wins_earliest == TODAY.isoformat()
    assert found.owning_wins_latest is None


def test_an_unstated_move_costs_four_weeks_of_a_salary() -> None:
    assert migration_nanousd(PlanTerms(salary_usd_year=130_000)) == 10_000 * 10**9
    assert migration_nanousd(PlanTerms(migration_usd=0)) == 0
