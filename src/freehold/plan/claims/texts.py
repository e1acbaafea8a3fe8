"""Quantities as people write and read them: `50-80 M tokens/month`, `$0.004/1K tokens`, `60-70 %`. Bare numbers are refused."""

import re
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

import msgspec

from freehold.core.errors import BadSettings
from freehold.plan.claims.quantities import (
    PRICE,
    Gigabytes,
    Machines,
    Month,
    Parameters,
    Quantity,
    Share,
    Tflops,
    Times,
    TokensPerDay,
    TokensPerMonth,
    UsdPerDay,
    UsdPerHour,
    UsdPerMillionTokens,
    UsdPerMonth,
    UsdPerYear,
)

_NUMBER = r"-?(?:\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:\.\d{1,9})?"
_SIZE = r"(?:\s*(?P<{}>[kKMB])(?![A-Za-z]))?"
_TEXT = re.compile(
    rf"(?P<usd>\$)?(?P<low>{_NUMBER}){_SIZE.format('low_size')}"
    rf"(?:\s*(?:-|–|to)\s*\$?(?P<high>{_NUMBER}){_SIZE.format('size')})?\s*(?P<unit>\D.*|)"
)
_SIZES = {"k": 1_000, "K": 1_000, "M": 1_000_000, "B": 1_000_000_000}
# What people write -> the type, and how many of its unit one of theirs is.
_UNITS: dict[str, tuple[type[Quantity], Fraction]] = {
    "tokens/day": (TokensPerDay, Fraction(1)),
    "tokens/month": (TokensPerMonth, Fraction(1)),
    "$/hour": (UsdPerHour, Fraction(1)),
    "$/h": (UsdPerHour, Fraction(1)),
    "$/day": (UsdPerDay, Fraction(1)),
    "$/month": (UsdPerMonth, Fraction(1)),
    "$/year": (UsdPerYear, Fraction(1)),
    "$/M tokens": (UsdPerMillionTokens, Fraction(1)),
    "$/1M tokens": (UsdPerMillionTokens, Fraction(1)),
    "$/K tokens": (UsdPerMillionTokens, Fraction(1_000)),
    "$/1K tokens": (UsdPerMillionTokens, Fraction(1_000)),
    "%": (Share, Fraction(1, 100)),
    "parameters": (Parameters, Fraction(1)),
    "TFLOPS": (Tflops, Fraction(1)),
    "machine": (Machines, Fraction(1)),
    "machines": (Machines, Fraction(1)),
    "GB": (Gigabytes, Fraction(1)),
}


class Amount(msgspec.Struct, frozen=True):
    """A quantity as it is shown, and its ends as decimal text of at most nine places, in `unit`."""

    text: str
    unit: str
    low: str
    high: str


def parse(text: object, accepted: Iterable[type[Quantity]], field: str, *, negative: bool = False) -> Quantity:
    """Read a quantity of one of the accepted types. Raises BadSettings naming the field, the text and what would do."""
    kinds = tuple(accepted)
    wanted = " or ".join(kind.example for kind in kinds)
    found = _TEXT.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise BadSettings(f"{field} is {text!r}; give a number with its unit, such as {wanted}")
    unit = " ".join(((found["usd"] or "") + found["unit"]).split())
    kind, per_unit = _UNITS.get(unit, (Quantity, Fraction(1)))
    if kind not in kinds:
        raise BadSettings(f"{field} is {text!r}, {_wrong(unit)}; write it such as {wanted}")
    # In "50-80 M" the size written last speaks for both ends; in "900 k to 2 M" each end has its own.
    size = found["size"] or found["low_size"]
    low = _number(found["low"], found["low_size"] or size) * per_unit
    high = low if found["high"] is None else _number(found["high"], found["size"]) * per_unit
    if low > high:
        raise BadSettings(f"{field} is {text!r}; write the smaller end of a range first")
    if low < 0 and not negative:
        raise BadSettings(f"{field} is {text!r}; give 0 or more, such as {wanted}")
    if kind.most is not None and high > kind.most:
        raise BadSettings(f"{field} is {text!r}; give at most 100 %")
    return kind(low, high)


def parse_month(text: object) -> Month:
    """Read a month's length from days or hours. Raises BadSettings."""
    found = re.fullmatch(r"(\d{1,3}(?:\.\d{1,4})?) (days|hours)", text.strip()) if isinstance(text, str) else None
    if found is None:
        raise BadSettings(f"month is {text!r}; give its length with a unit, such as 30 days or 730 hours")
    hours = Fraction(found[1]) * (24 if found[2] == "days" else 1)
    if not 672 <= hours <= 744:
        raise BadSettings(f"month is {text!r}; a month has 28 to 31 days, 672 to 744 hours")
    return Month(hours)


def show(quantity: Quantity) -> str:
    """Text for people, about four digits: '2,737-4,851 M tokens/month', '$237.50/month', '-5.3 %'."""
    kind = type(quantity)
    ends = [_figure(end, kind) for end in dict.fromkeys((quantity.low, quantity.high))]
    if kind.unit.startswith("$"):
        return "-".join(_dollars(end) for end in ends) + kind.unit[1:]
    if ends == ["1"] and kind is Machines:
        return "1 machine"
    size = " M" if kind in (TokensPerDay, TokensPerMonth) else " B" if kind is Parameters else ""
    between = " to " if any(end.startswith("-") for end in ends) else "-"
    return f"{between.join(ends)}{size} {kind.unit}"


def amount(quantity: Quantity) -> Amount:
    """The quantity for machines and people."""
    scale = 100 if isinstance(quantity, Share) else 1
    return Amount(show(quantity), type(quantity).unit, _decimal(quantity.low * scale), _decimal(quantity.high * scale))


def _wrong(unit: str) -> str:
    return f"in {unit}" if unit in _UNITS else f"with the unknown unit {unit!r}" if unit not in {"", "$"} else "without its unit"


def _number(digits: str, size: str | None) -> Fraction:
    return Fraction(digits.replace(",", "")) * (_SIZES[size] if size else 1)


def _dollars(figure: str) -> str:
    return f"-${figure[1:]}" if figure.startswith("-") else f"${figure}"


def _figure(value: Fraction, kind: type[Quantity]) -> str:
    if kind in (TokensPerDay, TokensPerMonth):
        return _four_digits(value / 1_000_000)
    if kind is Parameters:
        return _four_digits(value / 1_000_000_000)
    if kind is Share:
        percent = value * 100
        return f"{float(percent):.{0 if abs(percent) >= 100 or percent.denominator == 1 else 1}f}"
    if kind.unit.startswith("$"):
        cents = abs(value) < 1000 and (kind in PRICE or value.denominator != 1)
        return _four_digits(value) if 0 < abs(value) < Fraction(1, 10) else f"{float(value):,.{2 if cents else 0}f}"
    return f"{float(value):.3g}" if kind is Times and value < 1000 else _four_digits(value)


def _four_digits(value: Fraction) -> str:
    number = float(value)
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.4g}"


def _decimal(value: Fraction) -> str:
    places = Decimal(round(value * 10**9)).scaleb(-9)
    return f"{places.normalize():f}"
