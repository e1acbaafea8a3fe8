"""A window of the ledger as the signals need it, compared with counts by hand."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ledger_entries import USAGE, entry

from freehold.core.data import DataClass
from freehold.core.decision import Removed
from freehold.core.entry import Attempt, Entry
from freehold.core.errors import BadSettings
from freehold.core.ids import request_id
from freehold.plan.signals.observed import WorkloadSeen
from freehold.serve.stores import signals
from freehold.serve.stores.signals import Asked, SignalReader
from freehold.serve.stores.sqlite import SqliteStore
from freehold.stats.ratio import Sample

NOW = 1_795_000_000.0
WINDOW = 1000.0
ASKED = Asked(ttft_s=0.5, sensitive_from=DataClass.confidential)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def at(age_s: float, **fields: Any) -> Entry:
    """An entry received so long before now."""
    return entry(request_id(NOW - age_s), **({"received_at": NOW - age_s, "stands_for": 5.0} | fields))


def attempt(**fields: Any) -> Attempt:
    usual: dict[str, Any] = {
        "target": "api", "model": "m", "kind": "rented", "reason": "r", "started_s": 0.5, "ended_s": 2.5, "first_token_s": 1.0,
        "outcome": "finished", "status": 200, "usage": USAGE, "cost_nanousd": 7,
    }  # fmt: skip
    return Attempt(**usual | fields)


def kept(path: Path, entries: Sequence[Entry]) -> SignalReader:
    with closing(SqliteStore(path)) as store:
        store.write(entries)
    return SignalReader(path)


def test_requests_are_counted_by_workload(path: Path) -> None:
    moved = (Removed("api", "data_class", 'x "constraint":"region" y'), Removed("b", "named", "another"))
    hinted = (Removed('"constraint":"region"', "hint", '"constraint":"egress"'),)
    refused: dict[str, Any] = {
        "outcome": "refused", "error_code": "no_target_allowed", "ttft_s": None, "total_s": 0.01, "attempts": [],
    }  # fmt: skip
    reader = kept(path, [
        at(10, ttft_s=0.6), at(11, ttft_s=0.4), at(12, ttft_s=0.9, stream=False),
        at(13, ttft_s=None, total_s=3.0, outcome="cancelled"), at(14, ttft_s=None, total_s=0.1, outcome="failed"),
        at(15, data_class="confidential", removed=moved), at(16, data_class="restricted", removed=moved, **refused),
        at(17, removed=hinted, **refused), at(18, workload="other"),
    ])  # fmt: skip
    now, before = reader.observe(NOW, WINDOW, ASKED)
    assert now.workloads == (
        WorkloadSeen("other", requests=1, streamed=1),
        WorkloadSeen("triage", requests=8, streamed=4, slow=2, sensitive=2, questioned=2, refused=1),
    )
    assert (before.workloads, before.attempts) == ((), ())
    restricted = reader.observe(NOW, WINDOW, Asked(sensitive_from=DataClass.restricted))[0]
    assert (restricted.workloads[1].sensitive, restricted.workloads[1].slow) == (1, 0)


def test_attempts_are_summed_by_target_and_model(path: Path) -> None:
    estimated = msgspec.structs.replace(USAGE, source="estimated")
    lost: dict[str, Any] = {"first_token_s": None, "usage": None, "cost_nanousd": 0}
    now, _ = kept(path, [
        at(1, attempts=[attempt(outcome="overloaded", status=429, **lost), attempt(target="box", kind="owned", cost_nanousd=0)]),
        at(2, attempts=[attempt(outcome="rejected", status=429, **lost), attempt(first_token_s=2.0)]),
        at(3, attempts=[attempt(outcome="broken", status=500, **lost), attempt(usage=estimated)]),
        at(4, attempts=[attempt(outcome="cancelled", **lost)]), at(5, stream=False, attempts=[attempt()]),
        at(6, workload="other", attempts=[attempt(model="m-2")]),
    ]).observe(NOW, WINDOW, ASKED)  # fmt: skip
    found = {(a.workload, a.target, a.model): a for a in now.attempts}
    api = found["triage", "api", "m"]
    assert (api.kind, api.attempts, api.rate_limited, api.failed, api.cost_nanousd) == ("rented", 7, 2, 1, 21)
    assert api.busy_s == pytest.approx(14.0)
    assert api.answers == Sample(2, 40.0, 800.0), "estimated counts say nothing about how long answers are"
    assert api.ttft_s == Sample(2, 2.0, 2.5), "an answer without streaming has no first token of its own"
    assert (found["triage", "box", "m"].kind, found["triage", "box", "m"].busy_s) == ("owned", 2.0)
    assert len(found) == 3


def test_the_window_its_past_and_what_the_ledger_covers(path: Path) -> None:
    reader = kept(path, [at(0), at(999.9), at(1000), at(1000.5), at(2000), at(2000.5), at(2500)])
    now, before = reader.observe(NOW, WINDOW, ASKED)
    assert ([w.requests for w in now.workloads], [w.requests for w in before.workloads]) == ([2], [2])
    assert (now.window_s, now.covered_s, before.covered_s) == (WINDOW, WINDOW, WINDOW)
    now, before = reader.observe(NOW - 2000, WINDOW, ASKED)
    assert (now.covered_s, before.covered_s, now.workloads[0].requests) == (500, 0, 2)


def test_by_the_time_a_replay_stands_for(path: Path) -> None:
    reader = kept(path, [at(n, stands_for=1000.0 * n) for n in range(5)])
    now, before = reader.observe(NOW, 2500, Asked(clock="stands_for"))
    assert ([w.requests for w in now.workloads], [w.requests for w in before.workloads]) == ([3], [2])
    assert now.covered_s == 2500


def test_an_empty_ledger_has_nothing(path: Path) -> None:
    for clock in ("received_at", "stands_for"):
        now, before = kept(path, []).observe(NOW, WINDOW, Asked(clock=clock))
        assert (now.workloads, now.attempts, now.covered_s, before.covered_s) == ((), (), 0, 0)


@pytest.mark.parametrize("within", signals._WITHIN.values())
@pytest.mark.parametrize("sql", [signals._WORKLOADS, signals._ATTEMPTS])
def test_a_window_is_a_range_of_an_index(path: Path, sql: str, within: str) -> None:
    """However long the ledger is: no table is read from end to end."""
    kept(path, [])
    values = dict.fromkeys(("start", "end", "low", "high", "ttft_s"), 0) | {"sensitive": "[]"}
    with closing(sqlite3.connect(path)) as db:
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql % within}", values)]
    assert any(line.startswith(("SEARCH e", "SEARCH a")) for line in plan)
    assert not [line for line in plan if line.startswith(("SCAN e", "SCAN a"))]


def test_what_is_no_ledger(path: Path, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="no ledger at"):
        SignalReader(path)
    path.write_bytes(b"not a database, and long enough to be read as one" * 20)
    with pytest.raises(BadSettings, match="cannot read the ledger"):
        SignalReader(path).observe(NOW, WINDOW, ASKED)
