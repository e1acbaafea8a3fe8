"""What one exchange costs at a price card: exact integer arithmetic, one rounding at the end."""

from decimal import Decimal
from fractions import Fraction

from freehold.core.money import MILLION
from freehold.core.price import PriceCard
from freehold.core.usage import Usage


def cost_nanousd(card: PriceCard, usage: Usage, *, multiplier: Fraction | Decimal | int = 1) -> int:
    """Nano-dollars of one request, rounded half to even. Price requests one by one: tiers make sums of usage dearer.

    Every token is in one bucket of `Usage.buckets`. The request's total input picks the tier of every bucket. `multiplier`
    scales the token prices (batch, flex, negotiated), not the fee per request. Raises ValueError on a negative multiplier.
    """
    numerator, denominator = multiplier.as_integer_ratio()
    if numerator < 0:
        raise ValueError(f"price multiplier must be 0 or more, got {multiplier}")
    size = usage.input_tokens
    tokens_nanousd = sum(tokens * card.of(bucket).at(size) for bucket, tokens in usage.buckets().items() if tokens)
    return _divide_half_even(tokens_nanousd * numerator, denominator * MILLION) + card.nanousd_per_request


def _divide_half_even(amount: int, by: int) -> int:
    quotient, rest = divmod(amount, by)
    return quotient + (2 * rest > by or (2 * rest == by and quotient % 2 == 1))
