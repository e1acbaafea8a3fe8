import dataclasses
import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import BadSettings
from freehold.plan.optimum.breakeven import break_even, volume_curve
from freehold.plan.optimum.hybrid import HybridPoint, Market, cheapest, hybrid_curve
from freehold.plan.optimum.load import Load
from freehold.plan.owning.machines import Machine
from freehold.plan.owning.owned import OwnedCost

WINDOW_S = 10.0


def fleet(usd_h: float = 1.0, replicas_per_machine: int = 1, people_usd: int = 0) -> OwnedCost:
    machine = Machine(
        provider="p", instance="i", gpu="G", gpu_count=replicas_per_machine, price_nanousd_h=round(usd_h * 1e9),
        hire_plan="on_demand", source="user", origin="test", date="2026-01-01",
    )  # fmt: skip
    return OwnedCost(machine=machine, gpus_per_replica=1, month_hours=730.0, people_nanousd_month=people_usd * 10**9)


def market(
    work: list[float], sensitive: list[float] | None = None, usd_per_replica_s: float = 0.001, owned: OwnedCost | None = None
) -> Market:
    work_s, sensitive_s = np.array(work), np.array(sensitive or [0.0] * len(work))
    cost = (work_s - sensitive_s) * usd_per_replica_s * 1e9
    bill = round(float(work_s.sum()) * usd_per_replica_s * 1e9)
    load = Load(WINDOW_S, work_s, sensitive_s, cost, bill)
    return Market(load, owned or fleet(), 0.7, 730 * 3600 / (WINDOW_S * len(work)))


works = st.lists(st.floats(0, 300), min_size=1, max_size=30).filter(lambda w: max(w) > 0.01)
shares = st.floats(0, 1)
prices = st.floats(1e-6, 0.1)


def naive_point(m: Market, replicas: int) -> tuple[float, float, float, float]:
    """served, spilled, stranded work and the spilled bill of the month, window by window as the page describes it."""
    served = spilled = stranded = bill = 0.0
    for work, sensitive, rate in zip(m.load.work_s, m.load.sensitive_s, m.load.rate_nanousd, strict=True):
        room = replicas * 0.7 * WINDOW_S
        first = min(sensitive, room)
        rest = min(work - sensitive, room - first)
        served += first + rest
        stranded += sensitive - first
        spilled += work - sensitive - rest
        bill += (work - sensitive - rest) * rate
    return served, spilled, stranded, bill * m.to_month


@given(works, shares, prices)
def test_the_curve_is_what_serving_window_by_window_gives(work: list[float], share: float, price: float) -> None:
    m = market(work, [w * share for w in work], price)
    total = sum(work)
    for point in hybrid_curve(m):
        served, spilled, stranded, bill = naive_point(m, point.replicas)
        assert point.owned_share == pytest.approx(served / total, abs=1e-9)
        assert point.spilled_share == pytest.approx(spilled / total, abs=1e-9)
        assert point.stranded_share == pytest.approx(stranded / total, abs=1e-9)
        assert point.rented_nanousd_month == pytest.approx(bill, rel=1e-9, abs=1e-9 * m.bill_nanousd_month + 2)


@given(works, shares, prices)
def test_all_work_is_served_or_spilled_or_stranded(work: list[float], share: float, price: float) -> None:
    for point in hybrid_curve(market(work, [w * share for w in work], price)):
        assert point.owned_share + point.spilled_share + point.stranded_share == pytest.approx(1.0)
        assert point.total_nanousd_month == point.fixed_nanousd_month + point.rented_nanousd_month + point.marginal_nanousd_month


@given(works, prices)
def test_more_replicas_never_raise_spill_or_its_bill(work: list[float], price: float) -> None:
    m = market(work, usd_per_replica_s=price)
    curve = hybrid_curve(m)
    slack = 1e-9 * m.bill_nanousd_month + 2
    for one, more in itertools.pairwise(curve):
        assert more.spilled_share <= one.spilled_share + 1e-12
        assert more.rented_nanousd_month <= one.rented_nanousd_month + slack
    assert curve[-1].spilled_share == pytest.approx(0.0, abs=1e-9)


@given(works, shares, prices)
def test_sensitive_work_is_never_spilled(work: list[float], share: float, price: float) -> None:
    everything = market(work, work, price)
    assert all(p.spilled_share == 0.0 and p.rented_nanousd_month == 0 for p in hybrid_curve(everything))
    some = market(work, [w * share for w in work], price)
    best = cheapest(hybrid_curve(some))
    assert best.stranded_share == pytest.approx(0.0, abs=1e-9)
    assert best.spilled_share <= 1 - share + 1e-9


