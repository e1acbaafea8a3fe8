"""What gates have found of owned candidates, as the plan takes it: was the owned model good enough on this workload?"""

from datetime import UTC, datetime

import msgspec

from freehold.app.migrating import all_of, history
from freehold.core.errors import BadSettings
from freehold.move.migration.machine import Event
from freehold.move.migration.progress import CANARY, GATE, LIVE
from freehold.plan.verdict.checklist import Evidence
from freehold.serve.stores.opening import reading
from freehold.serve.stores.place import LedgerPlace
from freehold.serve.stores.policies import kept_policies

_GATES = frozenset({GATE, CANARY, LIVE})  # whoever judges pairs: what turns bad later is evidence too


class _Found(msgspec.Struct):
    samples: int


def gate_evidence(ledger: LedgerPlace) -> dict[str, Evidence]:
    """By workload, what the gate of its newest migration to an owned target decided. Raises BadSettings."""
    with reading(ledger) as db:
        owned = {name for facts in kept_policies(db).values() for name, one in facts.targets.items() if one.kind == "owned"}
    found: dict[str, Evidence] = {}
    for one in all_of(ledger):
        told = history(ledger, one) if one.target in owned else []
        decided = [event for event, _ in told if event.by in _GATES]
        if decided:
            found[one.workload] = _evidence(decided[-1], f"the gate of migration {one.id} to {one.target}")
    return found


def _evidence(event: Event, origin: str) -> Evidence:
    try:
        samples = msgspec.json.decode(event.evidence, type=_Found).samples
    except msgspec.MsgspecError as error:
        raise BadSettings(f"the evidence of {origin} cannot be read: {error}") from None
    day = datetime.fromtimestamp(event.at, UTC).date().isoformat()
    return Evidence(holds=event.kind == "prove", samples=samples, on=day, source="measured", origin=origin)
