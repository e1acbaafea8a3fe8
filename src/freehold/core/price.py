"""A dated price list for one model at one seller, in integer nano-dollars per million tokens."""

import msgspec


class Rate(msgspec.Struct, frozen=True):
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


class PriceCard(msgspec.Struct, frozen=True, kw_only=True):
    """What one model costs at one seller from a date on. A missing cache rate means the input rate applies."""

    provider: str
    model: str
    input: Rate
    output: Rate
    cache_read: Rate | None = None
    cache_write: Rate | None = None
    nanousd_per_request: int = 0
    valid_from: str
    source: str
