"""The share of a recovering target, and how evenly it is drawn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.rules.ramp import Ramp, nth_draw, share


@pytest.mark.parametrize(("since", "part"), [(-5.0, 0.1), (0.0, 0.1), (15.0, 0.55), (30.0, 1.0), (float("inf"), 1.0)])
def test_from_a_tenth_to_all_of_it(since: float, part: float) -> None:
    assert share(Ramp(), since) == pytest.approx(part)


def test_without_a_ramp_it_takes_everything_at_once() -> None:
    assert share(Ramp(over_s=0), 0) == 1


@given(st.floats(0.01, 1), st.floats(0, 1000), st.floats(0, 2000), st.floats(0, 2000))
def test_it_never_shrinks_and_stays_a_share(start: float, over: float, one: float, other: float) -> None:
    early, late = (share(Ramp(start, over), since) for since in sorted((one, other)))
    assert start - 1e-9 <= early <= late + 1e-9 <= 1 + 2e-9


@pytest.mark.parametrize("part", [0.1, 0.25, 0.55, 0.9])
@pytest.mark.parametrize("begin", [1, 1000, 123_456])
def test_any_hundred_draws_hold_to_the_share(part: float, begin: int) -> None:
    taken = sum(nth_draw(n) < part for n in range(begin, begin + 100))
    assert abs(taken - 100 * part) <= 2
