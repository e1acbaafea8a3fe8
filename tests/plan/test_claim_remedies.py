"""A remedy is exact: put in place of the input it is for, it makes the claim true to the last digit."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.plan.claims.audit import agrees, needed, recompute
from freehold.plan.claims.claim import EquationClaim
from freehold.plan.claims.kinds import KINDS, solve
from freehold.plan.claims.quantities import Month, Quantity, Share, TokensPerDay, UsdPerMillionTokens, exactly
from freehold.plan.claims.texts import parse

NUMBERS = st.fractions(min_value=Fraction(1, 100), max_value=10**6, max_denominator=100)
SHARES = st.fractions(min_value=Fraction(1, 100), max_value=Fraction(99, 100), max_denominator=100)
EQUATIONS = [name for name in KINDS if name != "serving"]


@st.composite
def claims(draw: Callable[[st.SearchStrategy[Any]], Any]) -> EquationClaim:
    name = draw(st.sampled_from(EQUATIONS))
    kind = KINDS[name]

    def quantity(units: tuple[type[Quantity], ...]) -> Quantity:
        unit: type[Quantity] = draw(st.sampled_from(units))
        return exactly(unit, draw(SHARES if unit is Share else NUMBERS))

    inputs: dict[str, Quantity] = {field: quantity(units) for field, units in kind.given.items()}
    if "price" in inputs and draw(st.booleans()):
        del inputs["price"]
        inputs |= {"price.input": exactly(UsdPerMillionTokens, draw(NUMBERS))}
        inputs |= {"price.output": exactly(UsdPerMillionTokens, draw(NUMBERS)), "price.input_share": exactly(Share, draw(SHARES))}
    return EquationClaim(
        kind=name,
        given=inputs,
        asserted=quantity(kind.units),
        within=Fraction(0),
        month=Month(Fraction(draw(st.integers(672, 744)))),
    )


@given(claims())
@settings(max_examples=2 * settings().max_examples)
def test_the_recomputed_figure_makes_the_claim_follow(claim: EquationClaim) -> None:
    mended = msgspec.structs.replace(claim, asserted=recompute(claim))
    assert agrees(mended, recompute(mended))


@given(claims())
@settings(max_examples=2 * settings().max_examples)
def test_every_remedy_makes_the_claim_follow_exactly(claim: EquationClaim) -> None:
    for name, (low, high) in needed(claim).items():
        if low is None:
            continue
        assert low == high
        parts = {field: value for field, value in claim.given.items() if name != "price" or not field.startswith("price.")}
        mended = msgspec.structs.replace(claim, given={**parts, name: low})
        assert recompute(mended) == claim.asserted


@given(claims())
@settings(max_examples=2 * settings().max_examples)
def test_where_no_value_is_offered_none_is_possible(claim: EquationClaim) -> None:
    """Only a share has an upper bound, so that of one price or one sum there is always enough."""
    impossible = {name for name, (low, _) in needed(claim).items() if low is None}
    assert impossible <= {"price.input", "price.output", "price.input_share"}


@given(NUMBERS, NUMBERS, NUMBERS)
def test_solving_is_exact_and_inverts_itself(volume: Fraction, price: Fraction, bill: Fraction) -> None:
    equation = KINDS["api_bill"].equation
    values = {"volume": volume, "price": price, "bill": bill}
    for unknown in values:
        found = solve(equation, values, unknown)
        assert found is not None
        assert equation({**values, unknown: found}) == 0


def test_an_input_without_a_say_has_no_solution() -> None:
    assert solve(KINDS["api_bill"].equation, {"volume": Fraction(0), "price": Fraction(1), "bill": Fraction(1)}, "price") is None


def test_ranges_are_answered_end_for_end() -> None:
    claim = EquationClaim(
        kind="saving",
        given={
            "volume": parse("100 M tokens/day", KINDS["saving"].given["volume"], "volume"),
            "price": parse("$4.75/M tokens", KINDS["saving"].given["price"], "price"),
            "hosting": parse("$13,000-$15,000/month", KINDS["saving"].given["hosting"], "hosting"),
        },
        asserted=parse("60-70 %", (Share,), "saving"),
        within=Fraction(0),
        month=Month(Fraction(720)),
    )
    # $15,000 are 40 % of a bill of $37,500, and $13,000 are 30 % of one of $43,333.33.
    per_dollar = Fraction(10**6) / (30 * Fraction("4.75"))
    assert needed(claim)["volume"] == (
        exactly(TokensPerDay, 37_500 * per_dollar),
        exactly(TokensPerDay, Fraction(130_000, 3) * per_dollar),
    )
