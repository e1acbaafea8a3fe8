"""The audit of a claim: the verdict, every figure recomputed, and what each input would have to be for the claim to be true."""

from collections.abc import Mapping
from fractions import Fraction
from itertools import product
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from freehold.core.errors import BadSettings
from freehold.plan.claims.claim import MIX, EquationClaim
from freehold.plan.claims.kinds import blended, solve
from freehold.plan.claims.quantities import (
    Quantity,
    Rate,
    Share,
    UsdPerDay,
    UsdPerMillionTokens,
    UsdPerMonth,
    exactly,
    periods_per,
)
from freehold.plan.claims.texts import Amount, amount

Verdict: TypeAlias = Literal["follows", "does not follow", "infeasible"]


class Check(msgspec.Struct, frozen=True):
    """One thing asserted, beside what comes out."""

    what: str
    claimed: Amount
    recomputed: Amount
    holds: bool


class Remedy(msgspec.Struct, frozen=True):
    """What one input alone would have to be: for the low end of the claim and for its high end. None: no value does it."""

    input: str
    stated: Amount
    at_low: Amount | None
    at_high: Amount | None


class Corners(NamedTuple):
    """The inputs, in the working period, that lead to the lowest and to the highest result; equal where no input is a range."""

    low: dict[str, Fraction]
    high: dict[str, Fraction]


def recompute(claim: EquationClaim) -> Quantity:
    """The asserted figure as its own inputs give it. Raises BadSettings where they give none."""
    kind, unit = claim.equation_kind, type(claim.asserted)
    low, high = corners(claim)
    ends = [solve(kind.equation, values, kind.asserts) for values in (low, high)]
    assert ends[0] is not None
    assert ends[1] is not None
    return unit(_stated(ends[0], unit, claim), _stated(ends[1], unit, claim))


def corners(claim: EquationClaim) -> Corners:
    """The two ends. The equation is linear in each input, so the result's extremes lie at ends of the inputs' ranges."""
    kind, inputs = claim.equation_kind, _inputs(claim)
    found: list[tuple[Fraction, dict[str, Fraction]]] = []
    for ends in product(*(sorted({q.low, q.high}) for q in inputs.values())):
        values = {name: _working(end, type(quantity), claim) for (name, quantity), end in zip(inputs.items(), ends, strict=True)}
        result = solve(kind.equation, values, kind.asserts)
        if result is None:
            raise BadSettings(f"the given values determine no {kind.asserts}; is one of them 0?")
        found.append((result, values))
    by_result = sorted(found, key=lambda pair: pair[0])
    return Corners(by_result[0][1], by_result[-1][1])


def remedies(claim: EquationClaim) -> list[Remedy]:
    """What `needed` says, beside what is stated."""
    inputs = _inputs(claim)
    stated = {"price": blended_price(inputs), **inputs} if "price.input" in inputs else inputs
    return [
        Remedy(name, amount(stated[name]), *(None if end is None else amount(end) for end in ends))
        for name, ends in needed(claim).items()
    ]


def needed(claim: EquationClaim) -> dict[str, tuple[Quantity | None, Quantity | None]]:
    """Each input solved for, the others as stated, end for end: the low end of the claim from the inputs of the low result.

    A price given in parts is also solved for as one. None where no possible value makes the claim true.
    """
    equation, asserts, unit = claim.equation_kind.equation, claim.equation_kind.asserts, type(claim.asserted)
    units: dict[str, type[Quantity]] = {name: type(quantity) for name, quantity in _inputs(claim).items()}
    if "price.input" in units:
        units = {"price": UsdPerMillionTokens, **units}
    low, high = corners(claim)

    def solved(values: Mapping[str, Fraction], goal: Fraction, name: str) -> Quantity | None:
        found = solve(equation, {**values, asserts: _working(goal, unit, claim)}, name)
        return None if found is None else _possible(_stated(found, units[name], claim), units[name])

    return {name: (solved(low, claim.asserted.low, name), solved(high, claim.asserted.high, name)) for name in units}


def blended_price(inputs: Mapping[str, Quantity]) -> UsdPerMillionTokens:
    """The price of a million tokens, from the price stated or from the mix of input and output."""
    if "price" in inputs:
        return UsdPerMillionTokens(inputs["price"].low, inputs["price"].high)
    parts = [f"price.{part}" for part in MIX]
    mixed = [blended(dict(zip(parts, ends, strict=True))) for ends in product(*((inputs[p].low, inputs[p].high) for p in parts))]
    return UsdPerMillionTokens(min(mixed), max(mixed))


def agrees(claim: EquationClaim, recomputed: Quantity) -> bool:
    """Whether the result lies in what is asserted, give or take its rounding. Hardware may do more than is asserted of it."""
    asserted = claim.asserted
    if claim.kind == "serving":
        return asserted.high <= recomputed.low
    return _close(recomputed.low, asserted.low, claim.within, -1) and _close(recomputed.high, asserted.high, claim.within, 1)


def within(asserted: Quantity, found: Fraction, share: Fraction) -> bool:
    """Whether one value lies in what is asserted, give or take that share of its ends."""
    return _close(found, asserted.low, share, -1) and _close(found, asserted.high, share, 1)


def _close(found: Fraction, end: Fraction, share: Fraction, side: int) -> bool:
    return (found - end) * side <= share * abs(end)


def _inputs(claim: EquationClaim) -> dict[str, Quantity]:
    served_by = claim.hardware.limits if claim.kind == "serving" and claim.hardware else {}
    return {**claim.given, **served_by}


def _period(claim: EquationClaim) -> type[Rate]:
    """The period the claim's rates are compared in: a day where a clock is enough for all of them, else a month."""
    rates = [type(q) for q in (*claim.given.values(), claim.asserted) if isinstance(q, Rate)]
    monthly = claim.kind != "serving" and any(rate.months for rate in rates)
    return UsdPerMonth if monthly else UsdPerDay


def _working(end: Fraction, unit: type[Quantity], claim: EquationClaim) -> Fraction:
    return end * periods_per(_period(claim), unit, claim.month) if issubclass(unit, Rate) else end


def _stated(value: Fraction, unit: type[Quantity], claim: EquationClaim) -> Fraction:
    return value * periods_per(unit, _period(claim), claim.month) if issubclass(unit, Rate) else value


def _possible(value: Fraction, unit: type[Quantity]) -> Quantity | None:
    possible = value > 0 or (value == 0 and unit is Share)
    return exactly(unit, value) if possible and (unit.most is None or value <= unit.most) else None
