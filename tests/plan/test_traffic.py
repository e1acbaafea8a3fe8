import math

import numpy as np
import pytest

from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.plan.traffic import DAY_S, Traffic, TrafficRow, traffic_from_rows


def row(at: float, tokens: tuple[int, int, int] = (90, 0, 10), data_class: str = "public") -> TrafficRow:
    return TrafficRow(at, "w", data_class, *tokens)


def test_span_adds_the_unseen_last_gap_so_that_the_rate_is_unbiased() -> None:
    traffic = traffic_from_rows([row(100.0 + 2 * i) for i in range(10)], DataClass.public)
    assert traffic.span_s == pytest.approx(20.0)
    assert traffic.tokens_per_day == pytest.approx(10 * 100 / 20 * DAY_S)
    assert traffic.time_s[0] == 0.0


def test_rows_in_any_order_give_the_same_traffic() -> None:
    rows = [row(5.0, (1, 0, 1)), row(1.0, (2, 0, 2)), row(3.0, (3, 0, 3))]
    assert traffic_from_rows(rows, DataClass.public).input_tokens.tolist() == [2, 3, 1]


def test_summary_of_hand_made_traffic() -> None:
    times = [0.0] * 6 + [10.0 * i for i in range(1, 6)]
    summary = traffic_from_rows([row(t, (80, 20, 20)) for t in times], DataClass.public).summary()
    assert summary.requests == 11
    assert summary.input_share == pytest.approx(0.8)
    assert summary.cached_share == pytest.approx(0.25)
    assert summary.mean_output_tokens == 20
    # A span of 55 s is six windows; the first holds 6 of the 11 requests.
    assert summary.peak_to_mean_10s == pytest.approx(6 / (11 / 6))
    assert summary.peak_to_mean_60s == pytest.approx(1.0)
    gaps = np.array([0.0] * 5 + [10.0] * 5)
    assert summary.interarrival_cv == pytest.approx(gaps.std() / gaps.mean())


def test_what_is_above_the_rented_clearance_is_sensitive() -> None:
    rows = [row(0.0), row(1.0, data_class="internal"), row(2.0, data_class="restricted")]
    assert traffic_from_rows(rows, DataClass.internal).sensitive.tolist() == [False, False, True]
    assert traffic_from_rows(rows, DataClass.public).summary().sensitive_share == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("span_s", "words"), [(600.0, "observed 10.0 minutes, extrapolated"), (3 * DAY_S, "weekly shape not in the")]
)
def test_a_short_span_says_so(span_s: float, words: str) -> None:
    traffic = traffic_from_rows([row(0.0), row(span_s / 2)], DataClass.public)
    assert words in (traffic.unseen() or "")


def test_a_week_is_enough() -> None:
    assert traffic_from_rows([row(0.0), row(3.5 * DAY_S)], DataClass.public).unseen() is None


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "traffic is empty"),
        ([row(1.0)], "same time"),
        ([row(1.0), row(1.0)], "same time"),
        ([row(0.0), row(1.0, (-1, 0, 5))], "negative token count"),
        ([row(0.0), row(1.0, (5, 6, 5))], "more cached tokens than input"),
        ([row(0.0), row(1.0, (10**9, 0, 5))], "check the trace's columns"),
        ([row(0.0), row(1.0, (10**30, 0, 5))], "cannot be read"),
        ([row(0.0, (0, 0, 0)), row(1.0, (0, 0, 0))], "no tokens at all"),
        ([row(0.0), row(math.nan)], "no finite number"),
        ([row(0.0), row(1.0, data_class="secretish")], "unknown data class 'secretish'"),
    ],
)
def test_bad_rows_get_one_clear_line(rows: list[TrafficRow], words: str) -> None:
    with pytest.raises(BadSettings, match=words) as caught:
        traffic_from_rows(rows, DataClass.public)
    assert "\n" not in caught.value.message


def test_windows_tile_the_span() -> None:
    traffic = traffic_from_rows([row(float(i)) for i in range(1001)], DataClass.public)
    index, count = traffic.windows(10.0)
    assert count == 100
    assert index.min() == 0
    assert index.max() == 99
    assert isinstance(traffic, Traffic)


def test_traffic_of_different_ages_is_refused_by_its_dates() -> None:
    rows = [TrafficRow(at, "w", "public", 10, 0, 10) for at in (0.0, 1.0, 1.7e9)]
    with pytest.raises(BadSettings, match="from 1970-01-01 to 2023-11-14"):
        traffic_from_rows(rows, DataClass.internal)
