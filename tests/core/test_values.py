"""The small values everything rests on."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.data import DataClass, Demands, Handling
from freehold.core.ids import request_id
from freehold.core.money import dollars, nanousd, show
from freehold.core.usage import Usage, estimate_tokens

names = st.frozensets(st.sampled_from("abc"))
demands = st.builds(
    Demands, retention_days=st.none() | st.integers(0, 3), no_training=st.booleans(), providers=st.none() | names,
    not_providers=names, pinned=st.booleans(),
)  # fmt: skip
handlings = st.builds(Handling, st.sampled_from(DataClass), st.none() | names, names, demands)


@given(handlings, handlings, handlings)
def test_a_floor_only_rises_and_regions_only_narrow(a: Handling, b: Handling, c: Handling) -> None:
    both = a.raised_by(b)
    assert both.data_class >= max(a.data_class, b.data_class)
    assert both == b.raised_by(a)
    assert both.raised_by(c) == a.raised_by(b.raised_by(c))
    assert both.raised_by(a) == both
    assert a.raised_by(a) == a == a.raised_by(Handling())
    for looser in (a, b):
        assert no_looser(both, looser)
    if no_looser(a, b):
        assert no_looser(a.raised_by(c), b.raised_by(c))


def no_looser(one: Handling, other: Handling) -> bool:
    """Whether whatever satisfies `one` satisfies `other`: field by field, written apart from `raised_by`."""
    mine, theirs = one.demands, other.demands
    return (
        one.data_class >= other.data_class
        and one.labels >= other.labels
        and (other.regions is None or (one.regions is not None and one.regions <= other.regions))
        and (theirs.retention_days is None or (mine.retention_days is not None and mine.retention_days <= theirs.retention_days))
        and mine.no_training >= theirs.no_training
        and (theirs.providers is None or (mine.providers is not None and mine.providers <= theirs.providers))
        and mine.not_providers >= theirs.not_providers
        and mine.pinned >= theirs.pinned
    )


def test_the_header_form() -> None:
    assert Handling.parse("Confidential ; region=EU, us") == Handling(DataClass.confidential, frozenset({"eu", "us"}))
    assert Handling.parse("public") == Handling()
    assert Handling.parse("public; region=eu,us; region=us") == Handling(regions=frozenset({"us"}))
    long = "restricted; label=PHI,pii; retention-days=30; retention_days=7; no-training; provider=a, b; not-provider=c; Pinned"
    assert Handling.parse(long) == Handling(
        DataClass.restricted,
        None,
        frozenset({"phi", "pii"}),
        Demands(retention_days=7, no_training=True, providers=frozenset({"a", "b"}), not_providers=frozenset({"c"}), pinned=True),
    )
    for bad in (
        "", "secret", "public; zone=eu", "public; region=", "public; eu", "public;", "public; label=,", "public; pinned=no",
        "public; no-training=false", "public; retention-days=-1", "public; retention-days=1.5", "public; retention-days=\u0663",
        "public; retention-days=" + "9" * 5000,
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"unknown data class|cannot read"):
            Handling.parse(bad)


@given(st.integers(-(10**18), 10**18))
def test_money_survives_the_edge(nano: int) -> None:
    assert nanousd(dollars(nano)) == nano


def test_money_for_people() -> None:
    assert show(nanousd("1425")) == "$1,425.00"
    assert show(-nanousd("0.5")) == "-$0.50"
    assert nanousd(Decimal("0.0000000005")) == 0  # half a nano-dollar rounds to even
    for bad in ("NaN", "Infinity", "ten"):
        with pytest.raises(ValueError, match="not an amount"):
            nanousd(bad)


def test_usage_buckets_are_disjoint_and_sum_up() -> None:
    usage = Usage(input_tokens=100, output_tokens=20, cache_read=60, reasoning=5, source="provider")
    assert (usage.uncached + 60, usage.answer + 5) == (100, 20)
    for wrong in ({"input_tokens": -1}, {"cache_read": 101}, {"cache_read": 60, "cache_write": 41}, {"reasoning": 21}):
        with pytest.raises(ValueError, match="token"):
            msgspec.convert({"input_tokens": 100, "output_tokens": 20, "source": "provider"} | wrong, Usage)


def test_estimates() -> None:
    assert [estimate_tokens(n) for n in (0, 1, 4, 5)] == [0, 1, 1, 2]


def test_ids_sort_as_they_happened() -> None:
    assert request_id(1000.0) < request_id(1000.002) < request_id(2e9)
    assert request_id(1.0) != request_id(1.0)
