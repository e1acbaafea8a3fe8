"""What a plan compares for a workload: what the ledger says is used, and what the configuration names."""

from typing import Any

import msgspec

from freehold.app.policy import contract_card
from freehold.app.settings import Settings
from freehold.core.errors import BadSettings
from freehold.plan.choice import Choice
from freehold.plan.quote import Quotes
from freehold.serve.stores.use import Use


def used_choice(use: Use, quotes: Quotes) -> Choice:
    """The rented model most of a workload went to: at the price it was billed at, or at today's where it was imported."""
    if use.card is not None:
        rent = f"{use.card.provider}/{use.card.model}"
        return msgspec.structs.replace(Choice(), rent=rent, price=use.card, rent_source="measured")
    if use.imported_model is not None and _priced(use.imported_model, quotes):
        return msgspec.structs.replace(Choice(), rent=use.imported_model, rent_source="measured")
    return Choice()


def configured_choice(settings: Settings, workload: str, used: Choice | None = None) -> Choice:
    """The workload's first rented target with its first owned one that has a cost; for what is not configured, what is used."""
    names = settings.workloads[workload].targets if workload in settings.workloads else ()
    targets = [settings.targets[name] for name in names]
    stated: dict[str, Any] = {}
    rented = next((t for t in targets if t.provider), None)
    if rented is not None and rented.provider:
        like = rented.price and rented.price.like
        stated |= {"rent": like or f"{rented.provider}/{rented.model}", "clearance": rented.clearance, "price": None}
        if rented.price and not like:
            stated["price"] = contract_card(rented.provider, rented.model, rented.price)
    owned = next((t for t in targets if t.engine and t.cost), None)
    if owned is not None and owned.cost is not None:
        cost = owned.cost
        stated |= {"model": owned.model, "gpu": cost.gpu, "gpu_count": cost.count}
        stated |= {"provider": cost.provider, "hire_plan": cost.plan}
        if cost.usd_per_hour is not None:
            stated["usd_per_hour"] = cost.usd_per_hour
    chosen = frozenset(name for name, value in stated.items() if value is not None)
    return msgspec.structs.replace(used or Choice(), **stated, chosen=chosen)


def _priced(model: str, quotes: Quotes) -> bool:
    """Whether the catalogue knows it today; what an import calls a model may be no name anybody sells."""
    try:
        quotes.card(model)
    except BadSettings:
        return False
    return True
