"""Quantities cannot be mistaken: every number carries its unit, and a month is as long as somebody said."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import BadSettings
from freehold.plan.claims.quantities import (
    PRICE,
    SPEND,
    VOLUME,
    Gigabytes,
    Machines,
    Month,
    Parameters,
    Quantity,
    Share,
    Tflops,
    TokensPerDay,
    TokensPerMonth,
    UsdPerDay,
    UsdPerHour,
    UsdPerMillionTokens,
    UsdPerMonth,
    UsdPerYear,
    converted,
    exactly,
)
from freehold.plan.claims.texts import amount, parse, parse_month, show

ALL = (*VOLUME, *SPEND, *PRICE, Share, Parameters, Tflops, Machines, Gigabytes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50 M tokens/month", exactly(TokensPerMonth, 50_000_000)),
        ("50-80 M tokens/month", TokensPerMonth(Fraction(50_000_000), Fraction(80_000_000))),
        ("900 k to 2 M tokens/day", TokensPerDay(Fraction(900_000), Fraction(2_000_000))),
        ("1.3 B tokens/day", exactly(TokensPerDay, 1_300_000_000)),
        ("$0.004/1K tokens", exactly(UsdPerMillionTokens, 4)),
        ("$2.50/M tokens", exactly(UsdPerMillionTokens, Fraction(5, 2))),
        ("$13-23 k/month", UsdPerMonth(Fraction(13_000), Fraction(23_000))),
        ("$13,000-$23,040/month", UsdPerMonth(Fraction(13_000), Fraction(23_040))),
        ("$700k/year", exactly(UsdPerYear, 700_000)),
        ("$21.957642/hour", exactly(UsdPerHour, Fraction(21957642, 10**6))),
        ("60-70 %", Share(Fraction(3, 5), Fraction(7, 10))),
        ("70 B parameters", exactly(Parameters, 70 * 10**9)),
        ("1 machine", exactly(Machines, 1)),
    ],
)
def test_what_people_write(text: str, expected: Quantity) -> None:
    assert parse(text, ALL, "field") == expected


@pytest.mark.parametrize("kind", ALL)
def test_the_example_of_a_type_reads_as_that_type(kind: type[Quantity]) -> None:
    assert type(parse(kind.example, ALL, "field")) is kind


@pytest.mark.parametrize(
    ("text", "accepted", "words"),
    [
        (50, VOLUME, "field is 50; give a number with its unit, such as 50 M tokens/day or 50 M tokens/month"),
        (True, VOLUME, "field is True; give a number with its unit"),
        ("50 M", VOLUME, "field is '50 M', without its unit; write it such as 50 M tokens/day"),
        ("$50", SPEND, r"field is '\$50', without its unit"),
        ("50 M tokens", VOLUME, "with the unknown unit 'tokens'"),
        ("50 M tokens/week", VOLUME, "with the unknown unit 'tokens/week'"),
        ("$50/month", VOLUME, r"field is '\$50/month', in \$/month; write it such as 50 M tokens/day"),
        ("2.50/M tokens", PRICE, "unknown unit '/M tokens'"),
        ("80-50 M tokens/month", VOLUME, "smaller end of a range first"),
        ("-5 M tokens/day", VOLUME, "give 0 or more"),
        ("140 %", (Share,), "at most 100 %"),
        ("13,00 tokens/day", VOLUME, "field is '13,00 tokens/day'"),
        ("lots", VOLUME, "field is 'lots'; give a number with its unit"),
        ("1e9 tokens/day", VOLUME, "unknown unit 'e9 tokens/day'"),
    ],
)
def test_a_missing_or_wrong_unit_is_one_clear_line(text: object, accepted: tuple[type[Quantity], ...], words: str) -> None:
    with pytest.raises(BadSettings, match=words) as caught:
        parse(text, accepted, "field")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("text", [30, "30", "one month", "27 days", "800 hours", None])
def test_a_month_says_how_long_it_is(text: object) -> None:
    with pytest.raises(BadSettings, match=r"month is .*hours"):
        parse_month(text)


def test_a_day_and_a_month_do_not_meet_without_the_months_length() -> None:
    with pytest.raises(BadSettings, match=r"month is missing: .*such as 30 days or 730 hours"):
        converted(exactly(TokensPerDay, 1), TokensPerMonth, None)
    assert converted(exactly(TokensPerDay, 1), TokensPerMonth, parse_month("30 days")) == exactly(TokensPerMonth, 30)
    assert converted(exactly(UsdPerHour, 32), UsdPerMonth, parse_month("730 hours")) == exactly(UsdPerMonth, 23_360)
    assert converted(exactly(UsdPerHour, 1), UsdPerDay, None) == exactly(UsdPerDay, 24)
    assert converted(exactly(UsdPerYear, 12), UsdPerMonth, None) == exactly(UsdPerMonth, 1)


@given(st.fractions(0, 10**12), st.integers(672, 744), st.sampled_from(SPEND), st.sampled_from(SPEND))
def test_there_and_back_is_exact(
    value: Fraction, hours: int, one: type[UsdPerMonth | UsdPerHour], other: type[UsdPerMonth | UsdPerHour]
) -> None:
    month = Month(Fraction(hours))
    assert converted(converted(exactly(one, value), other, month), one, month) == exactly(one, value)


@given(st.integers(1, 10**9), st.sampled_from([k for k in ALL if k is not Share]))
def test_machines_get_exact_decimals(nanos: int, kind: type[Quantity]) -> None:
    value = Fraction(nanos, 10**9)
    assert Fraction(amount(exactly(kind, value)).low) == value


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        (TokensPerMonth(Fraction(52_000_000_000, 19), Fraction(4_850_526_315)), "2,737-4,851 M tokens/month"),
        (exactly(UsdPerMonth, Fraction(475, 2)), "$237.50/month"),
        (exactly(UsdPerMonth, 1425), "$1,425/month"),
        (exactly(UsdPerMillionTokens, Fraction(15, 10000)), "$0.0015/M tokens"),
        (exactly(UsdPerMillionTokens, 10), "$10.00/M tokens"),
        (Share(Fraction(-1, 19), Fraction(5, 57)), "-5.3 to 8.8 %"),
        (exactly(Machines, 1), "1 machine"),
    ],
)
def test_what_people_read(quantity: Quantity, text: str) -> None:
    assert show(quantity) == text
