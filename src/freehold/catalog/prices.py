"""What a model costs at a seller on a day: our overlay first, then genai-prices. Offline, exact, dated."""

import datetime as dt
from decimal import Decimal
from functools import lru_cache

import msgspec

from freehold.catalog.library import Library
from freehold.catalog.names import near
from freehold.catalog.overlay import Queues, load_overlay
from freehold.core.price import PriceCard, Rate, Rates


class UnknownPrice(KeyError):
    """No price is known for that model at that seller on that day. The message names what is near."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class PriceBook:
    """Every price we know. Make one and share it: it keeps the cards it resolved."""

    def __init__(self) -> None:
        self._overlay = load_overlay()
        self._library = Library(self._overlay.library.read_on)
        self._resolved = lru_cache(maxsize=4096)(self._resolve)

    def find(self, provider: str, model: str, on: dt.date) -> PriceCard:
        """The card that applied on that day. Raises UnknownPrice; never answers with another seller's price."""
        return self._resolved(self._filed(provider), model.strip(), on)

    def known_providers(self) -> tuple[str, ...]:
        """Sellers with prices, sorted."""
        return tuple(sorted(self._library.providers() | {g.provider for g in self._overlay.groups}))

    def batch_multiplier(self, provider: str) -> Decimal | None:
        """What batch costs there as a share of the standard token price; None where no batch price is known."""
        queues = self._overlay.queues.get(self._filed(provider))
        return None if queues is None else queues.batch

    def flex_multiplier(self, provider: str) -> Decimal | None:
        """The same for the flex queue, at the models that offer it."""
        queues = self._overlay.queues.get(self._filed(provider))
        return None if queues is None else queues.flex

    def _filed(self, provider: str) -> str:
        name = provider.strip().lower()
        return self._overlay.aliases.get(name, name)

    def _resolve(self, provider: str, model: str, on: dt.date) -> PriceCard:
        groups = [g for g in self._overlay.groups if g.speaks_for(provider, model.lower(), on)]
        if groups:
            card: PriceCard | None = max(groups, key=lambda g: g.valid_from).card(model)
        else:
            card = self._library.card(provider, model, on) or self._as_another_lists_it(provider, model, on)
        if card is None:
            raise UnknownPrice(self._explain(provider, model, on))
        queues = self._overlay.queues.get(provider)
        return card if queues is None else _with_queues(card, queues)

    def _as_another_lists_it(self, provider: str, model: str, on: dt.date) -> PriceCard | None:
        """Only where both lists were found to say the same; the card's source says whose price it is."""
        for listed in self._overlay.listed_as:
            if listed.provider == provider and model.lower() in listed.models and listed.valid_from <= on:
                card = self._resolved(listed.seller, model, listed.compared_on)
                source = f"listed at {listed.seller}'s price: {listed.source}; {card.source}"
                return msgspec.structs.replace(
                    card, provider=provider, services=(), valid_from=listed.valid_from.isoformat(), source=source
                )
        return None

    def _explain(self, provider: str, model: str, on: dt.date) -> str:
        sellers = self.known_providers()
        if provider not in sellers:
            return f"no prices for provider {provider!r}; near: {', '.join(near(provider, sellers)) or 'none'}"
        ours = [g for g in self._overlay.groups if g.provider == provider]
        for group in ours:
            if model.lower() in group.models:
                until = f" until {group.valid_until}" if group.valid_until else ""
                return f"no price for {provider}/{model} on {on}; known only from {group.valid_from}{until}"
        if provider in self._library.sellers(model):
            return f"no price per token for {provider}/{model} on {on}; it is billed otherwise or its price is not known"
        listed = near(model, [*self._library.models(provider), *(name for g in ours for name in g.models)])
        message = f"no price for {provider}/{model} on {on}; near: {', '.join(listed) or 'none'}"
        elsewhere = self._library.sellers(model)[:3]
        return message + (f"; sold by {', '.join(elsewhere)}" if elsewhere else "")


def _with_queues(card: PriceCard, queues: Queues) -> PriceCard:
    """The card with the seller's usual share for each queue that the price list has no price of this model in: a reply that
    names the queue proves that the model was served there."""
    shares = {"batch": queues.batch, "flex": queues.flex}
    known = dict(card.services)
    added = {name: _scaled(card, share) for name, share in shares.items() if share is not None and name not in known}
    return msgspec.structs.replace(card, services=(*card.services, *added.items())) if added else card


def _scaled(card: PriceCard, share: Decimal) -> Rates:
    def scaled(rate: Rate) -> Rate:
        return Rate(round(rate.nanousd_per_mtok * share), tuple((above, round(price * share)) for above, price in rate.tiers))

    known = {name: rate for name in Rates.__struct_fields__ if (rate := getattr(card, name)) is not None}
    return Rates(**{name: scaled(rate) for name, rate in known.items()})