@given(works, prices, st.floats(1, 100))
def test_a_dearer_api_never_lowers_the_optimum(work: list[float], price: float, factor: float) -> None:
    cheap, dear = (cheapest(hybrid_curve(market(work, usd_per_replica_s=p))).replicas for p in (price, price * factor))
    assert dear >= cheap


@given(works, prices, st.floats(0.1, 50))
def test_scaling_the_volume_scales_the_rented_bill_and_finds_the_same_costs(
    work: list[float], price: float, scale: float
) -> None:
    m, scaled = market(work, usd_per_replica_s=price), market([w * scale for w in work], usd_per_replica_s=price)
    (point,) = volume_curve(m, 1000.0, [1000.0 * scale])
    slack = 1e-6 * scaled.bill_nanousd_month + 2
    assert point.rented_nanousd_month == pytest.approx(m.bill_nanousd_month * scale, rel=1e-9, abs=1)
    assert point.hybrid_nanousd_month == pytest.approx(cheapest(hybrid_curve(scaled)).total_nanousd_month, abs=slack)


def test_the_newsvendor_rule_holds_at_the_optimum() -> None:
    curve = hybrid_curve(market([5.0, 20.0, 60.0, 8.0, 33.0, 12.0, 90.0], usd_per_replica_s=0.0005))
    best = cheapest(curve)
    replica = curve[1].fixed_nanousd_month
    assert 0 < best.replicas < len(curve) - 1
    assert curve[best.replicas].worth_nanousd_month >= replica > curve[best.replicas + 1].worth_nanousd_month


def test_too_few_replicas_for_the_sensitive_part_are_infeasible_however_cheap() -> None:
    curve = hybrid_curve(market([10.0, 40.0], [2.0, 15.0], usd_per_replica_s=1e-9))
    assert [p.feasible for p in curve[:4]] == [False, False, False, True]
    best: HybridPoint = cheapest(curve)
    assert best.replicas == 3


def on_spot(spot: float, availability: float) -> OwnedCost:
    """Machines of which that share can be taken away, so that all together are there for so much of the time."""
    owned = fleet()
    return msgspec.structs.replace(
        owned, machine=msgspec.structs.replace(owned.machine, steady_share=1 - spot, availability=availability)
    )


def test_spot_machines_do_less_and_sensitive_work_counts_on_the_steady_ones_alone() -> None:
    # A replica takes on 7 s a window. Of two sensitive windows the fuller has 20 s: 3 replicas, or 6 where half are on spot.
    steady, mixed = (market([20.0, 60.0], [20.0, 5.0], owned=owned) for owned in (fleet(), on_spot(0.5, 0.95)))
    assert [steady.replicas_for_sensitive(), mixed.replicas_for_sensitive()] == [3, 6]
    assert [steady.replicas_for_sensitive(2.0), mixed.replicas_for_sensitive(2.0)] == [6, 12]
    # All of it: 60 / 7 is 9 replicas, 60 / (7 x 0.95) is 10.
    assert [len(hybrid_curve(m)) - 1 for m in (steady, mixed)] == [9, 10]
    feasible = [p.replicas for p in hybrid_curve(mixed) if p.feasible]
    assert feasible == [6, 7, 8, 9, 10]
    assert all(p.stranded_share == 0 for p in hybrid_curve(mixed) if p.feasible)


def test_more_steady_machines_than_the_peak_needs_where_sensitive_work_fills_it() -> None:
    curve = hybrid_curve(market([20.0], [20.0], owned=on_spot(0.75, 0.9)))
    assert len(curve) - 1 == 12, "20 / 7 / 0.25, though 4 would carry it while all are there"
    assert [p.replicas for p in curve if p.feasible] == [12]


def test_sensitive_work_on_spot_alone_is_refused() -> None:
    with pytest.raises(BadSettings, match=r"cannot stand on spot machines alone; mix them, e\.g\. on_demand=0\.5,spot=0\.5"):
        hybrid_curve(market([20.0], [1.0], owned=on_spot(1.0, 0.9)))
    assert hybrid_curve(market([20.0], owned=on_spot(1.0, 0.9)))[-1].owned_share == pytest.approx(1.0)


