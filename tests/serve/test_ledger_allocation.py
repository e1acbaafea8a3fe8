"""Owned cost as read from a ledger file, held against the same rule worked out attempt by attempt."""

import random
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ledger_entries import entry, ledger_of_before, owned_entry

from freehold.core.entry import Entry
from freehold.core.errors import BadSettings
from freehold.core.ids import request_id
from freehold.core.machine import OwnedMachine
from freehold.rules.allocation import HOUR_S
from freehold.serve.stores.allocation import AllocationReader, EntryCost, SliceCost
from freehold.serve.stores.machines import MachineRecord
from freehold.serve.stores.sqlite import SqliteStore

NOON = 1_795_003_200
BOX = OwnedMachine(
    target="box", model="own-model", price_nanousd_h=1_860_000_001, slots=4, gpu="L40S", gpu_count=1, provider="aws",
    hire_plan="on_demand", price_source="tests", price_date="2026-11-01", lab=True,
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def write(path: Path, *entries: Entry) -> AllocationReader:
    with closing(SqliteStore(path)) as store:
        store.write(entries)
    return AllocationReader(path)


def stood(path: Path, began: float, until: float, *machines: OwnedMachine) -> None:
    SqliteStore(path).close()
    seen = MachineRecord(path)
    seen.seen(machines or [BOX], began)
    seen.seen(machines or [BOX], until)


def served(began: float, seconds: float, **fields: Any) -> Entry:
    return owned_entry(request_id(began), began, seconds, **fields)


def test_what_the_ledger_says_is_the_rule_attempt_by_attempt(path: Path) -> None:
    source = random.Random(20261121)
    entries = [
        served(
            NOON + source.uniform(-600, 5 * HOUR_S), source.choice([0.5, 30.0, 3000.0, 9000.0]),
            workload=source.choice("abc"), key=source.choice("xy"),
        )
        for _ in range(300)
    ]  # fmt: skip
    stood(path, NOON, NOON + 4.25 * HOUR_S)
    reader = write(path, *entries)
    busy: Counter[tuple[int, str, str]] = Counter()
    began_in: Counter[tuple[int, str, str]] = Counter()
    for e in entries:
        hour = int(e.received_at // HOUR_S) * HOUR_S
        began_in[hour, e.workload, e.key] += 1
        while hour < e.received_at + e.total_s:
            seconds = min(e.received_at + e.total_s, hour + HOUR_S) - max(e.received_at, hour)
            busy[hour, e.workload, e.key] += round(seconds * 1e6)
            hour += HOUR_S
    shares = reader.shares()
    whole: dict[int, int] = defaultdict(int)
    for s in shares:
        assert s.workload is not None
        assert s.key is not None
        assert s.busy_slot_s == pytest.approx(busy[s.hour, s.workload, s.key] / 1e6, abs=1e-3)
        assert (s.requests, s.input_tokens) == (began_in[s.hour, s.workload, s.key], 100 * began_in[s.hour, s.workload, s.key])
        whole[s.hour] += s.cost_nanousd
        total = sum(us for (hour, _, _), us in busy.items() if hour == s.hour)
        up = 0.25 if s.hour == NOON + 4 * HOUR_S else 1
        assert s.cost_nanousd == pytest.approx(BOX.price_nanousd_h * up * s.busy_slot_s * 1e6 / total, rel=1e-6)
    assert whole == {NOON + n * HOUR_S: 1_860_000_001 for n in range(4)} | {NOON + 4 * HOUR_S: 465_000_000}
    for since, until in [(NOON + HOUR_S, None), (None, NOON + 2 * HOUR_S), (NOON + 1, NOON + 3 * HOUR_S), (NOON + 9e5, None)]:
        window = [s for s in shares if s.hour >= (since or 0) and s.hour < (until or 1e12)]
        assert reader.shares(since, until) == window, "a view of some hours says what the view of all says of them"
    costs = reader.of_entries([e.id for e in entries])
    assert sum(c.owned_nanousd or 0 for c in costs.values()) == sum(whole.values()), "entries add up to the machine too"
    some = [e.id for e in entries[::17]]
    assert reader.of_entries(some) == {ident: costs[ident] for ident in some}


def test_two_gateways_and_a_restart_pay_one_machine_once(path: Path) -> None:
    stood(path, NOON, NOON + 1800)
    stood(path, NOON + 600, NOON + 3600)
    (idle,) = AllocationReader(path).shares()
    assert (idle.workload, idle.key, idle.cost_nanousd, idle.lab) == (None, None, BOX.price_nanousd_h, True)


def test_a_failed_attempt_used_its_slot_too(path: Path) -> None:
    """It failed over to a rented target: the entry is rented, and part of the machine's hour is its cost all the same."""
    stood(path, NOON, NOON + HOUR_S)
    failed = served(NOON + 10, 30.0)
    rented = entry(failed.id, received_at=NOON + 10.0, attempts=[*failed.attempts, *entry("x").attempts])
    reader = write(path, rented, served(NOON + 20, 10.0, workload="other"))
    assert {s.workload: s.cost_nanousd for s in reader.shares()} == {"other": 465_000_000, "triage": 1_395_000_001}
    assert reader.of_entries([rented.id])[rented.id].owned_nanousd == 1_395_000_001


def test_without_a_cost_owning_has_no_figure(path: Path) -> None:
    mine, other = served(NOON + 10, 30.0), entry("fh-x", shadow_nanousd=7, shadow_at="dear", lab=True)
    reader = write(path, mine, other)
    assert reader.shares() == []
    assert reader.of_entries([mine.id, other.id, "fh-none"]) == {
        mine.id: EntryCost(marginal_nanousd=0, lab=False),
        other.id: EntryCost(shadow_nanousd=7, shadow_at="dear", lab=True),
    }
    assert reader.slices() == [SliceCost("triage", "api", True, None, 7, 1), SliceCost("triage", "box", False, 0, None, 0)]
    assert reader.of_entries([]) == {}


@pytest.mark.parametrize("schema", [1, 2])
def test_an_older_ledger_is_read_as_it_is_and_migrates_when_it_is_written(path: Path, schema: int) -> None:
    old = served(NOON + 10, 30.0)
    ledger_of_before(path, schema, old)
    reader = AllocationReader(path)
    assert (reader.shares(), reader.slices(), reader.of_entries([old.id])) == ([], [], {})
    write(path, served(NOON + 20, 30.0))
    stood(path, NOON, NOON + HOUR_S)
    assert reader.shares()[0].requests == 2, "what was served before is there, and from then on the machine has its cost"
    assert reader.of_entries([old.id])[old.id].lab is None, "nobody noted it then"


def test_a_missing_ledger_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="no ledger at"):
        AllocationReader(tmp_path / "none.db")
    (tmp_path / "bad.db").write_bytes(b"not a database, whatever its name says" * 40)
    with pytest.raises(BadSettings, match="cannot read the ledger"):
        AllocationReader(tmp_path / "bad.db").shares()
