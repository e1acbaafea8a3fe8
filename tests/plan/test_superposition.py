"""Growth from independent users: bursts smooth out, a steady day does not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.plan.optimum.breakeven import break_even
from freehold.plan.optimum.hybrid import Market
from freehold.plan.optimum.load import Load
from freehold.plan.optimum.superposition import _displaced, smoothed_first_scale
from freehold.plan.owning.machines import Machine
from freehold.plan.owning.owned import OwnedCost

WINDOW_S = 10.0


def market(work_s: np.ndarray[tuple[int], np.dtype[np.float64]], usd_per_replica_s: float) -> Market:
    machine = Machine(
        provider="p", instance="i", gpu="G", gpu_count=1, price_nanousd_h=10**9, hire_plan="on_demand", source="user",
        origin="test", date="2026-01-01",
    )  # fmt: skip
    owned = OwnedCost(machine=machine, gpus_per_replica=1, month_hours=730.0, people_nanousd_month=0)
    cost = work_s * usd_per_replica_s * 1e9
    load = Load(WINDOW_S, work_s, np.zeros_like(work_s), cost, round(float(cost.sum())))
    return Market(load, owned, 0.7, 730 * 3600 / (WINDOW_S * len(work_s)))


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 9)), min_size=1, max_size=30), st.integers(1, 8))
def test_what_capacity_displaces_is_what_it_serves_window_by_window(windows: list[tuple[float, float]], most: int) -> None:
    work, rate = (np.array(column) for column in zip(*windows, strict=True))
    capacities = np.array([7.0 * machines for machines in range(1, most + 1)])
    naive = [(rate * np.minimum(work, capacity)).sum() for capacity in capacities]
    assert _displaced(work, rate, capacities) == pytest.approx(naive)


def test_a_level_load_has_nothing_to_smooth() -> None:
    m = market(np.full(8640, 0.5), 0.0005)
    crossing = break_even(m, 1000.0)
    assert crossing.first_tokens_per_day is not None
    assert crossing.first_tokens_per_day > 1000
    assert crossing.smoothed_tokens_per_day == pytest.approx(crossing.first_tokens_per_day, rel=0.02)


def test_bursts_of_independent_users_smooth_out() -> None:
    random = np.random.default_rng(7)
    m = market(np.where(random.random(8640) < 0.05, 10.0, 0.0), 0.0006)
    crossing = break_even(m, 1000.0)
    assert crossing.smoothed_tokens_per_day is not None
    assert crossing.first_tokens_per_day is None or crossing.smoothed_tokens_per_day < 0.8 * crossing.first_tokens_per_day


def test_a_long_span_is_looked_at_in_part_and_says_the_same() -> None:
    random = np.random.default_rng(7)
    day = random.poisson(0.5, 8640).astype(np.float64)
    once, often = (smoothed_first_scale(market(np.tile(day, days), 0.0005)) for days in (1, 14))
    assert once is not None
    assert often == pytest.approx(once, rel=0.05)


def test_owning_that_pays_today_has_no_such_volume() -> None:
    assert break_even(market(np.full(8640, 7.0), 0.001), 1000.0).smoothed_tokens_per_day is None
