"""Migrations in a ledger: one order of all lines, whoever writes them; on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ledger_entries import ledger_of_before
from postgres_cluster import Cluster

from freehold.core.errors import BadSettings, LedgerUnavailable
from freehold.core.target import Secret
from freehold.serve.stores.migrations import MigrationStore, StoredEvent, StoredMigration, StoredScore
from freehold.serve.stores.opening import open_store
from freehold.serve.stores.place import LedgerPlace, postgres_place

ONE = StoredMigration("mig-1", "triage", "tiny", "{}", 1_800_000_000.0)


def event(kind: str = "start") -> StoredEvent:
    return StoredEvent(at=1.5, kind=kind, decided_by="ann", why="because", evidence='{"n":1}')


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> LedgerPlace:
    found: LedgerPlace = tmp_path / "ledger.db"
    if request.param == "postgres":
        cluster: Cluster = request.getfixturevalue("cluster")
        found = postgres_place(Secret(cluster.fresh()))
    open_store(found).close()
    return found


def test_lines_have_one_order_and_no_gap(place: LedgerPlace) -> None:
    store = MigrationStore(place)
    assert store.all() == []
    store.make(ONE, [event()])
    store.score("mig-1", ["a", "b"])
    assert store.append("mig-1", event("prove"), after=1)
    store.score("mig-1", ["c"])
    lines = list(store.lines("mig-1"))
    assert [line.n for line in lines] == [1, 2, 3, 4, 5]
    assert [line.score for line in lines if isinstance(line, StoredScore)] == ["a", "b", "c"]
    assert list(store.lines("mig-1", beyond=3)) == lines[3:]
    (read,) = store.all()
    assert (read.id, read.lines, read.events) == ("mig-1", 5, 2)
    events = store.events("mig-1")
    assert [(one.n, one.kind) for one in events] == [(1, "start"), (4, "prove")]
    assert (events[0].at, events[0].decided_by, events[0].why, events[0].evidence) == (1.5, "ann", "because", '{"n":1}')


def test_who_has_not_read_the_last_event_writes_none(place: LedgerPlace) -> None:
    store = MigrationStore(place)
    store.make(ONE, [event()])
    assert store.append("mig-1", event("prove"), after=1)
    assert not store.append("mig-1", event("roll_back"), after=1)
    assert [one.kind for one in store.events("mig-1")] == ["start", "prove"]
    assert store.all()[0].lines == 2


def test_many_writers_at_once(place: LedgerPlace) -> None:
    store = MigrationStore(place)
    store.make(ONE, [event()])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: store.score("mig-1", [f"{n} first", f"{n} second"]), range(20)))
        won = list(pool.map(lambda n: store.append("mig-1", event("pause"), after=1), range(8)))
    lines = list(store.lines("mig-1"))
    assert [line.n for line in lines] == list(range(1, 43))
    assert sum(won) == 1
    scores = [line.score for line in lines if isinstance(line, StoredScore)]
    assert all(scores[at + 1] == scores[at].replace("first", "second") for at in range(0, 40, 2)), "each batch in one piece"


def test_a_ledger_of_an_older_version(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    ledger_of_before(path, 6)
    store = MigrationStore(path)
    assert store.all() == []
    with pytest.raises(BadSettings, match="start the gateway on it once"):
        store.make(ONE, [])


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="cannot be written"):
        MigrationStore(tmp_path / "none.db").score("mig-1", ["a"])