@given(works, shares, prices, st.floats(0, 0.001), st.integers(1, 3))
def test_the_total_is_machines_and_the_spilled_bill_and_what_runs_beside_them(
    work: list[float], share: float, price: float, usd_beside: float, zones: int
) -> None:
    owned = msgspec.structs.replace(fleet(0.5, people_usd=30), zones=zones, spare_machines=1, crew_machines=3)
    plain = market(work, [w * share for w in work], price, owned)
    m = dataclasses.replace(plain, marginal_nanousd=usd_beside * sum(work) * 1e9)
    for point in hybrid_curve(m):
        served, _, stranded, bill = naive_point(m, point.replicas)
        paid = -(-point.replicas * zones // (zones - 1)) + 1 if zones > 1 else point.replicas + 1
        fixed = (paid * 365 + -(-paid // 3) * 30) * 1e9 if point.replicas else 0.0
        beside = usd_beside * 1e9 * (served + stranded) * m.to_month
        assert point.fixed_nanousd_month == pytest.approx(fixed)
        assert point.marginal_nanousd_month == pytest.approx(beside, rel=1e-6, abs=1e-9 * m.bill_nanousd_month + 2)
        slack = 1e-9 * m.bill_nanousd_month + 5
        assert point.total_nanousd_month == pytest.approx(fixed + bill + beside, rel=1e-6, abs=slack)


@given(works, shares, prices, st.floats(0, 0.01), st.floats(1, 10))
def test_dearer_egress_never_raises_what_is_owned(
    work: list[float], share: float, price: float, usd_beside: float, factor: float
) -> None:
    plain = market(work, [w * share for w in work], price)
    best = [
        cheapest(hybrid_curve(dataclasses.replace(plain, marginal_nanousd=usd * sum(work) * 1e9)))
        for usd in (0.0, usd_beside, usd_beside * factor)
    ]
    assert best[0].replicas >= best[1].replicas >= best[2].replicas
    assert best[0].owned_share >= best[1].owned_share >= best[2].owned_share


def test_an_absurd_peak_is_refused() -> None:
    with pytest.raises(BadSettings, match="check the volume, the model and the GPU"):
        hybrid_curve(market([1e9]))


def owns(m: Market, scale: float) -> bool:
    (point,) = volume_curve(m, 1.0, [scale])
    return point.replicas > 0


@given(works, st.floats(1e-5, 0.1), st.integers(1, 4), st.sampled_from([0, 500]))
def test_break_even_is_where_the_optimum_starts_to_own(work: list[float], price: float, held: int, people: int) -> None:
    m = market(work, usd_per_replica_s=price, owned=fleet(1.0, held, people))
    first = break_even(m, 1.0).first_tokens_per_day
    if first is None:
        assert not owns(m, 3.0)
    elif max(work) * first < 100_000:
        assert owns(m, first * 1.001)
        assert not owns(m, first * 0.999)


def test_owning_that_costs_more_than_the_api_at_its_best_never_pays_and_says_why() -> None:
    # One replica at 70 % of 730 h does 1,839,600 replica-seconds for $730: $0.000397 each; the API asks $0.0003.
    crossing = break_even(market([10.0, 20.0], usd_per_replica_s=0.0003), 1_000_000.0)
    assert crossing.first_tokens_per_day is None
    assert crossing.all_tokens_per_day is None
    assert "at best, a replica is 70% busy and costs $" in crossing.first_reason


def test_flat_load_breaks_even_where_one_replica_costs_what_it_displaces() -> None:
    # A flat 10 replica-seconds per window at $0.001: $2,628 a month; one replica costs $730 = 0.27778 of that.
    crossing = break_even(market([10.0, 10.0], usd_per_replica_s=0.001), 900.0)
    assert crossing.first_tokens_per_day == pytest.approx(900 * 730 / 2628)
    assert crossing.all_tokens_per_day == pytest.approx(900 * 730 / 2628)


def test_bursty_load_may_own_some_and_never_all() -> None:
    # The peak is ten times the mean, so replicas for it are idle too long; the first one is not.
    crossing = break_even(market([100.0] + [1.0] * 30, usd_per_replica_s=0.0015), 1.0)
    assert crossing.first_tokens_per_day is not None
    assert crossing.all_tokens_per_day is None
    assert "sized for the peak, a replica is 3% busy" in crossing.all_reason


def test_sensitive_work_has_no_break_even() -> None:
    crossing = break_even(market([10.0], [1.0]), 1.0)
    assert crossing.first_tokens_per_day is None
    assert "owned at any volume" in crossing.first_reason
