"""Cool-downs: the longest deadline wins, in any order, and only an answer to a later request ends one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.rules.cooling import Cooling, cooled, recovered


@given(st.permutations([(0.0, 30.0, True), (1.0, 2.0, False), (2.0, 40.0, False), (3.0, 5.0, True)]))
def test_the_longest_deadline_wins_in_any_order_of_saying(said: list[tuple[float, float, bool]]) -> None:
    cooling = Cooling()
    for at, seconds, asked in said:
        cooling = cooled(cooling, seconds, at, asked=asked)
    assert (cooling.until, cooling.asked_until) == (42, 30)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(-10, 1000), st.booleans()), max_size=20))
def test_no_word_ever_shortens_a_deadline(said: list[tuple[float, float, bool]]) -> None:
    cooling, now = Cooling(), 0.0
    for pause, seconds, asked in said:
        now += pause
        before, cooling = cooling, cooled(cooling, seconds, now, asked=asked)
        assert cooling.until >= before.until
        assert cooling.until >= cooling.asked_until >= before.asked_until
        assert seconds <= 0 or cooling.until >= now + seconds


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_what_is_no_time_changes_nothing(seconds: float) -> None:
    before = Cooling()
    assert cooled(before, seconds, 5, asked=True) is before


def test_only_an_answer_to_a_later_request_ends_it() -> None:
    cooling = cooled(Cooling(), 10, 5, asked=True)
    assert recovered(cooling, since=4) is cooling
    assert recovered(cooling, since=6) == Cooling()
