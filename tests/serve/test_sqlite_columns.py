"""A ledger read as columns: what it says row by row, whatever is in it and whoever writes it meanwhile."""

import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_entries import entry

from freehold.core.errors import BadSettings
from freehold.core.usage import Usage
from freehold.plan.demand.traffic import Requests
from freehold.plan.logs.buckets import Bucket, requests_of
from freehold.plan.logs.usage import LoggedUsage
from freehold.serve.stores import sqlite_columns
from freehold.serve.stores.imported import ImportedRow, ImportStore
from freehold.serve.stores.reader import LedgerReader
from freehold.serve.stores.sqlite import SqliteStore
from freehold.serve.stores.sqlite_packing import Names, packed, unpacked

_WHEN = 1_795_000_000.0
MADE_UP = {
    "received_at": 0.0, "key": "k", "asked_model": "m", "dialect": "d", "stream": 0, "policy": "p", "status": 200, "reason": "r",
    "spilled": 0, "cost_nanousd": 0, "total_s": 0.0,
}  # fmt: skip
TOKENS = ("uncached_input", "cache_read", "cache_write", "answer_output", "reasoning")

Row = tuple[float, str, str, int, int, int]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("columns") / "ledger.db"
    SqliteStore(path).close()
    return path


@pytest.fixture(autouse=True)
def _chunks_of_five(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_columns, "CHUNK_ROWS", 5)


times = st.one_of(
    st.floats(1.7e9, 1.8e9),
    st.sampled_from([_WHEN, _WHEN, 0.0, -1.0, 2.0**30, 2.0**30 - 2.0**-23, 2.0**38, 1e300, float("inf")]),
    st.floats(allow_nan=False),
)
counts = st.one_of(st.integers(0, 200_000), st.sampled_from([2**20 - 1, 2**20, -1, -9_000, -65_536, 2**40, 2**60]))
maybe = st.none() | counts
workloads = st.sampled_from(["chat", "code", "", "it's", "a\0b", "Straße", "😀", "chat "])
classes = st.sampled_from(["public", "internal", "restricted", "odd"])
entries = st.tuples(
    times, workloads, classes, st.sampled_from(["finished", "finished", "failed"]), maybe, maybe, maybe, counts, maybe
)
singles = st.tuples(st.integers(1, 2), times, workloads, classes, counts, counts, counts)
near = st.one_of(st.floats(1.7e9, 1.8e9), st.sampled_from([0.0, _WHEN]))
buckets = st.tuples(near, workloads, classes, st.none() | st.integers(1, 12), st.integers(0, 9_000), st.integers(0, 9_000))
bounds = st.none() | st.sampled_from([_WHEN, _WHEN + 1, 0.0, 1.75e9, 5e9])


