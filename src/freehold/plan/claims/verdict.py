"""The whole answer to a claim: the verdict, one sentence, and everything it rests on."""

import msgspec

from freehold.catalog.facts import Facts
from freehold.plan.claims.audit import Check, Remedy, Verdict, agrees, recompute, remedies
from freehold.plan.claims.claim import Claim, EquationClaim
from freehold.plan.claims.figures import Figure, asked_of_hardware, figures
from freehold.plan.claims.listing import audit_listing
from freehold.plan.claims.quantities import Quantity, Rate, TokensPerDay, TokensPerMonth
from freehold.plan.claims.sentences import comparison, limit
from freehold.plan.claims.texts import Amount, amount


class Reading(msgspec.Struct, frozen=True):
    """The claim read per day where it says per month, or the reverse: the commonest slip."""

    as_if: Amount
    follows: bool
    remedies: list[Remedy]


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """`law` is the equation used, `checks` what was asserted beside what comes out, `remedies` what would make it true."""

    verdict: Verdict
    sentence: str
    claim: str
    source: str
    date: str
    kind: str
    law: str
    checks: list[Check]
    remedies: list[Remedy]
    figures: list[Figure] = []
    other_reading: Reading | None = None


def audit(claim: Claim, facts: Facts) -> Audit:
    """Judge one claim. Raises BadSettings where its inputs determine nothing."""
    if isinstance(claim.body, EquationClaim):
        return _audit_equation(claim, claim.body)
    listing = audit_listing(claim.body, facts)
    return Audit(
        verdict="follows" if all(check.holds for check in listing.checks) else "does not follow",
        sentence=listing.sentence,
        claim=claim.text,
        source=claim.source,
        date=claim.date,
        kind=claim.kind,
        law="the price list that applied on the day",
        checks=listing.checks,
        remedies=listing.remedies,
    )


def _audit_equation(claim: Claim, body: EquationClaim) -> Audit:
    found = recompute(body)
    holds = agrees(body, found)
    obstacle = limit(body, found)
    verdict: Verdict = "infeasible" if obstacle else "follows" if holds else "does not follow"
    return Audit(
        verdict=verdict,
        sentence=f"{verdict.capitalize()}: {obstacle or comparison(body, found, holds=holds)}.",
        claim=claim.text,
        source=claim.source,
        date=claim.date,
        kind=claim.kind,
        law=body.equation_kind.law,
        checks=[Check(body.equation_kind.asserts, amount(body.asserted), amount(found), holds)],
        remedies=[*([] if holds else remedies(body)), *(_more_hardware(body, found) if obstacle else [])],
        figures=figures(body, found, holds=holds),
        other_reading=None if holds else _other_reading(body),
    )


def _more_hardware(body: EquationClaim, found: Quantity) -> list[Remedy]:
    """What the hardware would have to be to serve what the claim needs; nothing where not even the weights fit."""
    if body.kind == "serving" or body.hardware is None or not body.hardware.fits:
        return []
    return remedies(msgspec.structs.replace(body, kind="serving", given={}, asserted=asked_of_hardware(body, found)))


def _other_reading(body: EquationClaim) -> Reading | None:
    if body.month is None or not isinstance(body.asserted, TokensPerDay | TokensPerMonth):
        return None
    other: type[Rate] = TokensPerMonth if isinstance(body.asserted, TokensPerDay) else TokensPerDay
    read_so = msgspec.structs.replace(body, asserted=other(body.asserted.low, body.asserted.high))
    follows = agrees(read_so, recompute(read_so))
    return Reading(amount(read_so.asserted), follows, [] if follows else remedies(read_so))
