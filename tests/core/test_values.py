"""The small values everything rests on."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.data import DataClass, Handling
from freehold.core.ids import request_id
from freehold.core.money import dollars, nanousd, show
from freehold.core.usage import Usage, estimate_tokens

handlings = st.builds(Handling, st.sampled_from(DataClass), st.none() | st.frozensets(st.sampled_from("abc")))


@given(handlings, handlings, handlings)
def test_a_floor_only_rises_and_regions_only_narrow(a: Handling, b: Handling, c: Handling) -> None:
    both = a.raised_by(b)
    assert both.data_class >= max(a.data_class, b.data_class)
    for one in (a, b):
        assert one.regions is None or (both.regions is not None and both.regions <= one.regions)
    assert both == b.raised_by(a)
    assert both.raised_by(c) == a.raised_by(b.raised_by(c))


def test_the_header_form() -> None:
    assert Handling.parse("Confidential ; region=EU, us") == Handling(DataClass.confidential, frozenset({"eu", "us"}))
    assert Handling.parse("public") == Handling()
    for bad in ("", "secret", "public; zone=eu", "public; region=", "public; eu"):
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
