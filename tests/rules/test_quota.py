"""What is left of a vendor's limits: forecast from headers and settings, never below nothing, never blocking for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.window import Window
from freehold.rules.quota import PATIENCE_S, UNKNOWN, Meter, Quota, Rates, corrected, heard, level, room_in, spent, stated


def meters(quota: Quota) -> list[Meter]:
    every = (quota.stated_requests, quota.stated_tokens, quota.heard_requests, quota.heard_tokens)
    return [meter for meter in every if meter is not None]


def test_of_a_target_that_says_nothing_nothing_is_held() -> None:
    assert room_in(UNKNOWN, 10**9, 0) == 0
    assert spent(UNKNOWN, 1, 100, 0) is UNKNOWN


def test_stated_limits_let_a_minutes_worth_through_and_then_one_by_one() -> None:
    quota = stated(UNKNOWN, Rates(requests_per_minute=3), 0)
    for _ in range(3):
        assert room_in(quota, 1, 0) == 0
        quota = spent(quota, 1, 1, 0)
    assert room_in(quota, 1, 0) == pytest.approx(20)
    assert room_in(quota, 1, 12) == pytest.approx(8)
    assert room_in(quota, 1, 20) == 0


def test_tokens_count_by_the_size_of_the_request() -> None:
    quota = spent(stated(UNKNOWN, Rates(tokens_per_minute=6000), 0), 1, 5000, 0)
    assert room_in(quota, 1000, 0) == 0
    assert room_in(quota, 2000, 0) == pytest.approx(10)
    assert room_in(corrected(quota, -1000, 0), 2000, 0) == 0, "what was not used comes back"


def test_a_request_larger_than_the_limit_needs_it_full_and_no_more() -> None:
    quota = spent(stated(UNKNOWN, Rates(tokens_per_minute=600), 0), 1, 60, 0)
    assert room_in(quota, 10**6, 0) == pytest.approx(6)
    assert room_in(quota, 10**6, 6) == 0


def test_headers_say_what_is_left_and_when_it_is_full() -> None:
    quota = heard(UNKNOWN, (Window("requests", 500, 0, 60.0), Window("tokens", 9000, 8000, 10.0)), 100)
    assert room_in(quota, 100, 100) == pytest.approx(60 / 500)
    assert room_in(quota, 9000, 100) == pytest.approx(10)
    assert room_in(heard(quota, (Window("requests", 500, 20, 57.6),), 101), 100, 101) == 0


def test_both_words_count_and_a_reload_keeps_what_did_not_change() -> None:
    quota = heard(stated(UNKNOWN, Rates(1, None), 0), (Window("requests", 500, 400, 12.0),), 0)
    quota = spent(quota, 1, 1, 0)
    assert room_in(quota, 1, 0) == pytest.approx(60)
    assert room_in(stated(quota, Rates(1, None), 30), 1, 30) == pytest.approx(30)
    assert room_in(stated(quota, Rates(2, None), 30), 1, 30) == 0
    assert room_in(stated(quota, Rates(), 0), 1, 0) == 0


def test_a_correction_leaves_the_vendors_own_count_alone() -> None:
    quota = heard(UNKNOWN, (Window("tokens", 1000, 100, 54.0),), 0)
    assert corrected(quota, -900, 0) is quota


def test_a_days_limit_is_tried_again_each_minute() -> None:
    quota = heard(UNKNOWN, (Window("requests", 14_400, 0, 86_400.0), Window("tokens", 100, 0, 86_400.0)), 0)
    assert room_in(quota, 50, 0) == PATIENCE_S
    assert room_in(quota, 50, PATIENCE_S) == 0
    tried = spent(quota, 1, 50, PATIENCE_S)
    assert room_in(tried, 50, PATIENCE_S + 1) > 0, "one may try it, not all"


WINDOWS = st.builds(
    Window, st.sampled_from(["requests", "tokens"]), st.integers(1, 10**9), st.integers(-5, 10**10), st.floats(0, 86_400)
)
STEPS = st.one_of(
    st.tuples(st.just("spend"), st.integers(0, 10**9)),
    st.tuples(st.just("correct"), st.integers(0, 10**9)),
    st.tuples(st.just("hear"), WINDOWS),
    st.tuples(st.just("state"), st.builds(Rates, st.none() | st.integers(1, 10**6), st.none() | st.integers(1, 10**9))),
)


@given(st.lists(st.tuples(st.floats(0, 500), STEPS), max_size=40), st.integers(0, 10**10))
def test_it_never_falls_below_nothing_and_never_blocks_for_ever(steps: list[tuple[float, tuple[str, object]]], size: int) -> None:
    quota, now = UNKNOWN, 0.0
    for pause, (kind, value) in steps:
        now += pause
        if isinstance(value, Window):
            quota = heard(quota, (value,), now)
        elif isinstance(value, Rates):
            quota = stated(quota, value, now)
        elif isinstance(value, int):
            quota = spent(quota, 1, value, now) if kind == "spend" else corrected(quota, value - 10**6, now)
        for meter in meters(quota):
            assert 0 <= meter.left <= meter.limit
            assert 0 <= level(meter, now + 1) <= meter.limit
        wait = room_in(quota, size, now)
        assert 0 <= wait <= PATIENCE_S
        assert room_in(quota, size, now + wait + 0.001) == 0, "after that wait there is room, if nobody else came"
