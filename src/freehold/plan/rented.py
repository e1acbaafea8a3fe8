"""What the API bill will say: every request priced on its own, because tiers are cliffs and an aggregate would miss them."""

from decimal import Decimal
from fractions import Fraction

import numpy as np

from freehold.core.money import MILLION
from freehold.core.price import PriceCard, Rate
from freehold.plan.traffic import Ints, Traffic


def request_costs_nanousd(card: PriceCard, traffic: Traffic, multiplier: Fraction | Decimal | int = 1) -> Ints:
    """Nano-dollars of each request, one per row: to the nano-dollar what `rules.price.cost_nanousd` says of that request.

    The card is resolved once by the caller. Cached input costs the cache rate, or the input rate where the card has none.
    """
    numerator, denominator = multiplier.as_integer_ratio()
    if numerator < 0:
        raise ValueError(f"price multiplier must be 0 or more, got {multiplier}")
    unit = denominator * MILLION
    buckets = (
        (traffic.input_tokens - traffic.cache_read, card.input),
        (traffic.cache_read, card.cache_read or card.input),
        (traffic.output_tokens, card.output),
    )
    # Prices are split into whole nano-dollars per token and a rest, so that 64 bits hold the product at any real price.
    whole = np.zeros(len(traffic.time_s), dtype=np.int64)
    part = np.zeros_like(whole)
    for tokens, rate in buckets:
        per_token, rest = _split(rate, traffic.input_tokens, numerator, unit)
        whole += tokens * per_token
        part += tokens * rest
    quotient, rest = np.divmod(part, unit)
    whole += quotient
    odd = whole % 2 == 1
    whole += (2 * rest > unit) | ((2 * rest == unit) & odd)
    return whole + np.int64(card.nanousd_per_request)


def _split(rate: Rate, input_tokens: Ints, numerator: int, unit: int) -> tuple[Ints, Ints]:
    """Quotient and rest of price x numerator / unit in each row's tier."""
    whole, rest = divmod(rate.nanousd_per_mtok * numerator, unit)
    wholes, rests = np.full(len(input_tokens), whole, dtype=np.int64), np.full(len(input_tokens), rest, dtype=np.int64)
    for above, price in rate.tiers:
        inside = input_tokens > above
        wholes[inside], rests[inside] = divmod(price * numerator, unit)
    return wholes, rests
