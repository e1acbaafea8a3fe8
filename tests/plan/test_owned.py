"""What owning costs a month: whole machines, spares, zones, people in crews, storage and the platform."""

from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import BadSettings
from freehold.plan.owning.fleet_terms import FleetTerms
from freehold.plan.owning.machines import Machine, stated_machine
from freehold.plan.owning.owned import OwnedCost, owned_cost
from freehold.plan.owning.terms import PlanTerms

BARE = PlanTerms(people_fte=0, fleet=FleetTerms(platform_usd_month=0, storage_usd_gb_month=0))
BILLION = 10**9


def machine(usd_h: str = "1", gpus: int = 1) -> Machine:
    return stated_machine(Decimal(usd_h), "G", gpus, "on_demand", FleetTerms())


def fleet(**fields: object) -> PlanTerms:
    """The bare terms with these terms of machines."""
    return msgspec.structs.replace(BARE, fleet=msgspec.structs.replace(BARE.fleet, **fields))


def months(cost: OwnedCost, *replicas: int) -> list[int]:
    return [int(total) for total in cost.month_nanousd(np.array(replicas))]


def test_one_gpu_by_the_hour_is_k_times_price_times_730() -> None:
    cost = owned_cost(machine("1.861"), 1, BARE)
    assert months(cost, 0, 1, 2, 3) == [0, 1_358_530_000_000, 2_717_060_000_000, 4_075_590_000_000]


def test_whole_machines_are_paid() -> None:
    cost = owned_cost(machine("55.04", 8), 2, BARE)
    one = 55_040_000_000 * 730
    assert cost.replicas_per_machine == 4
    assert months(cost, 0, 1, 4, 5) == [0, one, one, 2 * one]


def test_people_come_with_the_first_replica_and_not_before() -> None:
    terms = msgspec.structs.replace(BARE, people_fte=0.5, salary_usd_year=200_000)
    people = round(100_000 * BILLION / 12)
    assert months(owned_cost(machine(), 1, terms), 0, 1, 2) == [0, 730 * BILLION + people, 1460 * BILLION + people]


def test_people_are_counted_once_more_for_each_crew_of_paid_machines() -> None:
    # Two spares: 14 replicas are 16 paid machines and one crew, 15 are 17 and two.
    terms = msgspec.structs.replace(fleet(crew_machines=16, spare_machines=2), people_fte=1.2, salary_usd_year=100_000)
    cost, people = owned_cost(machine(), 1, terms), 10_000 * BILLION
    assert months(cost, 1, 14, 15, 30) == [
        3 * 730 * BILLION + people, 16 * 730 * BILLION + people, 17 * 730 * BILLION + 2 * people, 32 * 730 * BILLION + 2 * people
    ]  # fmt: skip
    alone = msgspec.structs.replace(terms, fleet=msgspec.structs.replace(terms.fleet, crew_machines=0))
    assert months(owned_cost(machine(), 1, alone), 1000) == [1002 * 730 * BILLION + people]


def test_spares_stand_where_sensitive_work_would_be_stranded_unless_somebody_says_otherwise() -> None:
    assert owned_cost(machine(), 1, BARE).spare_machines == 0
    assert owned_cost(machine(), 1, BARE, sensitive=True).spare_machines == 1
    assert owned_cost(machine(), 1, fleet(spare_machines=0), sensitive=True).spare_machines == 0
    assert months(owned_cost(machine(), 1, fleet(spare_machines=3)), 0, 1, 5) == [0, 4 * 730 * BILLION, 8 * 730 * BILLION]


def test_the_loss_of_a_zone_leaves_enough() -> None:
    three = owned_cost(machine(), 1, fleet(zones=3))
    assert three.paid_machines(np.array([0, 1, 2, 3, 4])).tolist() == [0, 2, 3, 5, 6]
    two = owned_cost(machine(), 1, fleet(zones=2, spare_machines=1))
    assert two.paid_machines(np.array([0, 1, 2, 3])).tolist() == [0, 3, 5, 7]


