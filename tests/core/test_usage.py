"""Tokens in buckets: every one in exactly one of them, whatever was told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.usage import BUCKETS, INPUT_BUCKETS, Usage

counts = st.integers(0, 10**7)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Any usage: each detail reported or not, and none more than what it is part of."""

    def part(whole: int) -> int | None:
        return draw(st.none() | st.integers(0, whole))

    total, output = draw(counts), draw(counts)
    read = part(total)
    write = part(total - (read or 0))
    reasoning = part(output)
    return Usage(
        input_tokens=total, output_tokens=output, cache_read=read, cache_write=write, reasoning=reasoning,
        cache_write_1h=part(write or 0), input_audio=part(total - (read or 0) - (write or 0)),
        cache_read_audio=part(read or 0), output_audio=part(output - (reasoning or 0)), source="provider",
    )  # fmt: skip


@given(usages())
def test_the_buckets_are_the_whole(usage: Usage) -> None:
    buckets = usage.buckets()
    assert tuple(buckets) == BUCKETS
    assert all(count >= 0 for count in buckets.values())
    assert sum(count for bucket, count in buckets.items() if bucket in INPUT_BUCKETS) == usage.input_tokens
    assert sum(count for bucket, count in buckets.items() if bucket not in INPUT_BUCKETS) == usage.output_tokens


@pytest.mark.parametrize(
    "wrong",
    [
        {"input_tokens": -1},
        {"cache_read": 60, "cache_write": 41},
        {"reasoning": 51},
        {"cache_write": 10, "cache_write_1h": 11},
        {"cache_write_1h": 1},
        {"cache_read": 60, "input_audio": 41},
        {"cache_read": 5, "cache_read_audio": 6},
        {"reasoning": 40, "output_audio": 11},
        {"output_audio": -1},
    ],
)
def test_counts_that_contradict_themselves_are_none(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"tokens|counts"):
        Usage(**({"input_tokens": 100, "output_tokens": 50} | wrong), source="provider")
