"""The kinds of claims that are one equation. Each equation is linear in every single variable, so that whatever is unknown,
the figure claimed or one of its inputs, comes out exactly from two evaluations.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Literal, TypeAlias

import msgspec

from freehold.plan.claims.quantities import (
    PRICE,
    SPEND,
    VOLUME,
    Quantity,
    Share,
    UsdPerHour,
    UsdPerMonth,
)

Values: TypeAlias = Mapping[str, Fraction]
Equation: TypeAlias = Callable[[Values], Fraction]
Units: TypeAlias = tuple[type[Quantity], ...]

PER_MILLION = 1_000_000
SECONDS_PER_DAY = 86_400
FLOP_PER_PARAMETER = 2
TERA = 10**12


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What is given, what is asserted, and the equation between them, zero when the claim is true.

    `hardware`: whether the claim may, or must, say which machine serves the volume. `context`: may be given for side figures.
    """

    about: str
    law: str
    given: Mapping[str, Units]
    asserts: str
    units: Units
    equation: Equation
    hardware: Literal["no", "may", "must"] = "no"
    context: Mapping[str, Units] = {}


def solve(equation: Equation, values: Values, unknown: str) -> Fraction | None:
    """The value of `unknown` that makes the equation zero, exactly; None where it has no say."""
    at_zero = equation({**values, unknown: Fraction(0)})
    slope = equation({**values, unknown: Fraction(1)}) - at_zero
    return None if slope == 0 else -at_zero / slope


def blended(values: Values) -> Fraction:
    """The price of a token: the one stated, or the mix of the input and the output price."""
    if "price" in values:
        return values["price"]
    share = values["price.input_share"]
    return share * values["price.input"] + (1 - share) * values["price.output"]


def spend(volume: str, money: str) -> Equation:
    """volume x price = money, both per the same period."""
    return lambda values: values[volume] * blended(values) - values[money] * PER_MILLION


def saving(values: Values) -> Fraction:
    """(1 - saving) x volume x price = hosting."""
    bill = values["volume"] * blended(values)
    return (1 - values["saving"]) * bill - values["hosting"] * PER_MILLION


def serving(values: Values) -> Fraction:
    """2 x parameters x tokens per second = machines x peak x efficiency; two FLOP per active parameter and token.

    Source of the two: Kaplan et al. 2020, arXiv 2001.08361, section 2.1 (a forward pass, attention left out).
    """
    needed = FLOP_PER_PARAMETER * values["parameters"] * values["volume"] / SECONDS_PER_DAY
    return needed - values["machines"] * values["peak"] * TERA * values["efficiency"]


KINDS: dict[str, Kind] = {
    "api_bill": Kind(
        about="what a volume costs at an API",
        law="bill = volume x price",
        given={"volume": VOLUME, "price": PRICE},
        asserts="bill",
        units=SPEND,
        equation=spend("volume", "bill"),
    ),
    "implied_price": Kind(
        about="the price per million tokens behind a bill",
        law="price = bill / volume",
        given={"volume": VOLUME, "bill": SPEND},
        asserts="price",
        units=PRICE,
        equation=spend("volume", "bill"),
    ),
    "trigger_volume": Kind(
        about="the volume at which an API bill reaches a sum",
        law="volume = spend / price",
        given={"spend": SPEND, "price": PRICE},
        asserts="volume",
        units=VOLUME,
        equation=spend("volume", "spend"),
    ),
    "crossover": Kind(
        about="the volume from which hosting costs less than an API",
        law="volume = hosting / price, as far as the hardware can serve it",
        given={"price": PRICE, "hosting": SPEND},
        asserts="volume",
        units=VOLUME,
        equation=spend("volume", "hosting"),
        hardware="may",
    ),
    "staff_volume": Kind(
        about="the API volume that costs as much as the people",
        law="volume = staff / price",
        given={"staff": SPEND, "price": PRICE},
        asserts="volume",
        units=VOLUME,
        equation=spend("volume", "staff"),
    ),
    "saving": Kind(
        about="what hosting saves against an API at a volume",
        law="saving = 1 - hosting / (volume x price)",
        given={"volume": VOLUME, "price": PRICE, "hosting": SPEND},
        asserts="saving",
        units=(Share,),
        equation=saving,
        hardware="may",
    ),
    "hosting_price": Kind(
        about="a machine's price per hour as one per month",
        law="hosting = hourly x hours of the month",
        given={"hourly": (UsdPerHour,)},
        asserts="hosting",
        units=(UsdPerMonth,),
        equation=lambda values: values["hourly"] - values["hosting"],
    ),
    "serving": Kind(
        about="a volume that hardware is said to serve",
        law="volume <= machines x peak x efficiency / (2 x active parameters)",
        given={},
        asserts="volume",
        units=VOLUME,
        equation=serving,
        hardware="must",
        context={"hosting": SPEND, "price": PRICE},
    ),
}
