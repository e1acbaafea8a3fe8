from hypothesis import given
from hypothesis import strategies as st

from freehold.plan.logs.buckets import UNCOUNTED_REQUEST_TOKENS, Bucket, Bucketed, requests_of

TOKENS = st.integers(0, 1_000_000)


@given(fresh=TOKENS, cached=TOKENS, output=TOKENS, requests=st.none() | st.integers(1, 300))
def test_a_bucket_is_spread_evenly_and_nothing_is_lost(fresh: int, cached: int, output: int, requests: int | None) -> None:
    bucket = Bucket(1000.0, 3600.0, "w", "internal", requests, fresh + cached, cached, output)
    rows = list(requests_of(bucket))
    assert sum(r.input_tokens for r in rows) == fresh + cached
    assert sum(r.cache_read for r in rows) == cached
    assert sum(r.output_tokens for r in rows) == output
    assert all(r.cache_read <= r.input_tokens for r in rows)
    assert all(1000.0 < r.stands_for < 4600.0 for r in rows)
    assert max((r.output_tokens for r in rows), default=0) - min((r.output_tokens for r in rows), default=0) <= 1
    if requests:
        assert len(rows) == requests
    else:
        assert len(rows) == -(-(fresh + cached + output) // UNCOUNTED_REQUEST_TOKENS)


def test_times_of_a_day() -> None:
    bucket = Bucket(0.0, 86_400.0, "w", "internal", 4, 40, 0, 8)
    assert [r.stands_for for r in requests_of(bucket)] == [10_800.0, 32_400.0, 54_000.0, 75_600.0]


def test_the_doubt_names_what_is_lost() -> None:
    assert "sums of 1 day: spread evenly, which hides peaks" in Bucketed("w", 86_400.0, uncounted=False).doubt()
    assert "sums of 30 minutes and requests are not counted (2,000 tokens each" in Bucketed("w", 1800.0, uncounted=True).doubt()
