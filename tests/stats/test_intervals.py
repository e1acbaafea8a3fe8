import numpy as np
import pytest

from freehold.stats.intervals import coverage, interval, interval_score


def test_quantiles_are_values_that_were_drawn_and_infinite_ones_stay() -> None:
    values = np.array([*range(1, 90), *[np.inf] * 11], dtype=np.float64)
    found = interval(values)
    assert found == (3.0, 10.0, 50.0, np.inf, np.inf)


def test_the_interval_score_adds_what_was_missed() -> None:
    low, high = np.array([1.0, 1.0, 1.0]), np.array([3.0, 3.0, 3.0])
    # Width 2 each; the second lies 1 above and the third 0.5 below: 2 / 0.2 times that.
    assert interval_score(low, high, np.array([2.0, 4.0, 0.5]), 0.8) == pytest.approx((2 + (2 + 10) + (2 + 5)) / 3)


def test_coverage_counts_the_ends_in() -> None:
    assert coverage(np.array([1.0, 1.0]), np.array([2.0, 2.0]), np.array([1.0, 2.5])) == 0.5
