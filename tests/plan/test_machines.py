"""What a replica stands on: hire plans and mixes, spot, stated prices, and bought metal to the cent."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.catalog.facts import Gpu, GpuOffer, load_facts
from freehold.core.errors import BadSettings
from freehold.plan.owning.fleet_terms import FleetTerms
from freehold.plan.owning.machines import (
    CAPEX_USD,
    HIRE_PLANS,
    check_price,
    choose_machine,
    hire_mix,
    metal_machine,
    stated_machine,
)


def offer(instance: str, gpu_count: int, usd_h: str | None, spot: str | None = None, reserved: str | None = None) -> GpuOffer:
    return GpuOffer(
        provider="p", instance=instance, gpu="G", gpu_count=gpu_count, vram_gb_per_gpu=80, region="r", tier="t", source="s",
        on_demand_usd_h=None if usd_h is None else Decimal(usd_h), spot_usd_h=None if spot is None else Decimal(spot),
        reserved_1y_usd_h=None if reserved is None else Decimal(reserved), reserved_3y_usd_h=None, price_date="2026-07-20",
    )  # fmt: skip


def card(*, linked: float = 0.0, per_node: int = 8, tdp_w: float = 400.0, name: str = "G") -> Gpu:
    return Gpu(
        gpu=name, vendor="v", arch="Ampere", form="SXM", bf16_tflops_dense=312, fp8_tflops_dense=None, fp4_tflops_dense=None,
        mem_gb=80, mem_bw_gb_s=2_039, tdp_w=tdp_w, interconnect_gb_s_per_dir=linked, gpus_per_node=per_node, source="s",
    )  # fmt: skip


def test_least_money_per_replica_wins_then_the_smallest_machine() -> None:
    offers = [offer("eight", 8, "8"), offer("four", 4, "4"), offer("dear", 2, "3")]
    assert choose_machine(offers, 2, "on_demand").instance == "four"
    # Six GPUs a replica: only one fits into eight.
    assert choose_machine(offers, 6, "on_demand").instance == "eight"


def test_single_gpus_are_joined_only_where_no_machine_holds_the_replica() -> None:
    joined = choose_machine([offer("one", 1, "2.69")], 2, "on_demand")
    assert (joined.instance, joined.gpu_count, joined.price_nanousd_h) == ("2x one", 2, 5_380_000_000)
    held = choose_machine([offer("one", 1, "0.01"), offer("four", 4, "9")], 2, "on_demand")
    assert (held.instance, held.gpu_count) == ("four", 4)


def test_spot_is_priced_as_spot_and_no_part_of_it_is_steady() -> None:
    # Two interruptions a day of 36 minutes each: 72 of 1,440 minutes are lost.
    machine = choose_machine([offer("a", 1, "5", spot="2")], 1, "spot", FleetTerms(spot_interruptions_day=2, restart_minutes=36))
    assert (machine.price_nanousd_h, machine.steady_share, machine.stoppable) == (2_000_000_000, 0.0, True)
    assert machine.availability == pytest.approx(0.95)


def test_a_mix_is_paid_and_lost_in_its_shares() -> None:
    terms = FleetTerms(spot_interruptions_day=2, restart_minutes=36)
    machine = choose_machine([offer("a", 1, "5", "2", "3")], 1, "reserved_1y=0.6,spot=0.4", terms)
    # 0.6 x 3 + 0.4 x 2 = 2.60; of 0.4 on spot 5 % is lost.
    assert machine.price_nanousd_h == 2_600_000_000
    assert machine.steady_share == pytest.approx(0.6)
    assert machine.availability == pytest.approx(0.98)
    assert not machine.stoppable, "what is reserved is paid whether it runs or not"
    assert "taken as" not in machine.origin


def test_an_unlisted_reserved_price_is_on_demand_less_the_discount_and_says_so() -> None:
    one = choose_machine([offer("a", 1, "5")], 1, "reserved_1y", FleetTerms(reserved_1y_discount=0.28))
    assert (one.price_nanousd_h, one.origin) == (3_600_000_000, "s; reserved_1y taken as 28% below on demand")
    three = choose_machine([offer("a", 1, "5")], 1, "reserved_3y")
    assert three.price_nanousd_h == 2_500_000_000
    listed = choose_machine([offer("a", 1, "5", reserved="4")], 1, "reserved_1y")
    assert (listed.price_nanousd_h, listed.origin) == (4_000_000_000, "s")


def test_no_price_and_no_machine_are_told_apart() -> None:
    with pytest.raises(BadSettings, match="no spot price is listed for that GPU at that provider; listed at: p"):
        choose_machine([offer("a", 1, "5")], 1, "spot")
    with pytest.raises(BadSettings, match="state one with --usd-per-hour"):
        choose_machine([], 1, "on_demand")
    with pytest.raises(BadSettings, match="has 9 of that GPU, the biggest has 8"):
        choose_machine([offer("a", 8, "5")], 9, "on_demand")


def test_the_shipped_aws_l40s_is_the_one_documented() -> None:
    machine = choose_machine(load_facts().offers("L40S", "aws"), 1, "on_demand")
    assert (machine.instance, machine.price_nanousd_h, machine.date) == ("g6e.xlarge", 1_861_000_000, "2026-07-20")
    assert (machine.kind, machine.steady_share, machine.availability, machine.stoppable) == ("own cloud", 1.0, 1.0, True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("weekly", "names no plan 'weekly'; use one of on_demand, spot, reserved_1y, reserved_3y"),
        ("", "names no plan ''"),
        ("spot,", "names no plan ''"),
        ("spot=half", "has no share for spot; write spot=0.6"),
        ("spot=0.5", "do not add up to 1"),
        ("spot=0.7,on_demand=0.7", "do not add up to 1"),
        ("spot=1.5,on_demand=-0.5", "not above 0"),
        ("spot=0,on_demand=1", "not above 0"),
        ("spot=nan", "not above 0"),
        ("spot=nan,on_demand=1", "not above 0"),
        ("spot=inf", "do not add up to 1"),
    ],
)
def test_a_mix_that_is_none_gets_one_line(text: str, words: str) -> None:
    with pytest.raises(BadSettings, match=words) as caught:
        hire_mix(text)
    assert "\n" not in caught.value.message


@given(st.lists(st.sampled_from(HIRE_PLANS), min_size=1, max_size=4, unique=True), st.lists(st.integers(1, 9), min_size=4))
def test_every_mix_of_shares_that_add_up_is_read(plans: list[str], weights: list[int]) -> None:
    whole = sum(weights[: len(plans)])
    shares = [weight / whole for weight in weights[: len(plans)]]
    found = hire_mix(",".join(f"{plan}={share:.9f}" for plan, share in zip(plans, shares, strict=True)))
    assert list(found) == plans
    assert list(found.values()) == pytest.approx(shares, abs=1e-8)


def test_a_stated_price_is_one_replicas_and_the_users() -> None:
    machine = stated_machine(Decimal("1.10"), "G", 4, "on_demand=0.5,spot=0.5", FleetTerms())
    assert (machine.price_nanousd_h, machine.gpu_count, machine.source) == (1_100_000_000, 4, "user")
    # One interruption a day of 10 minutes on half of it.
    assert machine.availability == pytest.approx(1 - 0.5 * 10 / 1440)
    assert machine.steady_share == pytest.approx(0.5)


@pytest.mark.parametrize("price", ["-0.01", "nan", "inf", "100001"])
def test_a_stated_price_that_is_none_is_refused_by_its_option(price: str) -> None:
    with pytest.raises(BadSettings, match=r"^usd-per-hour is .*; give dollars per hour of one replica, 0 to 100000"):
        stated_machine(Decimal(price), "G", 1, "on_demand", FleetTerms())
    with pytest.raises(BadSettings, match=r"^dedicated-usd-h is "):
        check_price(Decimal(price), "dedicated-usd-h")


METAL = FleetTerms(
    depreciation_months=40, residual_share=0.2, upkeep_year=0.06, capital_cost_year=0.12, usd_per_kwh=0.2, pue=1.5,
    host_power=1.25, colocation_usd_kw_month=100,
)  # fmt: skip


def test_a_month_of_metal_by_hand() -> None:
    # Two unlinked GPUs at $10,000: 20,000 x (0.8 / 40 + 0.06 / 12 + 0.12 / 2 / 12) = 20,000 x 0.03 = $600.
    # 2 x 400 W x 1.25 = 1 kW: 1.5 x 730 h x $0.20 + $100 = $319. Together $919 a month, 919 / 730 an hour.
    machine = metal_machine(card(), 2, 10_000, METAL, 730.0)
    assert machine is not None
    assert machine.price_nanousd_h == round(919 / 730 * 1e9)
    assert round(machine.price_nanousd_h * 730 / 1e7) == 91_900, "to the cent"
    assert (machine.kind, machine.gpu_count, machine.hire_plan, machine.stoppable) == ("own metal", 2, "bought", False)
    assert machine.source == "user"
    assert "10,000 USD a GPU (stated)" in machine.origin
    assert "1.0 kW at PUE 1.5" in machine.origin


def test_linked_gpus_are_bought_by_the_server_and_big_replicas_whole() -> None:
    linked, loose = (metal_machine(card(linked=gb_s), 2, 10_000, METAL, 730.0) for gb_s in (300.0, 0.0))
    assert linked is not None
    assert loose is not None
    assert (linked.gpu_count, loose.gpu_count) == (8, 2)
    # Four times the GPUs, to the rounding of an hour.
    assert linked.price_nanousd_h == pytest.approx(4 * loose.price_nanousd_h, abs=3)
    big = metal_machine(card(linked=300.0), 16, 10_000, METAL, 730.0)
    assert big is not None
    assert big.gpu_count == 16


def test_metal_needs_a_price_somebody_says() -> None:
    assert metal_machine(card(name="nobody-says"), 1, None, METAL, 730.0) is None
    known = next(iter(CAPEX_USD))
    machine = metal_machine(card(name=known), 1, None, METAL, 730.0)
    assert machine is not None
    assert machine.source == "default"
    assert "arXiv 2509.18101" in machine.origin


@pytest.mark.parametrize("price", [-1.0, float("nan"), float("inf"), 1e9])
def test_metal_at_an_absurd_price_gets_one_line(price: float) -> None:
    with pytest.raises(BadSettings, match=r"^capex-usd is .*; give dollars for one GPU") as caught:
        metal_machine(card(), 1, price, METAL, 730.0)
    assert "\n" not in caught.value.message


@given(st.floats(1, 1e5), st.floats(1, 3), st.sampled_from(["usd_per_kwh", "pue", "host_power", "colocation_usd_kw_month",
                                                             "upkeep_year", "capital_cost_year"]))  # fmt: skip
def test_dearer_metal_is_never_cheaper_by_the_hour(capex: float, factor: float, name: str) -> None:
    values = {field: getattr(METAL, field) for field in METAL.__struct_fields__} | {name: getattr(METAL, name) * factor}
    usual, dearer = (metal_machine(card(), 1, capex, terms, 730.0) for terms in (METAL, FleetTerms(**values)))
    assert usual is not None
    assert dearer is not None
    assert dearer.price_nanousd_h >= usual.price_nanousd_h


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"spare_machines": -1}, "spare_machines is -1; give a number from 0 to 1000"),
        ({"zones": 0}, "zones is 0; give a number from 1 to 16"),
        ({"reserved_1y_discount": 1.0}, "reserved_1y_discount is 1"),
        ({"pue": 0.5}, "pue is 0.5; give a number from 1 to 5"),
        ({"depreciation_months": 0}, "depreciation_months is 0"),
        ({"platform_usd_month": float("nan")}, "platform_usd_month is nan"),
        ({"max_replicas": 0}, "max_replicas is 0"),
    ],
)
def test_absurd_terms_of_machines_are_refused(bad: dict[str, float], words: str) -> None:
    with pytest.raises(BadSettings, match=words):
        FleetTerms(**bad)  # type: ignore[arg-type]


def test_a_spot_machine_that_is_always_being_replaced_still_serves_a_little() -> None:
    assert FleetTerms(spot_interruptions_day=1000, restart_minutes=720).spot_availability == 0.01
