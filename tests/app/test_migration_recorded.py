"""Recorded requests read back from either kind of ledger, with all that bound them; and what is kept of them, after any fault."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from ledger_entries import entry
from postgres_cluster import Cluster
from replay_place import MASTER, Place, recorded

from freehold.app.migration_recorded import Archive, Found
from freehold.core.data import DataClass, Demands, Handling
from freehold.core.errors import BadSettings
from freehold.core.policy_facts import Demanded
from freehold.core.target import Secret
from freehold.serve.stores.content import ContentStore, keys_beside
from freehold.serve.stores.opening import open_store
from freehold.serve.stores.place import LedgerPlace, postgres_place
from freehold.serve.stores.recorded import RecordedRequest, Span, recorded_ids, recorded_requests


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> LedgerPlace:
    if request.param == "sqlite":
        return tmp_path / "ledger.db"
    cluster: Cluster = request.getfixturevalue("cluster")
    return postgres_place(Secret(cluster.fresh()))


def test_what_bound_a_request_is_read_back(ledger: LedgerPlace) -> None:
    demanded = Demanded(labels=("phi",), no_training=True, retention_days=0, not_providers=("x",), providers=("y",), pinned=True)
    told = [
        entry("fh-1", demanded=demanded, regions=("eu",), received_at=10.0),
        entry("fh-2", regions=None, received_at=20.0),
        entry("fh-3", regions=(), received_at=20.5),
        entry("fh-4", received_at=30.0),
        entry("fh-5", received_at=15.0, workload="other"),
        entry("fh-6", received_at=15.0, purpose="shadow"),
        entry("fh-7", received_at=15.0, outcome="cut"),
    ]
    with closing(open_store(ledger)) as store:
        store.write(told)
    assert recorded_ids(ledger, Span("triage", "box", 10.0, 30.0)) == ["fh-1", "fh-2", "fh-3"]
    assert recorded_ids(ledger, Span("triage", "api", 10.0, 30.0)) == [], (
        "what the candidate served itself is compared with nobody"
    )
    first, second, third = recorded_requests(ledger, ["fh-1", "gone", "fh-2", "fh-3"])
    assert second is not None
    assert third is not None
    demands = Demands(
        retention_days=0, no_training=True, providers=frozenset({"y"}), not_providers=frozenset({"x"}), pinned=True
    )  # fmt: skip
    assert first == RecordedRequest(
        id="fh-1", key="app", dialect="openai_chat", answer_s=1.0 - 0.001, attempts=1,
        handling=Handling(DataClass.internal, frozenset({"eu"}), frozenset({"phi"}), demands),
    )  # fmt: skip
    assert (second.handling.regions, third.handling.regions) == (None, frozenset()), "nowhere is not anywhere"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("REPLAY_KEY", MASTER)
    place = Place(tmp_path)
    place.keep([recorded(n) for n in range(2)])
    place.start()
    return place


@pytest.fixture
def archive(place: Place) -> Iterator[Archive]:
    stated = place.migration.settings.recorded
    assert stated is not None
    with closing(Archive(place.ledger, place.migration, stated)) as archive:
        yield archive


def test_what_is_held_is_not_read_again_and_not_kept_beyond_its_erasure(place: Place, archive: Archive) -> None:
    held = archive.open("fh-000")
    assert isinstance(held, Found)
    assert archive.open("fh-000", held) == held
    assert place.looks() == 1
    with closing(ContentStore(place.content, b"m" * 32)) as store:
        store.erase("fh-000", 10.0**10)
    assert archive.open("fh-000", held) == "gone"


def test_another_master_key_is_no_fault_of_the_rows(place: Place, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(ContentStore(place.content, b"m" * 32)) as store:
        store.rotate(b"n" * 32)
    for _ in range(2):
        with pytest.raises(BadSettings, match="this key does not open the content store"):
            archive.open("fh-000")
    monkeypatch.setenv("REPLAY_KEY", "bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4=")
    assert isinstance(archive.open("fh-000"), Found)


def test_a_database_in_trouble_is_no_fault_of_the_rows(place: Place, archive: Archive) -> None:
    with closing(sqlite3.connect(keys_beside(place.content))) as db:
        db.execute("ALTER TABLE subjects RENAME TO elsewhere")
        with pytest.raises(BadSettings, match="no such table"):
            archive.open("fh-000")
        db.execute("ALTER TABLE elsewhere RENAME TO subjects")
    assert isinstance(archive.open("fh-000"), Found)


@pytest.mark.parametrize(
    ("file", "sql"),
    [
        ("keys", "DELETE FROM subjects WHERE key_id = (SELECT key_id FROM subjects ORDER BY rowid LIMIT 1)"),
        ("content", "UPDATE records SET ciphertext = zeroblob(99) WHERE id = 'fh-000'"),
    ],
)
def test_a_row_without_its_key_or_with_other_bytes_is_unreadable(place: Place, archive: Archive, file: str, sql: str) -> None:
    path = place.content if file == "content" else keys_beside(place.content)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(sql)
    assert archive.open("fh-000") == "unreadable"
    assert isinstance(archive.open("fh-001"), Found)


def test_what_bound_a_request_and_cannot_be_read_is_told_apart(place: Place, archive: Archive) -> None:
    with closing(sqlite3.connect(place.ledger)) as db, db:
        db.execute("UPDATE entries SET demanded = '{' WHERE id = 'fh-000'")
    assert recorded_requests(place.ledger, ["fh-000"]) == [None]
    assert archive.open("fh-000") == "unreadable"
