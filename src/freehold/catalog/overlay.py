"""Prices shipped with Freehold: what genai-prices lacks, frozen prices, queue discounts and names of sellers."""

import datetime as dt
from decimal import Decimal
from importlib import resources

import msgspec
import yaml

from freehold.core.money import nanousd
from freehold.core.price import PriceCard, Rate


class Tiered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Dollars per million tokens, and per `above` (input tokens) the price of requests that exceed it."""

    base: Decimal
    above: dict[int, Decimal]

    def rate(self) -> Rate:
        """The same in nano-dollars, lowest tier first."""
        return Rate(nanousd(self.base), tuple((tokens, nanousd(price)) for tokens, price in sorted(self.above.items())))


class ModelPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Dollars per million tokens of one model."""

    input: Decimal | Tiered
    output: Decimal | Tiered
    cache_read: Decimal | Tiered | None = None
    cache_write: Decimal | Tiered | None = None
    note: str = ""


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Prices of one seller that share source and dates; `valid_until` is exclusive."""

    provider: str
    valid_from: dt.date
    valid_until: dt.date | None = None
    source: str
    note: str = ""
    models: dict[str, ModelPrices]

    def speaks_for(self, provider: str, model: str, on: dt.date) -> bool:
        """Whether it has a price of that model for that day."""
        dated = self.valid_from <= on and (self.valid_until is None or on < self.valid_until)
        return dated and self.provider == provider and model in self.models

    def card(self, model: str) -> PriceCard:
        """The card of a model it lists, under the name as asked. Raises KeyError on one it does not."""
        prices = self.models[model.lower()]
        return PriceCard(
            provider=self.provider,
            model=model,
            input=_rate(prices.input),
            output=_rate(prices.output),
            cache_read=None if prices.cache_read is None else _rate(prices.cache_read),
            cache_write=None if prices.cache_write is None else _rate(prices.cache_write),
            valid_from=self.valid_from.isoformat(),
            source="; ".join(text for text in (self.source, self.note, prices.note) if text),
        )


class Queues(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What slower service costs as a share of the standard price."""

    batch: Decimal
    flex: Decimal | None = None
    source: str


class ListedAs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Models of one seller that are known to cost what another lists them at, by a comparison of both lists on a day.

    It speaks of the standard service alone, with the other seller's price of that day: what either does later is not known.
    """

    provider: str
    seller: str
    valid_from: dt.date
    compared_on: dt.date
    source: str
    models: frozenset[str]


class Read(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The genai-prices release this overlay was compared with, and when."""

    version: str
    read_on: dt.date


class Overlay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    library: Read
    aliases: dict[str, str]
    queues: dict[str, Queues]
    listed_as: tuple[ListedAs, ...]
    groups: tuple[Group, ...]


def load_overlay() -> Overlay:
    """Read the overlay shipped with the package."""
    text = (resources.files("freehold.catalog") / "data" / "prices_overlay.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), Overlay, strict=False)


def _rate(price: Decimal | Tiered) -> Rate:
    return price.rate() if isinstance(price, Tiered) else Rate(nanousd(price))
