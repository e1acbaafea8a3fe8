"""The token price of a deployment: as the file states it, as the catalogue knows it, or none, which leaves the deployment out."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from freehold.catalog.prices import PriceBook, UnknownPrice

_MILLION = 1_000_000
_FINEST = Decimal("1e-9")  # money is counted in nano-dollars
# LiteLLM's dollars per token, and our dollars per million of them.
PER_TOKEN: Mapping[str, str] = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "input_cost_per_audio_token": "input_audio",
    "output_cost_per_audio_token": "output_audio",
}


def stated_price(costs: Mapping[str, Any]) -> dict[str, Decimal] | None:
    """Dollars per million tokens, exact to the nano-dollar; None unless both input and output are stated and one costs something.

    Raises ValueError naming a cost that is no amount of dollars.
    """
    price = {ours: _per_million(theirs, costs[theirs]) for theirs, ours in PER_TOKEN.items() if costs.get(theirs) is not None}
    whole = "input" in price and "output" in price
    return price if whole and (price["input"] > 0 or price["output"] > 0) else None


def like(book: PriceBook, seller: str, models: tuple[str, ...], on: dt.date) -> str | None:
    """`seller/model` of the first of these models that the catalogue has a price for."""
    for model in models:
        try:
            book.find(seller, model, on)
        except UnknownPrice:
            continue
        return f"{seller}/{model}"
    return None


def _per_million(name: str, value: object) -> Decimal:
    try:
        amount = (Decimal(str(value)) * _MILLION).quantize(_FINEST)
    except InvalidOperation:
        raise ValueError(f"{name} is no amount of dollars") from None
    if isinstance(value, bool) or not amount.is_finite() or amount < 0:
        raise ValueError(f"{name} is no amount of dollars")
    return abs(amount)
