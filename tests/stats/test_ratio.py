"""Changes between two samples, less what chance explains."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.stats.ratio import Sample, sure_change, sure_increase

numbers = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=50)
shares = st.integers(0, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def sample(values: list[float]) -> Sample:
    return Sample(len(values), sum(values), sum(v * v for v in values))


@given(numbers, numbers)
def test_a_change_is_at_least_one_no_more_than_seen_and_the_same_both_ways(now: list[float], before: list[float]) -> None:
    found = sure_change(sample(now), sample(before), 3)
    seen = (sum(now) / len(now)) / (sum(before) / len(before))
    assert 1 <= found <= max(seen, 1 / seen) * (1 + 1e-9)
    assert found == pytest.approx(sure_change(sample(before), sample(now), 3))
    assert sure_change(sample(now), sample(before), 0) == pytest.approx(max(seen, 1 / seen))


@given(shares, shares)
def test_an_increase_is_at_least_one_and_never_both_ways(now: tuple[int, int], before: tuple[int, int]) -> None:
    there, back = sure_increase(now, before, 3), sure_increase(before, now, 3)
    assert min(there, back) == 1
    assert math.isfinite(there)


def test_constant_numbers_change_by_their_ratio() -> None:
    assert sure_change(sample([3.0] * 50), sample([2.0] * 50), 3) == pytest.approx(1.5)


def test_nothing_is_no_change() -> None:
    assert sure_change(Sample(), sample([1.0]), 3) == sure_change(sample([1.0]), Sample(5, 0.0, 0.0), 3) == 1


def test_chance_alone_is_seldom_a_change() -> None:
    """Two samples of 100 from one long-tailed distribution: beyond three standard errors in well under 2 % of cases."""
    draws = random.Random(7)
    pairs = [[sample([draws.lognormvariate(5, 0.8) for _ in range(100)]) for _ in range(2)] for _ in range(500)]
    changed = sum(sure_change(now, before, 3) > 1 for now, before in pairs)
    assert changed <= 10


def test_a_real_change_is_found_and_its_size_not_overstated() -> None:
    draws = random.Random(7)
    before, now = ([draws.lognormvariate(mean, 0.8) for _ in range(2000)] for mean in (5.0, 5.0 + math.log(2)))
    assert 1.5 < sure_change(sample(now), sample(before), 3) < 2
    assert 3 < sure_increase((100, 1000), (10, 1000), 3) < 10
    assert sure_increase((2, 50), (0, 50), 3) == 1
