"""All requests of a ledger file as columns: in chunks of rows, on two threads, from one state of the file.

A chunk is read packed, or row by row where `sqlite_packing` says that it does not fit. While SQLite packs it holds no lock of
Python's, so that two threads use two cores. Further kinds of token are read where they hold anything.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path
from queue import SimpleQueue
from typing import TypeAlias

import msgspec

from freehold.core.usage import Bucket
from freehold.plan.demand.traffic import Requests, TrafficRow, joined, requests_from_rows
from freehold.serve.stores.columns import BUCKETS, KINDS, KINDS_APART, Span, buckets_apart
from freehold.serve.stores.place import StoreError
from freehold.serve.stores.sqlite_packing import Names, Table, packed, unpacked
from freehold.serve.stores.told_apart import INDEX, TOLD_APART

THREADS = 2
CHUNK_ROWS = 32_768

ENTRIES = Table(
    name="entries",
    time="stands_for",
    input_tokens="uncached_input + coalesce(cache_read, 0) + coalesce(cache_write, 0)",
    cache_read="coalesce(cache_read, 0)",
    output_tokens="answer_output + coalesce(reasoning, 0)",
    rows="outcome = 'finished' AND uncached_input IS NOT NULL AND rowid BETWEEN ? AND ?",
    kinds=KINDS,
)
ENTRIES_APART = msgspec.structs.replace(ENTRIES, kinds=KINDS_APART)
IMPORTED = Table(
    name="imported",
    time="time",
    input_tokens="input_tokens",
    cache_read="cache_read",
    output_tokens="output_tokens",
    rows="bucket_s IS NULL AND source = ? AND line BETWEEN ? AND ?",
)
_SOURCES = "SELECT id, records, rows, finished_at FROM sources ORDER BY id"

_Chunk: TypeAlias = tuple[Table, tuple[int, ...]]


class _Side:
    """One connection with its snapshot of the file, and the names it has met."""

    def __init__(self, db: sqlite3.Connection, span: Span) -> None:
        self.db = db
        self._span = span
        self._names = Names()
        self._kinds: set[Bucket] = set()  # of those that an entry's own row tells: what held anything so far

    def read(self, chunk: _Chunk) -> dict[str, Requests]:
        """The requests of a chunk by workload, in the order of the table."""
        table, place = chunk
        # The plus keeps SQLite from going by the time's index, which is slower and another order.
        within, bounds = self._span.condition(f"+{table.time}")
        source = f" FROM {table.name} WHERE {table.rows}{within}"
        kinds = [kind for kind in table.kinds if table is ENTRIES_APART or kind in self._kinds]
        others = [kind for kind in table.kinds if kind not in kinds]
        columns, names = packed(table, self._names, kinds)
        columns = ", ".join([columns, *(f"max({table.kinds[kind]})" for kind in others)])
        count, text, *most = self.db.execute(f"SELECT {columns}{source}", (*names, *place, *bounds)).fetchone()
        if met := {kind for kind, tokens in zip(others, most, strict=True) if tokens is not None and tokens > 0}:
            self._kinds |= met
            return self.read(chunk)
        found = unpacked(count, text, self._names, kinds)
        if found is None:
            found = self._row_by_row(table, kinds, source, (*place, *bounds))
            self._names.learn(found)
        return found

    def _row_by_row(
        self, table: Table, kinds: Sequence[Bucket], source: str, values: Sequence[float]
    ) -> dict[str, Requests]:  # fmt: skip
        columns = (table.time, "workload", "data_class", table.input_tokens, table.cache_read, table.output_tokens)
        rows = self.db.execute(f"SELECT {', '.join([*columns, *(table.kinds[kind] for kind in kinds)])}{source}", values)
        return requests_from_rows(
            TrafficRow(at, workload, data_class, inputs, cached, outputs, dict(zip(kinds, told, strict=True)))
            for at, workload, data_class, inputs, cached, outputs, *told in rows
        )


def read_columns(path: Path, span: Span) -> dict[str, Requests]:
    """By workload every finished request in the order of the ledger, then imported ones in the order of their files, then those
    that imported buckets are taken apart into. Raises StoreError, and BadSettings on a count that 64 bits do not hold."""
    parts: dict[str, list[Requests]] = {}
    try:
        with ExitStack() as stack:
            sides = [_Side(db, span) for db in _same_state(path, stack)]
            db = sides[0].db
            imports = _imports(db)
            chunks = [*_entry_chunks(db, span), *(_import_chunks(db) if imports else ())]
            for found in chain(_read_all(sides, chunks), buckets_apart(db.execute(BUCKETS), span, CHUNK_ROWS) if imports else ()):
                for workload, requests in found.items():
                    parts.setdefault(workload, []).append(requests)
    except sqlite3.Error as error:
        raise StoreError(str(error)) from None
    return {workload: joined(parts.pop(workload)) for workload in list(parts)}


def _same_state(path: Path, stack: ExitStack) -> list[sqlite3.Connection]:
    """Connections that see the same imports; entries only grow, and those of the first connection are seen by all. Only one
    where an import is being written too fast."""
    sides: list[tuple[sqlite3.Connection, list[tuple[object, ...]]]] = []
    for _ in range(THREADS):
        address = f"{path.absolute().as_uri()}?mode=ro"
        db = sqlite3.connect(address, uri=True, timeout=10.0, isolation_level=None, check_same_thread=False)
        stack.enter_context(closing(db))
        db.execute("BEGIN")
        sides.append((db, list(db.execute(_SOURCES)) if _imports(db) else []))
    return [db for db, sources in sides if sources == sides[0][1]]


def _imports(db: sqlite3.Connection) -> bool:
    """False in a file that an older version wrote; a reader changes nothing about it."""
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = 'imported'").fetchone() is not None


def _entry_chunks(db: sqlite3.Connection, span: Span) -> Iterator[_Chunk]:
    within, bounds = span.condition("stands_for")
    ends = (f"(SELECT {end}(rowid) FROM entries WHERE 1{within})" for end in ("min", "max"))  # noqa: S608 (fixed names)
    first, last = db.execute(f"SELECT {', '.join(ends)}", (*bounds, *bounds)).fetchone()
    apart = _entries_told_apart(db)
    for row in range(first, last + 1, CHUNK_ROWS) if first is not None else ():
        end = min(row + CHUNK_ROWS - 1, last)
        at = bisect_left(apart, row)
        yield (ENTRIES_APART if at < len(apart) and apart[at] <= end else ENTRIES), (row, end)


def _entries_told_apart(db: sqlite3.Connection) -> list[int]:
    """The rows, in order, of entries whose attempts tell further kinds apart, of which an entry's own row knows nothing."""
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (INDEX,)).fetchone() is None:
        return []  # an older version wrote it, or none did
    rows = db.execute(
        f"""SELECT DISTINCT e.rowid FROM attempts INDEXED BY {INDEX} CROSS JOIN entries e ON e.id = entry_id
        WHERE {TOLD_APART} ORDER BY e.rowid"""  # noqa: S608 (fixed names)
    )
    return [row for (row,) in rows]


def _import_chunks(db: sqlite3.Connection) -> Iterator[_Chunk]:
    """By lines of the files, of which most hold one request."""
    for (source,) in db.execute("SELECT id FROM sources ORDER BY id").fetchall():
        first, last = db.execute(
            "SELECT (SELECT min(line) FROM imported WHERE source = ?1), (SELECT max(line) FROM imported WHERE source = ?1)",
            (source,),
        ).fetchone()
        if first is not None:
            lines = range(first, last + 1, CHUNK_ROWS)
            yield from ((IMPORTED, (source, line, line + CHUNK_ROWS - 1)) for line in lines)


def _read_all(sides: list[_Side], chunks: list[_Chunk]) -> Iterator[dict[str, Requests]]:
    """Each chunk by whichever side is free, in the order of the chunks."""
    free: SimpleQueue[_Side] = SimpleQueue()
    for side in sides:
        free.put(side)

    def read(chunk: _Chunk) -> dict[str, Requests]:
        side = free.get()
        try:
            return side.read(chunk)
        finally:
            free.put(side)

    with ThreadPoolExecutor(len(sides)) as pool:
        yield from pool.map(read, chunks)
