"""What a model costs at a seller on a day: our overlay first, then genai-prices. Offline, exact, dated."""

import datetime as dt
from decimal import Decimal
from functools import lru_cache

from freehold.catalog.library import Library
from freehold.catalog.names import near
from freehold.catalog.overlay import load_overlay
from freehold.core.price import PriceCard


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
            return max(groups, key=lambda g: g.valid_from).card(model)
        card = self._library.card(provider, model, on)
        if card is None:
            raise UnknownPrice(self._explain(provider, model, on))
        return card

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
