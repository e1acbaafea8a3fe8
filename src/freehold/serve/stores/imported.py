"""Imported use in the ledger: beside the entries, because it was never served here, and how far each file has come."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from freehold.core.errors import BadSettings
from freehold.plan.logs.usage import LoggedUsage
from freehold.serve.stores.opening import connected, open_store
from freehold.serve.stores.place import LedgerPlace, StoreError

_SOURCE = "id, sha256, name, settings, records, rows, left_out, bad, finished_at"
_INSERT = "INSERT INTO imported VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_OVERLAPPING = """WITH spans AS (SELECT source, workload, min(time) AS first, max(time) AS last FROM imported GROUP BY 1, 2)
    SELECT DISTINCT s.name FROM spans own JOIN spans other ON own.workload = other.workload AND own.source != other.source
    AND own.first <= other.last AND other.first <= own.last JOIN sources s ON s.id = other.source
    WHERE own.source = ? ORDER BY 1"""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is or was imported. `records` of it were read so far: `rows` are kept, `left_out` are no use of tokens.

    `settings` is what makes its rows what they are, as text; `finished_at` None: only a part is imported.
    """

    id: int
    sha256: str
    name: str
    settings: str
    records: int = 0
    rows: int = 0
    left_out: int = 0
    bad: int = 0
    finished_at: float | None = None


class ImportedRow(msgspec.Struct, frozen=True):
    """Where a record stood in its file, what it belongs to, and what it says."""

    line: int
    part: int
    workload: str
    data_class: str
    usage: LoggedUsage


class ImportStore:
    """The writing side. Every step is one transaction, so a file that broke off goes on where it was."""

    def __init__(self, place: LedgerPlace) -> None:
        """Open the ledger, or start one. Raises BadSettings when that cannot be a ledger of ours."""
        open_store(place).close()
        self._place = place
        with self._told():
            self._db = connected(place, read_only=False)

    def begin(self, sha256: str, name: str, settings: str) -> Source:
        """The source with this content: as it was left, or new. Raises BadSettings."""
        with self._told(), self._db.transaction():
            self._db.run(
                "INSERT INTO sources (sha256, name, settings, started_at) VALUES (?,?,?,?) ON CONFLICT DO NOTHING",
                (sha256, name, settings, time.time()),
            )
            (found,) = self._db.rows(f"SELECT {_SOURCE} FROM sources WHERE sha256 = ?", (sha256,))  # noqa: S608 (fixed names)
        return Source(**dict(zip(Source.__struct_fields__, found, strict=True)))

    def add(self, source: Source, rows: Sequence[ImportedRow], *, finished: bool = False) -> Source:
        """Keep rows, and the counts of `source` as how far it has come. All or nothing. Raises BadSettings."""
        if finished:
            source = msgspec.structs.replace(source, finished_at=time.time())
        counts = (source.records, source.rows, source.left_out, source.bad, source.finished_at, source.id)
        with self._told(source.name), self._db.transaction():
            self._db.run_many(_INSERT, [_values(source.id, row) for row in rows])
            self._db.run("UPDATE sources SET records = ?, rows = ?, left_out = ?, bad = ?, finished_at = ? WHERE id = ?", counts)
        return source

    def forget(self, sha256: str) -> None:
        """Remove a source and its rows, if it is there. Raises BadSettings."""
        with self._told(), self._db.transaction():
            self._db.run("DELETE FROM imported WHERE source = (SELECT id FROM sources WHERE sha256 = ?)", (sha256,))
            self._db.run("DELETE FROM sources WHERE sha256 = ?", (sha256,))

    def overlapping(self, source: Source) -> list[str]:
        """Names of other files with rows of the same workload in the same time: the same use may count twice."""
        with self._told(), self._db.transaction():
            return [name for (name,) in self._db.rows(_OVERLAPPING, (source.id,))]

    def close(self) -> None:
        """Let go of the ledger."""
        self._db.close()

    @contextmanager
    def _told(self, name: str = "the file") -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            if error.duplicate:
                raise BadSettings(f"{name} is being imported by another process; let that one finish") from None
            raise BadSettings(
                f"cannot write the ledger {self._place}: {error}; what was imported so far is kept, run again to go on"
            ) from None


def _values(source: int, row: ImportedRow) -> tuple[object, ...]:
    used = row.usage
    return (
        source, row.line, row.part, used.time, used.bucket_s, row.workload, row.data_class, used.provider, used.model,
        used.requests, used.input_tokens, used.cache_read, used.output_tokens, used.cost_nanousd,
    )  # fmt: skip
