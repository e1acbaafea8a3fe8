"""Several workloads on one set of replicas: opposite peaks share it, and people and spares come once."""

from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.price import PriceCard, Rate
from freehold.plan.candidate import Demand, OwnedCandidate, Weighed, weigh
from freehold.plan.demand.traffic import Traffic
from freehold.plan.outlook.ranges import Grounds, default_ranges
from freehold.plan.owning.capacity import Rates
from freehold.plan.owning.fleet_terms import FleetTerms
from freehold.plan.owning.machines import stated_machine
from freehold.plan.owning.owned import owned_cost
from freehold.plan.owning.terms import PlanTerms
from freehold.plan.pool import pools
from freehold.plan.renting.bill import bill_of

HOUR_S = 3600.0
PACE = Rates(prefill_tok_s=1_000, decode_tok_s=100, source="user", origin="test")
BARE = PlanTerms(people_fte=0, fleet=FleetTerms(platform_usd_month=0, storage_usd_gb_month=0))
CROWD = PlanTerms(people_fte=0.25, fleet=FleetTerms(crew_machines=4, spare_machines=1, zones=2))


def card(usd_per_mtok: float = 50.0) -> PriceCard:
    rate = Rate(round(usd_per_mtok * 1e9))
    return PriceCard(provider="p", model="m", input=rate, output=rate, valid_from="2026-01-01", source="test")


def hours(counts: list[int], *, start_s: float = 0.0, sensitive: bool = False) -> Traffic:
    """So many requests an hour, evenly: 1,000 tokens in and 100 out, two seconds of a replica each."""
    places = [hour * HOUR_S + (np.arange(count) + 0.5) * (HOUR_S / count) for hour, count in enumerate(counts) if count]
    time_s = np.concatenate(places)
    whole = np.full(len(time_s), 1_000, dtype=np.int64)
    held = np.full(len(time_s), sensitive, dtype=np.bool_)
    return Traffic(time_s, whole, 0 * whole, whole // 10, held, len(counts) * HOUR_S, start_s=start_s)


def weighed(traffic: Traffic, terms: PlanTerms, label: str = "a", usd_per_mtok: float = 50.0) -> Weighed:
    machine = stated_machine(Decimal("0.30"), "G", 1, "on_demand", terms.fleet)
    candidate = OwnedCandidate(
        label=label,
        owned=owned_cost(machine, 1, terms, sensitive=bool(traffic.sensitive.any())),
        pace=PACE,
        ranges=default_ranges(traffic, terms, Grounds("user", "user", "user")),
    )
    demand = Demand(traffic, (bill_of(card(usd_per_mtok), traffic),))
    (found,) = weigh([candidate], demand, terms)
    return found


def together(terms: PlanTerms, *traffics: Traffic) -> list[tuple[str, Weighed]]:
    return [(f"w{place}", weighed(traffic, terms)) for place, traffic in enumerate(traffics)]


DAY = [1_800] * 12 + [0] * 12
NIGHT = [0] * 12 + [1_800] * 12


def test_opposite_peaks_share_replicas() -> None:
    # 1,800 requests of 2 s an hour keep a replica busy all the time: at 70 % that is 1.43, so 2 replicas, for half the day.
    apart = together(BARE, hours(DAY), hours(NIGHT))
    (pool,) = pools(apart)
    assert [one.best.replicas for _, one in apart] == [2, 2]
    assert pool.best.replicas == 2
    assert pool.apart_nanousd_month == 4 * 219 * 10**9
    assert pool.best.total_nanousd_month == 2 * 219 * 10**9
    assert pool.best.utilisation == pytest.approx(2 * apart[0][1].best.utilisation)
    assert (pool.owned_model, pool.workloads) == ("a", ["w0", "w1"])


def test_peaks_that_fall_together_share_nothing_but_people_spares_and_platform() -> None:
    terms = msgspec.structs.replace(CROWD, fleet=FleetTerms(crew_machines=0, spare_machines=1))
    apart = together(terms, hours(DAY), hours(DAY))
    (pool,) = pools(apart)
    # 2 x 1.43 replicas are 3 together. Apart 2 + 1 spare each, together 3 + 1; a quarter of a person and the platform once.
    people = round(0.25 * 200_000 / 12 * 1e9)
    assert pool.best.replicas == 3
    assert pool.apart_nanousd_month == pytest.approx(2 * (3 * 219e9 + people + 100e9))
    assert pool.best.total_nanousd_month == pytest.approx(4 * 219e9 + people + 100e9)


def test_one_sensitive_member_brings_its_spare_into_the_pool_wherever_it_stands() -> None:
    free, held = hours(DAY), hours(NIGHT, sensitive=True)
    for members in ((free, held), (held, free)):
        apart = together(BARE, *members)
        assert sorted(one.candidate.owned.spare_machines for _, one in apart) == [0, 1]
        (pool,) = pools(apart)
        assert pool.best.replicas == 2
        assert pool.best.fixed_nanousd_month == 3 * 219 * 10**9


def test_only_the_same_way_of_owning_over_the_same_time_is_pooled() -> None:
    day, night = hours(DAY), hours(NIGHT)
    assert pools([("alone", weighed(day, BARE))]) == []
    assert pools([("x", weighed(day, BARE, "a")), ("y", weighed(night, BARE, "b"))]) == []
    later = hours(NIGHT, start_s=12 * HOUR_S)
    assert pools(together(BARE, day, later)) == []
    nearly = hours(NIGHT, start_s=HOUR_S)
    assert len(pools(together(BARE, day, nearly))) == 1
    three = pools([(name, weighed(day, BARE, label)) for name, label in (("x", "b"), ("y", "a"), ("z", "b"))])
    assert [(pool.owned_model, pool.workloads) for pool in three] == [("b", ["x", "z"])]


shapes = st.lists(st.sampled_from([0, 60, 600, 1_800, 4_000]), min_size=4, max_size=4).filter(any)


@settings(max_examples=15, deadline=None)
@given(st.lists(shapes, min_size=2, max_size=3), st.sampled_from([BARE, CROWD]), st.lists(st.booleans(), min_size=3, max_size=3))
def test_of_requests_alike_a_pool_is_never_dearer_than_apart_nor_needs_more_replicas(
    counts: list[list[int]], terms: PlanTerms, sensitive: list[bool]
) -> None:
    # Requests alike: what spills costs the same whosever it is, so taking what each keeps together cannot spill more.
    if terms is BARE:
        sensitive = [False] * 3  # or else the spare of one stands for the others, too
    apart = together(terms, *(hours(shape, sensitive=held) for shape, held in zip(counts, sensitive, strict=False)))
    (pool,) = pools(apart)
    assert pool.best.total_nanousd_month <= pool.apart_nanousd_month * (1 + 1e-6) + 100
    assert pool.best.feasible
    assert pool.best.replicas <= sum(len(one.curve) - 1 for _, one in apart)
