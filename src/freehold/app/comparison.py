"""What a plan compares for a workload: the rented and the owned target that the configuration gives it."""

from typing import Any

import msgspec

from freehold.app.policy import contract_card
from freehold.app.settings import Settings
from freehold.plan.quote import Choice


def configured_choice(settings: Settings, workload: str) -> Choice:
    """The workload's first rented target with its first owned one that has a cost; defaults for what is not configured."""
    names = settings.workloads[workload].targets if workload in settings.workloads else ()
    targets = [settings.targets[name] for name in names]
    stated: dict[str, Any] = {}
    rented = next((t for t in targets if t.provider), None)
    if rented is not None and rented.provider:
        like = rented.price and rented.price.like
        stated |= {"rent": like or f"{rented.provider}/{rented.model}", "clearance": rented.clearance}
        if rented.price and not like:
            stated["price"] = contract_card(rented.provider, rented.model, rented.price)
    owned = next((t for t in targets if t.engine and t.cost), None)
    if owned is not None and owned.cost is not None:
        cost = owned.cost
        stated |= {"model": owned.model, "gpu": cost.gpu, "gpu_count": cost.count}
        stated |= {"provider": cost.provider, "hire_plan": cost.plan}
    return msgspec.structs.replace(Choice(), **stated, chosen=frozenset(stated))
