from decimal import Decimal

import numpy as np
import pytest

from freehold.catalog.facts import GpuOffer, load_facts
from freehold.core.errors import BadSettings
from freehold.plan.inputs import PlanTerms
from freehold.plan.owned import choose_machine, owned_cost


def offer(instance: str, gpu_count: int, usd_h: str | None, spot: str | None = None) -> GpuOffer:
    return GpuOffer(
        provider="p", instance=instance, gpu="G", gpu_count=gpu_count, vram_gb_per_gpu=80, region="r", tier="t", source="s",
        on_demand_usd_h=None if usd_h is None else Decimal(usd_h), spot_usd_h=None if spot is None else Decimal(spot),
        reserved_1y_usd_h=None, reserved_3y_usd_h=None, price_date="2026-07-20",
    )  # fmt: skip


def test_one_gpu_by_the_hour_is_k_times_price_times_730() -> None:
    cost = owned_cost(choose_machine([offer("one", 1, "1.861")], 1, "on_demand"), 1, PlanTerms())
    assert cost.month_nanousd(np.arange(4)).tolist() == [0, 1_358_530_000_000, 2_717_060_000_000, 4_075_590_000_000]


def test_whole_machines_are_paid() -> None:
    cost = owned_cost(choose_machine([offer("eight", 8, "55.04")], 2, "on_demand"), 2, PlanTerms())
    machine = 55_040_000_000 * 730
    assert cost.replicas_per_machine == 4
    assert cost.month_nanousd(np.array([0, 1, 4, 5])).tolist() == [0, machine, machine, 2 * machine]


def test_people_come_with_the_first_replica_and_not_before() -> None:
    terms = PlanTerms(people_fte=0.5, salary_usd_year=200_000)
    cost = owned_cost(choose_machine([offer("one", 1, "1")], 1, "on_demand"), 1, terms)
    people = round(100_000 * 10**9 / 12)
    assert cost.month_nanousd(np.arange(3)).tolist() == [0, 730 * 10**9 + people, 1460 * 10**9 + people]


def test_least_money_per_replica_wins_then_the_smallest_machine() -> None:
    offers = [offer("eight", 8, "8"), offer("four", 4, "4"), offer("dear", 2, "3")]
    assert choose_machine(offers, 2, "on_demand").instance == "four"
    # Six GPUs a replica: only one fits into eight.
    assert choose_machine(offers, 6, "on_demand").instance == "eight"


def test_single_gpus_are_joined_only_where_no_machine_holds_the_replica() -> None:
    joined = choose_machine([offer("one", 1, "2.69")], 2, "on_demand")
    assert (joined.instance, joined.gpu_count, joined.price_nanousd_h) == ("2x one", 2, 5_380_000_000)


def test_spot_is_priced_as_spot() -> None:
    assert choose_machine([offer("a", 1, "5", spot="2")], 1, "spot").price_nanousd_h == 2_000_000_000


def test_no_price_and_no_machine_are_told_apart() -> None:
    with pytest.raises(BadSettings, match="no spot price is listed"):
        choose_machine([offer("a", 1, "5")], 1, "spot")
    with pytest.raises(BadSettings, match="has 9 of that GPU, the biggest has 8"):
        choose_machine([offer("a", 8, "5")], 9, "on_demand")


def test_the_shipped_aws_l40s_is_the_one_documented() -> None:
    machine = choose_machine(load_facts().offers("L40S", "aws"), 1, "on_demand")
    assert (machine.instance, machine.price_nanousd_h, machine.date) == ("g6e.xlarge", 1_861_000_000, "2026-07-20")


@pytest.mark.parametrize(
    "bad", [{"max_utilisation": 0.0}, {"max_utilisation": 1.5}, {"people_fte": -1.0}, {"month_hours": float("nan")}]
)
def test_absurd_terms_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadSettings, match="give a number from"):
        PlanTerms(**bad)  # type: ignore[arg-type]
