"""The plan of a ledger's traffic under a configuration: what each workload's own targets cost, set against each other."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

from freehold.catalog.facts import load_facts
from freehold.catalog.prices import PriceBook
from freehold.core.target import Target
from freehold.plan.inputs import PlanTerms
from freehold.plan.plan import Plan
from freehold.plan.quote import Choice, Quotes, plan_from_rows
from freehold.serve.gateway.house import Policy
from freehold.serve.stores.sqlite_reader import SqliteReader


def plan_of_ledger(ledger: Path, policy: Policy, today: date, terms: PlanTerms | None = None) -> Plan:
    """Raises BadSettings on an unreadable or empty ledger, or names the catalog does not know."""
    quotes = Quotes(load_facts(), PriceBook(), today)
    return plan_from_rows(SqliteReader(ledger).traffic(), choice_by(policy, today), quotes, terms or PlanTerms())


def choice_by(policy: Policy, today: date) -> Callable[[str], Choice]:
    """What to compare per workload: its first rented target's price with its first owned target's machine, defaults elsewhere."""

    def choice(workload: str) -> Choice:
        names = policy.workloads[workload].targets if workload in policy.workloads else ()
        targets = [policy.targets[name] for name in names]
        rented = next((target for target in targets if target.rented), None)
        owned = next((target for target in targets if target.hardware is not None), None)
        return _choice(policy, rented, owned, today)

    return choice


def _choice(policy: Policy, rented: Target | None, owned: Target | None, today: date) -> Choice:
    fields: dict[str, object] = {}
    if rented is not None:
        card = policy.price(rented, today)
        assert card is not None
        fields |= {"rent": f"{card.provider}/{card.model}", "price": card, "clearance": rented.clearance}
    if owned is not None and owned.hardware is not None:
        hardware = owned.hardware
        fields |= {
            "model": owned.model, "gpu": hardware.gpu, "gpu_count": hardware.count, "provider": hardware.provider,
            "hire_plan": hardware.plan,
        }  # fmt: skip
    return Choice(**fields, chosen=frozenset(fields))  # type: ignore[arg-type]
