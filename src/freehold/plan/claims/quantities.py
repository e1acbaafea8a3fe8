"""The quantities a claim is made of. A number never stands without its unit, and every unit is a type of its own.

Amounts are exact fractions in the unit of their type. A quantity may be a range; a single figure has equal ends. A rate per
day or hour becomes one per month or year only through a stated `Month`.
"""

from fractions import Fraction
from typing import ClassVar, TypeVar

import msgspec

from freehold.core.errors import BadSettings


class Quantity(msgspec.Struct, frozen=True):
    """One figure, or a range of them. `unit` is how people write it, `example` a text that can be read back."""

    low: Fraction
    high: Fraction

    unit: ClassVar[str] = ""
    example: ClassVar[str] = ""
    most: ClassVar[Fraction | None] = None


class Rate(Quantity, frozen=True):
    """So much per period; the period is `clock_hours` long where a clock says so, else `months`."""

    clock_hours: ClassVar[int] = 0
    months: ClassVar[int] = 0


class TokensPerDay(Rate, frozen=True):
    unit, example, clock_hours = "tokens/day", "50 M tokens/day", 24


class TokensPerMonth(Rate, frozen=True):
    unit, example, months = "tokens/month", "50 M tokens/month", 1


class UsdPerHour(Rate, frozen=True):
    unit, example, clock_hours = "$/hour", "$21.96/hour", 1


class UsdPerDay(Rate, frozen=True):
    unit, example, clock_hours = "$/day", "$47.50/day", 24


class UsdPerMonth(Rate, frozen=True):
    unit, example, months = "$/month", "$13 k/month", 1


class UsdPerYear(Rate, frozen=True):
    unit, example, months = "$/year", "$700 k/year", 12


class UsdPerMillionTokens(Quantity, frozen=True):
    unit, example = "$/M tokens", "$2.50/M tokens"


class Share(Quantity, frozen=True):
    unit, example, most = "%", "45 %", Fraction(1)


class Parameters(Quantity, frozen=True):
    unit, example = "parameters", "70 B parameters"


class Tflops(Quantity, frozen=True):
    unit, example = "TFLOPS", "280 TFLOPS"


class Machines(Quantity, frozen=True):
    unit, example = "machines", "2 machines"


class Gigabytes(Quantity, frozen=True):
    unit, example = "GB", "80 GB"


class Times(Quantity, frozen=True):
    unit = "times"


class Month(msgspec.Struct, frozen=True):
    """How long a claim's month is; claims differ between 720 and 730 hours."""

    hours: Fraction


VOLUME = (TokensPerDay, TokensPerMonth)
SPEND = (UsdPerMonth, UsdPerDay, UsdPerYear, UsdPerHour)
PRICE = (UsdPerMillionTokens,)

_Q = TypeVar("_Q", bound=Quantity)


def exactly(kind: type[_Q], amount: Fraction | int) -> _Q:
    """A single figure of that type."""
    return kind(Fraction(amount), Fraction(amount))


def periods_per(one: type[Rate], other: type[Rate], month: Month | None) -> Fraction:
    """How many periods of `other` make one of `one`: 24 hours a day, 12 months a year, and days a month as the month says.

    Raises BadSettings where the answer depends on a month that nobody stated.
    """
    if one.clock_hours and other.clock_hours:
        return Fraction(one.clock_hours, other.clock_hours)
    if one.months and other.months:
        return Fraction(one.months, other.months)
    if month is None:
        raise BadSettings(
            f"month is missing: the claim compares {one.unit} with {other.unit}; state its length, such as 30 days or 730 hours"
        )
    return _hours(one, month) / _hours(other, month)


def converted(rate: Rate, to: type[Rate], month: Month | None) -> Rate:
    """The same rate per another period, of the same thing. Raises BadSettings without a month where one is needed."""
    factor = periods_per(to, type(rate), month)
    return to(rate.low * factor, rate.high * factor)


def _hours(rate: type[Rate], month: Month) -> Fraction:
    return Fraction(rate.clock_hours) or rate.months * month.hours
