import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.plan.demand.traffic import DAY_S, Requests, Traffic, TrafficRow, joined, requests_from_rows, traffic_from_rows


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
        ([row(0.0), row(1.0, (2**63 - 1, 0, 2**63 - 1))], "check the trace's columns"),
        ([row(0.0), row(math.nan)], "no finite number"),
        ([row(math.inf), row(0.0)], "no finite number"),
        ([row(0.0), row(1.7e15)], "1,700,000,000,000,000 s away from 1970; give Unix seconds"),
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


def test_the_span_starts_at_the_first_request() -> None:
    traffic = traffic_from_rows([row(1_700_000_030.5), row(1_700_000_000.25)], DataClass.public)
    assert (traffic.start_s, traffic.time_s.tolist()) == (1_700_000_000.25, [0.0, 30.25])


rows = st.lists(
    st.builds(
        TrafficRow,
        st.sampled_from([0.0, 1.0, 2.5, 60.0]),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["public", "internal", "restricted"]),
        st.integers(100, 2_000_000),
        st.integers(0, 100),
        st.integers(0, 1000),
    ),
    max_size=40,
)


@given(rows, st.lists(st.integers(0, 40), max_size=3))
def test_columns_in_parts_are_the_rows_sorted_by_time(given_rows: list[TrafficRow], cuts: list[int]) -> None:
    """Each workload's rows, those of one time in their order, wherever the columns are cut and joined."""
    edges = [0, *sorted(cuts), 40]
    parts = [requests_from_rows(given_rows[start:end]) for start, end in pairwise(edges)]
    for name in {r.workload for r in given_rows}:
        requests = joined([part[name] for part in parts if name in part])
        own = sorted((r for r in given_rows if r.workload == name), key=lambda r: r.stands_for)
        assert requests.one_moment == (len({r.stands_for for r in own}) == 1)
        if requests.one_moment:
            continue
        traffic = requests.traffic(DataClass.public)
        assert traffic.start_s == own[0].stands_for
        assert (traffic.start_s + traffic.time_s).tolist() == [r.stands_for for r in own]
        assert traffic.input_tokens.tolist() == [r.input_tokens for r in own]
        assert traffic.cache_read.tolist() == [r.cache_read for r in own]
        assert traffic.output_tokens.tolist() == [r.output_tokens for r in own]
        assert traffic.sensitive.tolist() == [r.data_class != "public" for r in own]


def test_narrow_columns_become_wide_and_unused_names_are_not_looked_at() -> None:
    small = np.array([50_000, 10], dtype=np.int32)
    requests = Requests(
        np.array([0.0, 1.0]), np.array([1, 1], dtype=np.uint8), ("nonsense", "internal"), small, small // 2, small
    )
    traffic = requests.traffic(DataClass.public)
    assert traffic.sensitive.all()
    assert traffic.input_tokens.dtype == traffic.cache_read.dtype == traffic.output_tokens.dtype == np.int64
