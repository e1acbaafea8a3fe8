"""Claims about what an instance has and costs, checked against the dated price list of the catalog."""

from decimal import Decimal
from fractions import Fraction

import msgspec

from freehold.catalog.facts import Facts, GpuOffer
from freehold.core.errors import BadSettings
from freehold.plan.claims.audit import Check, Remedy, within
from freehold.plan.claims.claim import CatalogClaim
from freehold.plan.claims.quantities import Gigabytes, UsdPerHour, exactly
from freehold.plan.claims.texts import Amount, amount, show


class Listing(msgspec.Struct, frozen=True):
    """The verdict's parts for one instance."""

    sentence: str
    checks: list[Check]
    remedies: list[Remedy]


def audit_listing(claim: CatalogClaim, facts: Facts) -> Listing:
    """Compare with the price list that applied on the day. Raises BadSettings on an unknown instance or day."""
    offer = _offer(claim, facts)
    checks = _checks(claim, offer)
    holds = all(check.holds for check in checks)
    price = "at no known price" if offer.on_demand_usd_h is None else f"at {show(_per_hour(offer.on_demand_usd_h))}"
    wrong = "".join(f", not {check.claimed.text}" for check in checks if not check.holds)
    sentence = (
        f"{'Follows' if holds else 'Does not follow'}: {offer.provider} {offer.instance} is {offer.gpu_count}x {offer.gpu} of "
        f"{offer.vram_gb_per_gpu:g} GB {price}, list price of {offer.price_date}{wrong}."
    )
    return Listing(sentence, checks, [] if holds else _remedies(claim, offer, facts))


def _checks(claim: CatalogClaim, offer: GpuOffer) -> list[Check]:
    checks = []
    if claim.gpu is not None:
        checks.append(Check("gpu", _words(claim.gpu), _words(offer.gpu), claim.gpu == offer.gpu))
    if claim.memory is not None:
        memory = exactly(Gigabytes, Fraction(str(offer.vram_gb_per_gpu)))
        checks.append(Check("memory", amount(claim.memory), amount(memory), within(claim.memory, memory.low, claim.within)))
    if claim.price is not None:
        if offer.on_demand_usd_h is None:
            raise BadSettings(f"no on-demand price of {offer.provider} {offer.instance} is known on {claim.day}")
        price = _per_hour(offer.on_demand_usd_h)
        checks.append(Check("price", amount(claim.price), amount(price), within(claim.price, price.low, claim.within)))
    return checks


def _remedies(claim: CatalogClaim, offer: GpuOffer, facts: Facts) -> list[Remedy]:
    """The same provider's instances, and the other days, for which everything asserted would hold."""
    earlier = [o for o in facts.all_offers if o.provider == claim.provider and o.price_date <= claim.day]
    others = [o for o in _newest(earlier) if o.instance != offer.instance and o.gpu_count == offer.gpu_count]
    days = [o for o in facts.all_offers if _is_it(claim, o) and o.price_date != offer.price_date]
    # Where only a price is asserted, any machine of that price would do, which helps nobody.
    fitting = [o for o in others if _holds(claim, o)] if claim.gpu or claim.memory else []
    return [
        *(_named("instance", offer.instance, o.instance) for o in fitting),
        *(_named("day", claim.day, o.price_date) for o in days if _holds(claim, o)),
    ]


def _holds(claim: CatalogClaim, offer: GpuOffer) -> bool:
    if claim.price is not None and offer.on_demand_usd_h is None:
        return False
    return all(check.holds for check in _checks(claim, offer))


def _offer(claim: CatalogClaim, facts: Facts) -> GpuOffer:
    listed = [o for o in facts.all_offers if _is_it(claim, o)]
    if not listed:
        raise BadSettings(f"given.instance {claim.provider}/{claim.instance} is in no price list here; see gpu_prices.csv")
    known = [o for o in listed if o.price_date <= claim.day]
    if not known:
        first = min(o.price_date for o in listed)
        raise BadSettings(f"given.day is {claim.day}; the first known price of {claim.instance} is of {first}")
    return max(known, key=lambda o: o.price_date)


def _newest(offers: list[GpuOffer]) -> list[GpuOffer]:
    newest: dict[str, GpuOffer] = {}
    for offer in sorted(offers, key=lambda o: o.price_date):
        newest[offer.instance] = offer
    return list(newest.values())


def _is_it(claim: CatalogClaim, offer: GpuOffer) -> bool:
    return offer.provider == claim.provider and offer.instance.lower() == claim.instance.lower()


def _per_hour(price: Decimal) -> UsdPerHour:
    return exactly(UsdPerHour, Fraction(price))


def _named(name: str, stated: str, needed: str) -> Remedy:
    return Remedy(name, _words(stated), _words(needed), _words(needed))


def _words(text: str) -> Amount:
    return Amount(text, "", text, text)
