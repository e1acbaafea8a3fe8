"""The contract of an entry store, held by the SQLite one: all or nothing, durable, readable beside, and only a file of ours."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ledger_entries import CARD, entry

from freehold.core.decision import Removed
from freehold.core.errors import BadSettings, LedgerUnavailable
from freehold.core.usage import Usage
from freehold.serve.stores.reader import LedgerReader, Slice
from freehold.serve.stores.sqlite import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(path)) as store:
        yield store


def rows(path: Path, sql: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(sql)]


def test_an_entry_as_it_lies_in_the_file(store: SqliteStore, path: Path) -> None:
    removed = (Removed("box", "data_class", "restricted data, cleared for internal"),)
    store.write([entry("fh-1", removed=removed)])
    (row,) = rows(path, "SELECT * FROM entries")
    tokens = ("uncached_input", "cache_read", "cache_write", "answer_output", "reasoning", "usage_source")
    assert tuple(row[name] for name in tokens) == (70, 30, None, 15, 5, "provider"), "disjoint, and NULL where unreported"
    assert (row["id"], row["regions"], row["stream"], row["cost_nanousd"]) == ("fh-1", "eu,us", 1, 450_000)
    assert msgspec.json.decode(row["removed"], type=tuple[Removed, ...]) == removed
    (attempt,) = rows(path, "SELECT * FROM attempts JOIN prices ON prices.id = price_id")
    assert (attempt["entry_id"], attempt["n"], attempt["raw_usage"]) == ("fh-1", 0, '{"prompt_tokens":100}')
    assert msgspec.json.decode(attempt["card"], type=type(CARD)) == CARD
    assert (attempt["valid_from"], attempt["source"]) == ("2026-11-01", "tests")
    kinds = ("cache_write_1h", "input_audio", "cache_read_audio", "output_audio", "service_tier")
    assert {attempt[name] for name in kinds} == {None}, "unreported is no zero"


def test_a_refused_request_has_no_target_and_no_tokens(store: SqliteStore, path: Path) -> None:
    refused = entry(
        "fh-1", outcome="refused", status=403, target=None, model=None, basis=None, usage=None, cost_nanousd=0, ttft_s=None,
        regions=None, attempts=[],
    )  # fmt: skip
    store.write([refused])
    (row,) = rows(path, "SELECT * FROM entries")
    assert {row[name] for name in ("target", "model", "basis", "uncached_input", "usage_source", "ttft_s", "regions")} == {None}
    assert rows(path, "SELECT * FROM attempts") == []


@pytest.mark.parametrize(
    "bad",
    [
        entry("fh-0"),  # there already
        entry("fh-3", usage=Usage(input_tokens=2**63, output_tokens=0, source="provider")),
        entry("fh-3", cost_nanousd=2**70),
        entry("fh-3", workload=None),
    ],
    ids=["twice", "tokens past 2**63", "cost past 2**63", "no workload"],
)
def test_a_batch_is_written_whole_or_not_at_all(store: SqliteStore, path: Path, bad: Any) -> None:
    store.write([entry("fh-0")])
    with pytest.raises(LedgerUnavailable, match="cannot be written"):
        store.write([entry("fh-1"), bad, entry("fh-2")])
    assert [row["id"] for row in rows(path, "SELECT id FROM entries")] == ["fh-0"]
    assert len(rows(path, "SELECT * FROM attempts")) == 1
    store.write([entry("fh-1"), entry("fh-2")])
    assert len(rows(path, "SELECT * FROM entries")) == 3


def test_a_price_is_kept_once(store: SqliteStore, path: Path) -> None:
    other = msgspec.structs.replace(CARD, valid_from="2026-12-01")
    store.write([entry("fh-1"), entry("fh-2")])
    store.write([entry("fh-3")])
    later = entry("fh-4")
    later.attempts[0].price = other
    store.write([later])
    with closing(SqliteStore(path)) as again:  # one that does not know which it has written
        again.write([entry("fh-5")])
    assert sorted(row["valid_from"] for row in rows(path, "SELECT * FROM prices")) == ["2026-11-01", "2026-12-01"]
    used = rows(path, "SELECT price_id, count(*) AS n FROM attempts GROUP BY 1")
    assert sorted(row["n"] for row in used) == [1, 4]


def test_a_price_of_a_batch_that_failed_is_written_with_the_next(store: SqliteStore, path: Path) -> None:
    with pytest.raises(LedgerUnavailable):
        store.write([entry("fh-1"), entry("fh-1")])
    store.write([entry("fh-1")])
    assert len(rows(path, "SELECT * FROM prices")) == 1


def test_every_commit_is_synced(path: Path, store: SqliteStore) -> None:
    assert rows(path, "PRAGMA journal_mode") == [{"journal_mode": "wal"}]
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: the WAL is fsynced on every commit


def test_it_is_read_while_it_is_written(store: SqliteStore, path: Path) -> None:
    reader = LedgerReader(path)
    for n in range(3):
        store.write([entry(f"fh-{n}")])
        assert reader.missing([f"fh-{n}", "fh-9"]) == {"fh-9"}


def test_it_survives_being_opened_again(path: Path) -> None:
    for n in range(3):
        with closing(SqliteStore(path)) as store:
            store.write([entry(f"fh-{n}")])
    assert [file.name for file in path.parent.iterdir()] == ["ledger.db"], "closing folds the WAL back into the file"
    assert len(rows(path, "SELECT * FROM entries")) == 3


def test_a_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(BadSettings, match=r"newer version \(schema 99, known is \d+\)"):
        SqliteStore(path)
    assert rows(path, "PRAGMA user_version") == [{"user_version": 99}]


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    with pytest.raises(BadSettings, match="another program's database"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_ledger(path: Path) -> None:
    path.touch()
    with closing(SqliteStore(path)) as store:
        store.write([entry("fh-1")])
    assert rows(path, "PRAGMA application_id") == [{"application_id": 0x46524548}]


def test_a_probe_commits_and_fails_as_a_write_does(store: SqliteStore, path: Path) -> None:
    store.probe()
    store.probe()
    assert rows(path, "SELECT count(*) AS n FROM probe") == [{"n": 1}]
    store.close()
    with pytest.raises(LedgerUnavailable):
        store.probe()


def test_views(store: SqliteStore, path: Path) -> None:
    failed = entry(
        "fh-3", outcome="failed", usage=None, cost_nanousd=0, ttft_s=None, attempts=[], target=None, model=None, basis=None
    )
    spilled = entry("fh-2", spilled=True, stands_for=1_600_000_000.0, ttft_s=0.4)
    store.write([entry("fh-1"), spilled, failed])
    reader = LedgerReader(path)
    nowhere, api = reader.slices()
    assert nowhere == Slice("triage", None, None, None, 1, 0, 0, 0, 0, 0, None)
    assert msgspec.structs.replace(api, mean_ttft_s=None) == Slice(
        "triage", "api", "rented", "lab-model", 2, 2, 1, 200, 40, 900_000, None
    )
    assert api.mean_ttft_s == pytest.approx(0.3)
    seen = reader.columns()["triage"]
    assert (seen.input_tokens.tolist(), seen.output_tokens.tolist()) == ([100, 100], [20, 20])
    assert [row["id"] for row in reader.recent(2)] == ["fh-3", "fh-2"]


def test_a_missing_ledger_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="no ledger at"):
        LedgerReader(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


def test_a_batch_of_more_rows_than_one_statement_takes(store: SqliteStore, path: Path) -> None:
    batch = [entry(f"fh-{n:03}") for n in range(70)]
    for one in batch[::3]:
        one.attempts.append(msgspec.structs.replace(one.attempts[0], reason="the second"))
    store.write(batch)
    assert [row["id"] for row in rows(path, "SELECT id FROM entries ORDER BY rowid")] == [one.id for one in batch]
    counts = {row["entry_id"]: row["n"] for row in rows(path, "SELECT entry_id, count(*) AS n FROM attempts GROUP BY entry_id")}
    assert counts == {one.id: len(one.attempts) for one in batch}


def test_one_bad_row_among_many_takes_the_batch_with_it(store: SqliteStore, path: Path) -> None:
    batch = [entry(f"fh-{n:03}") for n in range(40)]
    with pytest.raises(LedgerUnavailable):
        store.write([*batch, entry("fh-000")])
    assert rows(path, "SELECT * FROM entries") == rows(path, "SELECT * FROM attempts") == []
    store.write(batch)
    assert len(rows(path, "SELECT * FROM entries")) == 40
