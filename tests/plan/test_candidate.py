"""One way of owning on one workload: at which API the peak is rented, what is cheapest, and that draws and points agree."""

from decimal import Decimal

import msgspec
import numpy as np
import pytest

from freehold.core.price import PriceCard, Rate
from freehold.plan.candidate import Demand, OwnedCandidate, Weighed, weigh
from freehold.plan.demand.traffic import DAY_S, Traffic
from freehold.plan.optimum.breakeven import break_even, volume_curve
from freehold.plan.optimum.elastic import Elastic
from freehold.plan.optimum.hybrid import Market, cheapest, hybrid_curve
from freehold.plan.optimum.load import load_of
from freehold.plan.optimum.profile import measure_profile
from freehold.plan.outlook.ranges import Grounds, default_ranges
from freehold.plan.owning.capacity import Rates
from freehold.plan.owning.fleet_terms import FleetTerms
from freehold.plan.owning.machines import Kind, stated_machine
from freehold.plan.owning.owned import owned_cost
from freehold.plan.owning.terms import PlanTerms
from freehold.plan.renting.bill import bill_of

PACE = Rates(prefill_tok_s=4_000, decode_tok_s=400, source="user", origin="test")
TERMS = PlanTerms(people_fte=0.2, chosen=frozenset({"people_fte"}), fleet=FleetTerms(egress_usd_gb=0.1))


def day(sensitive: float = 0.0, count: int = 6_000) -> Traffic:
    random = np.random.default_rng(11)
    time_s = np.sort((random.random(count) + 0.15 * np.sin(6.28 * random.random(count))) % 1.0) * DAY_S
    return Traffic(
        time_s=time_s,
        input_tokens=random.integers(100, 4_000, count),
        cache_read=np.zeros(count, dtype=np.int64),
        output_tokens=random.integers(10, 900, count),
        sensitive=random.random(count) < sensitive,
        span_s=DAY_S,
    )


def card(usd: float) -> PriceCard:
    rate = Rate(round(usd * 1e9))
    return PriceCard(provider="p", model=f"at-{usd:g}", input=rate, output=rate, valid_from="2026-01-01", source="test")


def demand(traffic: Traffic, usd: float = 40.0, hosted: float | None = None) -> Demand:
    host = () if hosted is None else (bill_of(card(hosted), traffic, hosted=True),)
    return Demand(traffic, (bill_of(card(usd), traffic), *host))


def one(given: Demand, terms: PlanTerms = TERMS, kind: Kind = "own cloud", elastic: Elastic | None = None) -> Weighed:
    machine = stated_machine(Decimal("0.40"), "G", 1, "on_demand", terms.fleet)
    candidate = OwnedCandidate(
        label=kind,
        owned=owned_cost(msgspec.structs.replace(machine, kind=kind), 1, terms, sensitive=bool(given.traffic.sensitive.any())),
        pace=PACE,
        ranges=default_ranges(given.traffic, terms, Grounds("user", "user", "user")),
        elastic=elastic,
    )
    (found,) = weigh([candidate], given, terms)
    return found


def test_the_peak_is_rented_where_everything_would_cost_least() -> None:
    traffic = day()
    alone, hosted, dearer = demand(traffic), demand(traffic, hosted=9.0), demand(traffic, hosted=60.0)
    assert [d.peak.label for d in (alone, hosted, dearer)] == ["p/at-40", "p/at-9", "p/at-40"]
    assert [d.peak.hosted for d in (alone, hosted, dearer)] == [False, True, False]
    found = one(hosted)
    assert found.curve[0].rented_nanousd_month == pytest.approx(hosted.peak.total_nanousd * found.market.to_month, rel=1e-9)
    assert found.best.replicas <= one(alone).best.replicas
    assert one(dearer).best == one(alone).best


def test_the_curve_is_that_of_the_market_and_best_and_owning_are_on_it() -> None:
    given = demand(day())
    found = one(given)
    load = load_of(measure_profile(given.traffic, PACE, given.peak))
    # 250 bytes of each answered token at $0.10 per GB.
    beside = float(given.traffic.output_tokens.sum()) * 25.0
    market = Market(load, found.candidate.owned, 0.7, 730 * 3600 / DAY_S, beside)
    assert found.curve == hybrid_curve(market)
    assert found.best == cheapest(found.curve)
    assert found.owning == min(found.curve[1:], key=lambda point: point.total_nanousd_month)
    assert found.break_even == break_even(market, given.traffic.tokens_per_day)
    assert found.best.marginal_nanousd_month > 0


