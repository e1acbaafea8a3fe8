"""Which hour of the day or of the week a moment falls in, and how many tokens each of those hours has. All in UTC."""

from typing import Literal, TypeAlias

import numpy as np

from freehold.plan.demand.traffic import DAY_S, Floats, Ints

Slots: TypeAlias = Literal[24, 168]

HOUR_S = 3600.0
MONDAY_S = 4 * DAY_S  # Unix seconds of the first Monday; slot 0 of a week is its midnight
_SEEN_ENOUGH_S = HOUR_S / 4  # less of an hour says little about it


def hour_slots(unix_s: Floats, slots: Slots) -> Ints:
    """The hour of the day (0 to 23), or of the week from Monday's midnight on (0 to 167), of each moment in Unix seconds."""
    hours: Ints = np.floor_divide(unix_s - MONDAY_S, HOUR_S).astype(np.int64) % slots
    return hours


def hourly_tokens(time_s: Floats, start_s: float, tokens: Ints) -> Floats:
    """Mean tokens an hour by hour of the day, shape (1, 24), or from two days of requests on by weekday and hour, (7, 24).

    `time_s` counts from `start_s`, in Unix seconds, and is sorted. An hour of which less than a quarter was seen is NaN.
    """
    count = len(time_s)
    span_s = float(time_s[-1]) * count / max(count - 1, 1)
    slots: Slots = 168 if span_s >= 0.99 * 2 * DAY_S else 24
    # Each hour of the calendar that the span touches, from its seen beginning to its seen end.
    edges_s = np.arange(np.floor(start_s / HOUR_S), np.ceil((start_s + span_s) / HOUR_S) + 1) * HOUR_S
    seen_s = np.diff(np.clip(edges_s, start_s, start_s + span_s))
    in_slot = np.bincount(hour_slots(edges_s[:-1], slots), weights=seen_s, minlength=slots)
    total = np.bincount(hour_slots(start_s + time_s, slots), weights=tokens, minlength=slots)
    mean = np.full(slots, np.nan)
    np.divide(total * HOUR_S, in_slot, out=mean, where=in_slot >= _SEEN_ENOUGH_S)
    return mean.reshape(-1, 24)
