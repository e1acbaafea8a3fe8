"""What the API bill will say: every request priced on its own, because tiers are cliffs and an aggregate would miss them."""

from decimal import Decimal
from fractions import Fraction

import numpy as np

from freehold.core.money import MILLION
from freehold.core.price import PriceCard, Rate
from freehold.core.usage import INPUT_BUCKETS
from freehold.plan.demand.traffic import Ints, Traffic


def request_costs_nanousd(card: PriceCard, traffic: Traffic, multiplier: Fraction | Decimal | int = 1) -> Ints:
    """Nano-dollars of each request, one per row: to the nano-dollar what `rules.price.cost_nanousd` says of that request.

    The card is resolved once by the caller, and `PriceCard.of` says what each bucket costs, as it does for a bill.
    """
    return split_costs_nanousd(card, traffic, multiplier)[0]


def split_costs_nanousd(card: PriceCard, traffic: Traffic, multiplier: Fraction | Decimal | int = 1) -> tuple[Ints, Ints]:
    """Nano-dollars of each request, and what it would cost without its answer; each rounded on its own."""
    numerator, denominator = multiplier.as_integer_ratio()
    if numerator < 0:
        raise ValueError(f"price multiplier must be 0 or more, got {multiplier}")
    unit = denominator * MILLION
    amount = _Amount(traffic.input_tokens, numerator, unit, card.nanousd_per_request)
    buckets = traffic.buckets()
    for bucket in buckets.keys() & INPUT_BUCKETS:
        amount.add(buckets[bucket], card.of(bucket))
    silent = amount.rounded()
    for bucket in buckets.keys() - INPUT_BUCKETS:
        amount.add(buckets[bucket], card.of(bucket))
    return amount.rounded(), silent


class _Amount:
    """A sum of tokens times price for each row, in whole nano-dollars per token and a rest in units, so that 64 bits hold it at
    any real price. Most prices are whole, and then there is no rest to carry."""

    def __init__(self, input_tokens: Ints, numerator: int, unit: int, fee_nanousd: int) -> None:
        self._input_tokens = input_tokens
        self._numerator, self._unit = numerator, unit
        self._fee_nanousd = np.int64(fee_nanousd)
        self._whole = np.zeros(len(input_tokens), dtype=np.int64)
        self._part: Ints | None = None

    def add(self, tokens: Ints, rate: Rate) -> None:
        """Tokens of one bucket; a row's tier is that of its whole input."""
        whole, rest = divmod(rate.nanousd_per_mtok * self._numerator, self._unit)
        tiers = [(above, *divmod(price * self._numerator, self._unit)) for above, price in rate.tiers]
        self._whole += tokens * self._in_tiers(whole, [(above, tier_whole) for above, tier_whole, _ in tiers])
        if rest or any(tier_rest for _, _, tier_rest in tiers):
            part = tokens * self._in_tiers(rest, [(above, tier_rest) for above, _, tier_rest in tiers])
            self._part = part if self._part is None else self._part + part

    def rounded(self) -> Ints:
        """The sum so far, half to even, and the fee per request on top."""
        if self._part is None:
            return self._whole + self._fee_nanousd
        quotient, rest = np.divmod(self._part, self._unit)
        quotient += self._whole
        quotient += (2 * rest > self._unit) | ((2 * rest == self._unit) & (quotient % 2 == 1))
        return quotient + self._fee_nanousd

    def _in_tiers(self, usual: int, tiers: list[tuple[int, int]]) -> Ints | int:
        """A value for each row, the last tier that its input exceeds; one for all where there are no tiers."""
        if not tiers:
            return usual
        values = np.full(len(self._input_tokens), usual, dtype=np.int64)
        for above, value in tiers:
            values[self._input_tokens > above] = value
        return values