@pytest.mark.parametrize(("usd", "said"), [(0.01, "rent"), (9.0, "own base, rent peak"), (4_000.0, "own")])
def test_what_is_cheapest_is_said_of_the_best_point(usd: float, said: str) -> None:
    found = one(demand(day(), usd), PlanTerms(people_fte=0, fleet=FleetTerms(platform_usd_month=0)))
    assert found.cheapest == said
    assert (found.best.replicas == 0) == (said == "rent")
    assert (found.best.spilled_share == 0) == (said == "own")


def test_against_another_api_the_break_even_is_its_own() -> None:
    given = demand(day(), 40.0, hosted=9.0)
    found, today = one(given), given.bills[0]
    assert found.against(given, given.bills[1]) is found.break_even
    assert found.against(given, today) == one(demand(given.traffic)).break_even
    first, hosted = found.against(given, today).first_tokens_per_day, found.break_even.first_tokens_per_day
    assert first is not None
    assert hosted is None or hosted > first


@pytest.mark.parametrize("sensitive", [0.0, 0.2])
def test_points_and_draws_are_of_one_model(sensitive: float) -> None:
    given = demand(day(sensitive), 40.0, hosted=30.0)
    found = one(given)
    low, high = found.uncertainty.best_nanousd_month.p2_5, found.uncertainty.best_nanousd_month.p97_5
    assert low < found.best.total_nanousd_month < high
    bills = [bill.total_nanousd * found.market.to_month for bill in given.bills]
    assert [float(np.median(drawn)) for drawn in found.outcome.bills] == pytest.approx(bills, rel=0.05)
    assert (found.uncertainty.p_owning_wins == 1.0) or not sensitive
    assert (found.uncertainty.first_tokens_per_day is None) == bool(sensitive)


def test_a_dedicated_deployment_needs_a_quarter_of_the_people_in_points_and_in_draws() -> None:
    terms = msgspec.structs.replace(TERMS, people_fte=4.0)
    own, dedicated = (one(demand(day()), terms, kind) for kind in ("own cloud", "dedicated deployment"))
    assert dedicated.subject.person_nanousd_month == pytest.approx(own.subject.person_nanousd_month / 4, abs=1)
    people = own.candidate.owned.people_nanousd_month
    assert own.owning.fixed_nanousd_month - dedicated.curve[own.owning.replicas].fixed_nanousd_month == pytest.approx(
        0.75 * people, abs=2
    )
    drawn = (found.uncertainty.owned_nanousd_month.p50 for found in (own, dedicated))
    assert next(drawn) - next(drawn) == pytest.approx(0.75 * people, rel=0.1)


def test_following_the_hour_starts_from_what_the_constant_number_costs() -> None:
    elastic = Elastic(start_delay_s=600.0, least_run_s=60.0)
    found = one(demand(day(), 200.0), elastic=elastic)
    schedule = found.following().schedule
    assert schedule is not None
    # The constant number of the schedule costs what the curve says of it, but for what runs beside the machines.
    constant = schedule.total_nanousd_month + schedule.saved_nanousd_month
    point = found.curve[schedule.constant_replicas]
    assert constant == pytest.approx(point.total_nanousd_month - point.marginal_nanousd_month, rel=1e-6)
    assert schedule.total_nanousd_month <= constant
    assert one(demand(day(), 200.0)).following().schedule is None


def test_its_row_says_what_it_found() -> None:
    found = one(demand(day()))
    row = found.cost(1e6, [5e5, 1e6], chosen=True)
    assert (row.kind, row.label, row.chosen) == ("own cloud", "own cloud", True)
    assert (row.best, row.owning, row.own) == (found.best, found.owning, found.curve[-1])
    assert row.hybrid_nanousd_month == [point.hybrid_nanousd_month for point in volume_curve(found.market, 1e6, [5e5, 1e6])]
    assert row.hybrid_nanousd_month[1] == pytest.approx(found.best.total_nanousd_month, abs=2)
    assert row.p_owning_wins == found.uncertainty.p_owning_wins
    assert row.first_tokens_per_day == found.break_even.first_tokens_per_day
