"""A small ledger with something of everything that can stand in a bill: tiers, fees, failovers, stand-ins, machines, imports."""

from contextlib import closing
from typing import Any

import msgspec
from ledger_entries import entry

from freehold.core.entry import Attempt, Entry
from freehold.core.ids import request_id
from freehold.core.machine import OwnedMachine
from freehold.core.price import PriceCard, Rate
from freehold.core.usage import Usage
from freehold.plan.logs.usage import LoggedUsage
from freehold.rules.price import cost_nanousd
from freehold.serve.stores.imported import ImportedRow, ImportStore
from freehold.serve.stores.machines import MachineRecord
from freehold.serve.stores.opening import open_store
from freehold.serve.stores.place import LedgerPlace

NOON = 1_795_003_200
HOUR = 3600
CARD = PriceCard(
    provider="openai", model="gpt-4o", input=Rate(2_500_000_000, ((500, 5_000_000_001),)), output=Rate(10_000_000_007),
    cache_read=Rate(1_250_000_003), nanousd_per_request=7, valid_from="2026-11-01", source="tests",
)  # fmt: skip
FREE = msgspec.structs.replace(CARD, provider="gift", input=Rate(0), output=Rate(0), cache_read=None, nanousd_per_request=0)
BOX = OwnedMachine(
    target="box", model="Qwen/Qwen2.5-7B-Instruct@0123abc", price_nanousd_h=1_860_000_001, slots=4, gpu="L40S", gpu_count=1,
    provider="aws", hire_plan="on_demand", price_source="tests", price_date="2026-11-01", lab=False,
)  # fmt: skip
LAB_BOX = msgspec.structs.replace(BOX, target="lab-box", lab=True)


def usage(uncached: int, read: int = 0, write: int = 0, answer: int = 0, reasoning: int = 0) -> Usage:
    return Usage(
        input_tokens=uncached + read + write, output_tokens=answer + reasoning, cache_read=read, cache_write=write,
        reasoning=reasoning, source="provider",
    )  # fmt: skip


def tried(used: Usage | None, card: PriceCard | None = CARD, **fields: Any) -> Attempt:
    """An attempt at a rented target, at the price of its card."""
    cost = cost_nanousd(card, used) if card is not None and used is not None else 0
    usual: dict[str, Any] = {
        "target": "api", "model": "gpt-4o", "kind": "rented", "reason": "choice 1 of 1", "started_s": 0.1, "ended_s": 2.1,
        "outcome": "finished", "usage": used, "cost_nanousd": cost, "price": card,
    }  # fmt: skip
    return Attempt(**usual | fields)


def asked(at: float, *attempts: Attempt, **fields: Any) -> Entry:
    """An entry received then, of these attempts; it ended at the last one's target."""
    last = attempts[-1]
    usual: dict[str, Any] = {
        "received_at": at, "attempts": list(attempts), "target": last.target, "model": last.model, "basis": last.kind,
        "usage": last.usage, "cost_nanousd": sum(a.cost_nanousd for a in attempts), "lab": False, "total_s": 2.2,
    }  # fmt: skip
    return entry(request_id(at), **usual | fields)


def owned(at: float, seconds: float, used: Usage, **fields: Any) -> Entry:
    """An entry that an owned machine worked on for so long."""
    attempt = tried(used, None, target="box", model=BOX.model, kind="owned", started_s=0.0, ended_s=seconds)
    return asked(at, attempt, total_s=seconds, **fields)


def write(place: LedgerPlace, *entries: Entry) -> None:
    with closing(open_store(place)) as store:
        store.write(entries)


def stood(place: LedgerPlace, began: float, until: float, *machines: OwnedMachine) -> None:
    """These machines were there from then till then."""
    seen = MachineRecord(place)
    seen.seen(machines, began)
    seen.seen(machines, until)


def imported(place: LedgerPlace, *used: LoggedUsage, workload: str = "old") -> None:
    with closing(ImportStore(place)) as store:
        source = store.begin("00", "spend.json", "")
        rows = [ImportedRow(n, 0, workload, "internal", each) for n, each in enumerate(used, 1)]
        store.add(source, rows, finished=True)


def logged(at: float, **fields: Any) -> LoggedUsage:
    usual: dict[str, Any] = {
        "time": at, "bucket_s": None, "provider": "openai", "model": "gpt-4o", "requests": 1, "input_tokens": 100,
        "cache_read": 20, "output_tokens": 10, "cost_nanousd": 275_000,
    }  # fmt: skip
    return LoggedUsage(**usual | fields)


def fill(*places: LedgerPlace) -> None:
    """Something of everything, in four hours from noon on; the same in each of them."""
    rented = [
        asked(NOON + 1, tried(usage(300, read=33, answer=41, reasoning=7)), key="app", workload="triage"),
        asked(NOON + 2, tried(usage(77, write=5, answer=1)), key="web", workload="triage"),
        asked(NOON + 3, tried(usage(501, answer=3)), key="app", workload="triage"),  # in the dearer tier
        asked(NOON + 4, tried(usage(9, answer=1), FREE, target="gift"), key="app"),
        asked(NOON + 5, tried(None, outcome="unreachable"), tried(usage(8, answer=1)), key="app"),
        asked(NOON + 6, tried(usage(10, answer=2), outcome="cut"), tried(usage(10, answer=9), target="api-2"), key="app"),
        asked(NOON + HOUR, tried(usage(1, answer=1)), key="app", workload="triage"),
        asked(NOON + HOUR + 1, tried(usage(999, answer=1), target="pretend"), key="app", lab=True),
        asked(NOON + HOUR + 2, tried(usage(50, answer=1), target="pretend"), tried(usage(50, answer=5)), key="app"),
    ]
    machines = [
        owned(NOON + 10, 1000, usage(100, answer=50), key="app", workload="triage"),
        owned(NOON + 20, 500, usage(30, answer=20), key="web", workload="triage"),
        owned(NOON + 2 * HOUR + 5, 60, usage(10, answer=5), key="app", workload="other"),
    ]
    for place in places:
        write(place, *sorted([*rented, *machines], key=lambda e: e.id))
        stood(place, NOON, NOON + 2.5 * HOUR, BOX)
        stood(place, NOON, NOON + HOUR, LAB_BOX)
        imported(
            place,
            logged(NOON - 86_400),
            logged(NOON - 86_399, cost_nanousd=None),
            logged(NOON - 86_400, bucket_s=86_400.0, requests=None, cache_read=100),
            logged(NOON - 80_000, bucket_s=60.0, provider=None, model=None, output_tokens=0, cache_read=0, cost_nanousd=1),
        )
