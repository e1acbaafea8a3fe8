import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.plan.demand.hours import HOUR_S, MONDAY_S, hour_slots, hourly_tokens
from freehold.plan.demand.traffic import DAY_S, Floats


@given(st.floats(0, 4e9))
def test_slots_are_those_of_the_calendar(unix_s: float) -> None:
    moment = dt.datetime.fromtimestamp(int(unix_s), dt.UTC)
    assert hour_slots(np.array([unix_s]), 24)[0] == moment.hour
    assert hour_slots(np.array([unix_s]), 168)[0] == moment.weekday() * 24 + moment.hour


def every(step_s: float, span_s: float) -> Floats:
    return np.arange(0.0, span_s, step_s)


def test_a_day_is_one_row_from_midnight_on_wherever_it_starts() -> None:
    time_s = every(10.0, DAY_S)
    tokens = np.where(time_s < 12 * HOUR_S, 1, 3)
    hours = hourly_tokens(time_s, MONDAY_S + 12 * HOUR_S, tokens)
    assert hours.shape == (1, 24)
    assert hours[0].tolist() == [1080.0] * 12 + [360.0] * 12


def test_days_stand_in_their_rows_and_unseen_hours_stay_empty() -> None:
    # From Wednesday 06:00 for two and a half days.
    time_s = every(60.0, 2.5 * DAY_S)
    hours = hourly_tokens(time_s, MONDAY_S + 2.25 * DAY_S, np.full(len(time_s), 2))
    assert hours.shape == (7, 24)
    assert np.isnan(hours[:2]).all()
    assert np.isnan(hours[2, :6]).all()
    assert hours[2, 6:] == pytest.approx(120.0)
    assert hours[4, :18] == pytest.approx(120.0)
    assert np.isnan(hours[4, 18:]).all()
    assert np.isnan(hours[5:]).all()


def test_an_hour_without_requests_inside_the_span_is_zero_not_empty() -> None:
    time_s = np.array([0.0, 2.5 * HOUR_S, 3 * HOUR_S])
    hours = hourly_tokens(time_s, MONDAY_S, np.array([7, 1, 1]))
    assert hours[0, :3].tolist() == [7.0, 0.0, 1.0]


@given(st.integers(2, 30), st.floats(0, 7 * DAY_S))
def test_weeks_are_averaged_and_what_was_seen_of_an_hour_counts(days: int, start_s: float) -> None:
    time_s = every(100.0, days * DAY_S)
    hours = hourly_tokens(time_s, start_s, np.full(len(time_s), 100))
    assert np.isnan(hours).sum() <= max(0, 7 - days) * 24 + 1
    assert hours[~np.isnan(hours)] == pytest.approx(3600.0, rel=0.13)