def test_storage_is_twice_the_weights_of_every_replica_on_every_paid_machine() -> None:
    # 70 GB of weights, two replicas a machine: 2 x 70 x 2 = 280 GB at $0.10 is $28 beside $1,460; with a spare twice that.
    cost = owned_cost(machine("2", 2), 1, fleet(storage_usd_gb_month=0.1, spare_machines=1), weight_gb=70)
    assert cost.storage_nanousd_month == 28 * BILLION
    assert months(cost, 0, 1, 2) == [0, 2 * 1_488 * BILLION, 2 * 1_488 * BILLION]


def test_the_platform_is_paid_from_the_first_replica_on_and_once() -> None:
    cost = owned_cost(machine(), 1, fleet(platform_usd_month=100))
    assert months(cost, 0, 1, 2) == [0, 830 * BILLION, 1_560 * BILLION]


def test_somebody_else_runs_a_dedicated_deployment() -> None:
    terms = msgspec.structs.replace(
        fleet(dedicated_people_share=0.25, storage_usd_gb_month=0.1), people_fte=1.2, salary_usd_year=100_000
    )
    own, dedicated = (
        owned_cost(msgspec.structs.replace(machine(), kind=kind), 1, terms, weight_gb=70)
        for kind in ("own cloud", "dedicated deployment")
    )
    assert (own.people_nanousd_month, dedicated.people_nanousd_month) == (10_000 * BILLION, 2_500 * BILLION)
    assert (own.storage_nanousd_month, dedicated.storage_nanousd_month) == (14 * BILLION, 0)


def test_egress_is_a_price_of_each_answered_token() -> None:
    # 250 bytes a token at $0.10 per GB: 25 nano-dollars.
    assert owned_cost(machine(), 1, fleet(egress_usd_gb=0.1)).marginal_nanousd_per_output_token == pytest.approx(25.0)


def built(gpus: int, spares: int, zones: int, crews: int, people: float) -> OwnedCost:
    terms = fleet(spare_machines=spares, zones=zones, crew_machines=crews, platform_usd_month=100)
    return owned_cost(machine("1.5", gpus), 1, msgspec.structs.replace(terms, people_fte=people), weight_gb=16)


costs = st.builds(built, st.integers(1, 4), st.integers(0, 3), st.integers(1, 4), st.integers(0, 5), st.floats(0, 2))


@given(costs, st.integers(1, 60))
def test_what_is_paid_survives_the_loss_of_a_zone_and_of_the_spares(cost: OwnedCost, needed: int) -> None:
    paid = int(cost.paid_machines(np.array([needed]))[0])
    kept = paid - cost.spare_machines
    # The fullest zone of an even spread is lost.
    lost = -(-kept // cost.zones) if cost.zones > 1 else 0
    assert kept - lost >= needed
    fewer = kept - 1
    assert fewer - (-(-fewer // cost.zones) if cost.zones > 1 else 0) < needed, "not one machine more than that"


@given(costs, st.lists(st.integers(0, 60), min_size=2, max_size=8))
def test_more_replicas_never_cost_less_and_a_draw_at_the_points_costs_the_same(cost: OwnedCost, replicas: list[int]) -> None:
    whole = cost.month_nanousd(np.array(sorted(replicas)))
    assert (np.diff(whole) >= 0).all()
    needed = np.arange(1.0, 30.0)
    machine_usd, people = (np.full(29, float(v)) for v in (cost.machine_nanousd_month, cost.people_nanousd_month))
    exact = cost.month_nanousd((needed * cost.replicas_per_machine).astype(np.int64))
    assert cost.drawn_nanousd(needed, machine_usd, people) == pytest.approx(exact.astype(float), rel=1e-12)


@pytest.mark.parametrize(
    "bad", [{"max_utilisation": 0.0}, {"max_utilisation": 1.5}, {"people_fte": -1.0}, {"month_hours": float("nan")}]
)
def test_absurd_terms_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadSettings, match="give a number from"):
        PlanTerms(**bad)  # type: ignore[arg-type]
