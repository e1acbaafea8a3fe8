"""genai-prices' bundled data read as price cards. Offline; its own matching and dating decide, we only convert.

A seller's price is never taken from another seller, though the library can: a wrong price is a wrong bill.
"""

import datetime as dt
from decimal import Decimal
from importlib import metadata

import msgspec
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, StartDateConstraint, TieredPrices, TimeOfDateConstraint

from freehold.core.money import nanousd
from freehold.core.price import PriceCard, Rate, Rates

# What a card has no bucket for; where a model bills it at a price of its own, the card's source says so.
_BILLED_APART = {"output_citation_mtok": "citations"}
# The library's context by which it knows a service, and what replies call that service.
_SERVICES = ({"processing": "batch"}, {"service_tier": "flex"}, {"service_tier": "priority"}, {"service_tier": "fast"},
             {"speed": "fast"})  # fmt: skip


class Library:
    """The prices in the installed genai-prices release. `read_on` dates the prices that it does not date itself."""

    def __init__(self, read_on: dt.date) -> None:
        self._providers: dict[str, Provider] = {p.id: p for p in get_snapshot().providers}
        self._name = f"genai-prices {metadata.version('genai-prices')}"
        self._read_on = read_on

    def providers(self) -> frozenset[str]:
        """Every seller in it."""
        return frozenset(self._providers)

    def models(self, provider: str) -> list[str]:
        """Ids of a seller's models; empty for a seller it does not know."""
        seller = self._providers.get(provider)
        return [m.id for m in seller.models] if seller else []

    def sellers(self, model: str) -> list[str]:
        """Who sells that model themselves."""
        return sorted(p.id for p in self._providers.values() if _listed(p, model))

    def card(self, provider: str, model: str, on: dt.date) -> PriceCard | None:
        """The card for that day, or None where the seller does not list the model per token.

        A seller that charges by the hour of day is read at its dearest hour, so that nothing is under-counted.
        """
        seller = self._providers.get(provider)
        listed = _listed(seller, model) if seller else None
        if seller is None or listed is None:
            return None
        priced = [(moment, p) for moment, p in _prices_during(listed, on) if p.input_mtok is not None]
        if not priced:
            return None
        moment, prices = max(priced, key=lambda at: _base(at[1].input_mtok) + _base(at[1].output_mtok))
        source = [", ".join([self._name, *(seller.pricing_urls or [])[:1]])]
        if listed.id.lower() != model.lower():
            source.append(f"listed as {listed.id}")
        if len(priced) > 1:
            source.append("charged by the hour of day, this is the dearest hour")
        source += [
            f"{what} at a price of their own, not applied"
            for key, what in _BILLED_APART.items()
            if getattr(prices, key) is not None
        ]
        per_thousand = prices.requests_kcount
        return PriceCard(
            **msgspec.structs.asdict(_rates(prices)),
            provider=provider,
            model=model,
            services=_services(listed, moment),
            nanousd_per_request=nanousd(_base(per_thousand) / 1000),
            valid_from=(_start(listed, prices) or min(on, self._read_on)).isoformat(),
            source="; ".join(source),
        )


def _listed(seller: Provider, model: str) -> ModelInfo | None:
    """The seller's own listing, by what callers write or by its id there; without other providers there is no falling back."""
    return seller.find_model(model) or next((m for m in seller.models if m.id.lower() == model.lower()), None)


def _prices_during(model: ModelInfo, on: dt.date) -> list[tuple[dt.datetime, ModelPrice]]:
    """The distinct price lists that apply at some hour (UTC) of that day, each with such an hour."""
    conditions = [] if isinstance(model.prices, ModelPrice) else [c.constraint for c in model.prices]
    windows = [c for c in conditions if isinstance(c, TimeOfDateConstraint)]
    hours = [dt.time(0), *(w.start_time for w in windows), *(w.end_time for w in windows)]
    moments = [dt.datetime.combine(on, hour.replace(tzinfo=hour.tzinfo or dt.UTC)) for hour in hours]
    found: list[tuple[dt.datetime, ModelPrice]] = []
    for moment in moments:
        prices = model.get_prices(moment)
        if all(prices != known for _, known in found):
            found.append((moment, prices))
    return found


def _services(model: ModelInfo, moment: dt.datetime) -> tuple[tuple[str, Rates], ...]:
    """What the model costs in each other service that the library prices, by the names that replies have for them."""
    listed = [v.when for v in model.price_variants or () if v.constraint is None or v.constraint.active(moment)]
    found: dict[str, Rates] = {}
    for context in _SERVICES:
        if context in listed:
            found.update(dict.fromkeys(context.values(), _rates(model.get_prices(moment, context))))
    return tuple(found.items())


def _rates(prices: ModelPrice) -> Rates:
    return Rates(
        input=_rate(prices.input_mtok) or Rate(0),
        output=_rate(prices.output_mtok) or Rate(0),
        cache_read=_rate(prices.cache_read_mtok),
        cache_write=_rate(prices.cache_write_mtok),
        cache_write_1h=_rate(prices.cache_write_1h_mtok),
        input_audio=_rate(prices.input_audio_mtok),
        cache_read_audio=_rate(prices.cache_audio_read_mtok),
        reasoning=_rate(prices.output_reasoning_mtok),
        output_audio=_rate(prices.output_audio_mtok),
    )


def _start(model: ModelInfo, prices: ModelPrice) -> dt.date | None:
    """The day from which the library says these prices apply."""
    conditions = [] if isinstance(model.prices, ModelPrice) else [c.constraint for c in model.prices if c.prices is prices]
    return next((c.start_date for c in conditions if isinstance(c, StartDateConstraint)), None)


def _rate(price: Decimal | TieredPrices | None) -> Rate | None:
    if price is None:
        return None
    tiers = price.tiers if isinstance(price, TieredPrices) else []
    return Rate(nanousd(_base(price)), tuple((t.start, nanousd(t.price)) for t in tiers))


def _base(price: Decimal | TieredPrices | None) -> Decimal:
    if price is None:
        return Decimal(0)
    return price.base if isinstance(price, TieredPrices) else price
