"""Hand-made ledgers for the residency report: policies on record, requests that went somewhere, and rows changed by hand."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from ledger_entries import entry

from freehold.core.decision import Removed
from freehold.core.entry import Attempt, Entry
from freehold.core.ids import request_id
from freehold.core.policy_facts import Demanded, TargetFacts
from freehold.serve.stores.opening import open_store
from freehold.serve.stores.place import LedgerPlace
from freehold.serve.stores.policies import PolicyRecord

DAY = 86_400.0
JULY, OCTOBER = 1_782_864_000.0, 1_790_812_800.0  # the first days of July and October 2026
API = TargetFacts(
    target="api", kind="rented", codec="openai", provider="openai", model="gpt", pinned=False, host="api.example",
    regions=("eu",), clearance="internal", retention_days=30, trains_on_data=False, baa=False, labels=None,
    egress={"files": "public"}, lab=False,
)  # fmt: skip
BOX = msgspec.structs.replace(
    API, target="box", kind="owned", codec="vllm", provider=None, model="own", pinned=True, host="10.0.0.5:8000",
    regions=("home",), clearance="restricted", retention_days=None, trains_on_data=None,
)  # fmt: skip


def sent(at: float, *targets: TargetFacts, **fields: Any) -> Entry:
    """A request received then that was sent to these targets in this order; without one, it was refused."""
    attempts = [
        Attempt(target=t.target, model=t.model, kind=t.kind, reason="choice", started_s=float(n), outcome="finished")
        for n, t in enumerate(targets)
    ]
    last = targets[-1] if targets else None
    ended: dict[str, Any] = {
        "target": last and last.target, "model": last and last.model, "basis": last and last.kind, "attempts": attempts,
        "outcome": "finished" if last else "refused", "error_code": None if last else "no_target_allowed", "ttft_s": None,
    }  # fmt: skip
    usual: dict[str, Any] = {
        "received_at": at, "stands_for": at, "policy": "p1", "regions": None, "demanded": Demanded(), "cost_nanousd": 0,
        "data_class": "internal", "lab": False, "usage": None,
    }  # fmt: skip
    return entry(request_id(at), **usual | ended | fields)


def refused(at: float, **fields: Any) -> Entry:
    """A request that no target was allowed to serve."""
    return sent(at, removed=(Removed("api", "data_class", "restricted data, cleared for internal"),), **fields)


def write(place: LedgerPlace, *entries: Entry) -> None:
    with closing(open_store(place)) as store:
        store.write(entries)


def on_record(place: LedgerPlace, version: str, *targets: TargetFacts, since: float = JULY, until: float = OCTOBER) -> None:
    """A gateway served under that policy from then till then."""
    policies = PolicyRecord(place)
    policies.loaded(version, targets, since)
    policies.seen(version, until)


def change(path: Path, *statements: str) -> None:
    """By hand, as one would who has the file."""
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()
