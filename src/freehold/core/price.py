"""A dated price list for one model at one seller, in integer nano-dollars per million tokens."""

from functools import lru_cache

import msgspec

from freehold.core.usage import Bucket

# What sellers call the service that their list prices are for.
_STANDARD = frozenset({"", "auto", "default", "on_demand", "standard"})


class Rate(msgspec.Struct, frozen=True, cache_hash=True):
    """Price of one bucket. Tiers are cliffs: the last whose `above_input_tokens` the request's input exceeds prices all of it."""

    nanousd_per_mtok: int
    tiers: tuple[tuple[int, int], ...] = ()

    def at(self, input_tokens: int) -> int:
        """Nano-dollars per million tokens for a request with that much input in all."""
        price = self.nanousd_per_mtok
        for above, tier_price in self.tiers:
            if input_tokens > above:
                price = tier_price
        return price


class Rates(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """What each bucket costs. A kind without a rate of its own costs what the tokens it is part of cost."""

    input: Rate
    output: Rate
    cache_read: Rate | None = None
    cache_write: Rate | None = None
    cache_write_1h: Rate | None = None
    input_audio: Rate | None = None
    cache_read_audio: Rate | None = None
    reasoning: Rate | None = None
    output_audio: Rate | None = None

    def of(self, bucket: Bucket) -> Rate:
        """The rate that applies to a bucket: no cache rate means the input rate, no rate for an hour that for minutes."""
        match bucket:
            case "input":
                return self.input
            case "output":
                return self.output
            case "cache_read":
                return self.cache_read or self.input
            case "cache_write":
                return self.cache_write or self.input
            case "cache_write_1h":
                return self.cache_write_1h or self.cache_write or self.input
            case "input_audio":
                return self.input_audio or self.input
            case "cache_read_audio":
                return self.cache_read_audio or self.input_audio or self.cache_read or self.input
            case "reasoning":
                return self.reasoning or self.output
            case "output_audio":
                return self.output_audio or self.output


class PriceCard(Rates, frozen=True, kw_only=True, cache_hash=True):
    """What one model costs at one seller from a date on.

    `service_tier` is the service that these rates are for (None: the seller's standard one), `services` what the same model
    costs in others.
    """

    provider: str
    model: str
    nanousd_per_request: int = 0
    valid_from: str
    source: str
    service_tier: str | None = None
    services: tuple[tuple[str, Rates], ...] = ()

    def served(self, tier: str | None) -> "PriceCard":
        """The card of the service that a reply names, and of no other. One that is not priced costs the standard price, and the
        card's source says so."""
        standard = tier is None or tier in _STANDARD
        return self if standard and not self.services else _served(self, None if standard else tier)


@lru_cache(maxsize=4096)
def _served(card: PriceCard, tier: str | None) -> PriceCard:
    if tier is None:
        return msgspec.structs.replace(card, services=())
    rates = dict(card.services).get(tier)
    if rates is None:
        source = f"{card.source}; no price of the service tier {tier!r} is known, this is the standard one"
        return msgspec.structs.replace(card, services=(), service_tier=tier, source=source)
    return msgspec.structs.replace(card, **msgspec.structs.asdict(rates), services=(), service_tier=tier)