@given(
    st.lists(entries, max_size=40),
    st.lists(singles, max_size=20),
    st.lists(buckets, max_size=4, unique_by=lambda bucket: bucket[:3]),
    st.tuples(bounds, bounds),
)
def test_columns_say_what_the_rows_say(
    ledger: Path, served: list[Any], imported: list[Any], summed: list[Any], span: tuple[float | None, float | None]
) -> None:
    """The same requests in the same order, in chunks of five rows, packed or not."""
    with closing(sqlite3.connect(ledger)) as db:
        db.executescript("PRAGMA synchronous = OFF; DELETE FROM entries; DELETE FROM imported; DELETE FROM sources;")
        insert_entries(db, served)
        insert_imported(db, [(s, n, at, None, w, c, None, *tokens) for n, (s, at, w, c, *tokens) in enumerate(imported)])
        insert_imported(db, [(3, n, at, 60.0, w, c, r, i, i // 2, o) for n, (at, w, c, r, i, o) in enumerate(summed)])
        db.commit()
    finished = [row for row in served if row[3] == "finished" and row[4] is not None]
    parts = [
        [
            (at, w, c, n + (read or 0) + (written or 0), read or 0, o + (r or 0))
            for at, w, c, _, n, read, written, o, r in finished
        ],
        [row[1:] for row in sorted(imported, key=lambda row: row[0])],
        [row for at, w, c, r, i, o in sorted(summed) for row in taken_apart(Bucket(at, 60.0, w, c, r, i, i // 2, o))],
    ]
    since, until = (float("-inf") if span[0] is None else span[0]), span[1]
    expected = [row for part in parts for row in part if row[0] >= since and (until is None or row[0] < until)]
    found = LedgerReader(ledger).columns(*span)
    assert set(found) == {row[1] for row in expected}
    for name, requests in found.items():
        own = [row for row in expected if row[1] == name]
        order = sorted if summed else list  # buckets of one time have no order among them
        assert order(rows_of(name, requests)) == order(own)


def insert_entries(db: sqlite3.Connection, rows: Sequence[Any]) -> None:
    """Rows of time, workload, class, outcome and the five token counts; whatever else an entry has is made up."""
    names = ["id", "stands_for", "workload", "data_class", "outcome", *TOKENS, *MADE_UP]
    values = [(f"fh-{n:09}", *row, *MADE_UP.values()) for n, row in enumerate(rows)]
    db.executemany(f"INSERT INTO entries ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", values)


def insert_imported(db: sqlite3.Connection, rows: Sequence[Any]) -> None:
    """Rows of source, line, time, length of the bucket, workload, class, requests and the three token counts."""
    sources = [(row[0], str(row[0])) for row in rows]
    db.executemany("INSERT OR IGNORE INTO sources (id, sha256, name, settings, started_at) VALUES (?, ?, 'f', '', 0)", sources)
    names = "source, line, part, time, bucket_s, workload, data_class, requests, input_tokens, cache_read, output_tokens"
    db.executemany(f"INSERT INTO imported ({names}) VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def taken_apart(bucket: Bucket) -> list[Row]:
    return [(r.stands_for, r.workload, r.data_class, r.input_tokens, r.cache_read, r.output_tokens) for r in requests_of(bucket)]


def rows_of(name: str, requests: Requests) -> list[Row]:
    classes = [requests.classes[code] for code in requests.data_class]
    columns = (requests.unix_s, requests.input_tokens, requests.cache_read, requests.output_tokens)
    times, *tokens = (column.tolist() for column in columns)
    return [(at, name, c, *counts) for at, c, *counts in zip(times, classes, *tokens, strict=True)]


def packs(ledger: Path, rows: Sequence[Any], names: Names) -> dict[str, Requests] | None:
    with closing(sqlite3.connect(ledger)) as db:
        db.executescript("PRAGMA synchronous = OFF; DELETE FROM entries;")
        insert_entries(db, rows)
        columns, values = packed(sqlite_columns.ENTRIES, names)
        count, text = db.execute(f"SELECT {columns} FROM entries", values).fetchone()
        return unpacked(count, text, names)


def test_ordinary_rows_are_packed_and_others_are_not(ledger: Path) -> None:
    """That the fast way is taken at all, up to its last numbers."""
    names = Names()
    names.workloads, names.classes = ["chat", "code"], ["public", "internal"]
    usual = [(_WHEN + n / 7, "code", "internal", "finished", 2**20 - 1 - n, n, None, n, n) for n in range(9)]
    found = packs(ledger, usual, names)
    assert found is not None
    assert found["code"].unix_s.tolist() == [_WHEN + n / 7 for n in range(9)]
    assert found["code"].input_tokens.tolist() == [2**20 - 1] * 9
    assert found["code"].output_tokens.tolist() == [2 * n for n in range(9)]
    assert packs(ledger, [], names) == {}
    for place, odd in ((0, 1e9), (0, -1.0), (0, float("inf")), (1, "new"), (2, "new"), (4, 2**20), (4, -1), (7, 2**62)):
        row = list(usual[0])
        row[place] = odd
        assert packs(ledger, [*usual, row], names) is None


def test_a_count_beyond_64_bits_gets_one_clear_line(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as db:
        db.executescript("DELETE FROM entries; DELETE FROM imported;")
        insert_entries(db, [(_WHEN, "chat", "public", "finished", 2**63 - 1, 2**63 - 1, None, 1, None)])
        db.commit()
    with pytest.raises(BadSettings, match="the traffic of chat cannot be read: a token count is beyond 64 bits"):
        LedgerReader(ledger).columns()


def test_a_damaged_ledger_gets_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"no ledger at all" * 100)
    with pytest.raises(BadSettings, match="cannot read the ledger"):
        LedgerReader(path).columns()


def test_a_ledger_being_written_is_read_as_far_as_it_was_committed(tmp_path: Path) -> None:
    path, written = tmp_path / "ledger.db", [0]
    SqliteStore(path).close()

    def write() -> None:
        with closing(SqliteStore(path)) as store:
            for first in range(0, 150, 3):
                usages = [Usage(input_tokens=n, output_tokens=1, source="provider") for n in range(first, first + 3)]
                store.write([entry(f"fh-{u.input_tokens:09}", usage=u, stands_for=_WHEN) for u in usages])
                written[0] = first + 3

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not writing.done():
            before = written[0]
            found = LedgerReader(path).columns()
            seen = found["triage"].input_tokens.tolist() if found else []
            assert seen == list(range(len(seen)))
            assert before <= len(seen) <= written[0] + 3
        writing.result()
    assert len(LedgerReader(path).columns()["triage"].input_tokens) == 150


def test_imports_are_read_from_one_state_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import is forgotten after the first connection began and before the second did."""
    path = tmp_path / "ledger.db"
    usage = LoggedUsage(time=_WHEN, input_tokens=10, cache_read=0, output_tokens=1)
    with closing(ImportStore(path)) as store:
        rows = [ImportedRow(line, 0, "w", "public", usage) for line in range(23)]
        store.add(store.begin("a" * 64, "log.csv", "{}"), rows, finished=True)
    asked, imports = [0], sqlite_columns._imports

    def forgetting(db: sqlite3.Connection) -> bool:
        asked[0] += 1
        if asked[0] == 2:
            with closing(ImportStore(path)) as store:
                store.forget("a" * 64)
        return imports(db)

    monkeypatch.setattr(sqlite_columns, "_imports", forgetting)
    assert len(LedgerReader(path).columns()["w"].unix_s) == 23
    assert LedgerReader(path).columns() == {}
