"""The migrations in a ledger: each with its log, in which scores and events stand in the one order they became durable in.

A line is written under its migration's row, so that numbers have no gap and nobody reads a later line before an earlier one. What
a line means is for others: a store keeps text.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import msgspec

from freehold.core.errors import BadSettings, LedgerUnavailable
from freehold.serve.stores.connection import Connection, Row
from freehold.serve.stores.opening import connected, reading
from freehold.serve.stores.place import LedgerPlace, StoreError

_COLUMNS = "id, workload, target, settings, made_at, lines, events"
_ALL = f"SELECT {_COLUMNS} FROM migrations ORDER BY made_at, id"  # noqa: S608 (fixed names)
_PUT = f"INSERT INTO migrations ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, 0, 0)"  # noqa: S608 (fixed names)
_TURN = "UPDATE migrations SET lines = lines + ?, events = events + ? WHERE id = ? RETURNING lines, events"
_PUT_EVENT = "INSERT INTO migration_events (migration, n, at, kind, decided_by, why, evidence) VALUES (?, ?, ?, ?, ?, ?, ?)"
_PUT_SCORE = "INSERT INTO migration_scores (migration, n, score) VALUES (?, ?, ?)"
_EVENTS = """SELECT n, at, kind, decided_by, why, evidence FROM migration_events WHERE migration = ? AND n > ? AND n <= ?
    ORDER BY n"""
_SCORES = "SELECT n, score FROM migration_scores WHERE migration = ? AND n > ? AND n <= ? ORDER BY n"
_CHUNK, _MOST = 5_000, 2**62


class StoredMigration(msgspec.Struct, frozen=True):
    """One migration as it stands there. `settings`: JSON; `made_at`: Unix seconds; `lines` and `events`: how many there are."""

    id: str
    workload: str
    target: str
    settings: str
    made_at: float
    lines: int = 0
    events: int = 0


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One decision. `n` is its line, 0 where it is still to be written; `evidence`: JSON."""

    n: int = 0
    at: float
    kind: str
    decided_by: str
    why: str
    evidence: str


class StoredScore(msgspec.Struct, frozen=True):
    """One score, as JSON."""

    n: int
    score: str


class MigrationStore:
    """Each call is a transaction of its own, beside the journal's. Writing raises LedgerUnavailable, reading BadSettings."""

    def __init__(self, place: LedgerPlace) -> None:
        self._place = place

    def all(self) -> list[StoredMigration]:
        """Every migration, oldest first; none in a ledger that an older version wrote."""
        with reading(self._place) as db:
            return [StoredMigration(*row) for row in db.rows(_ALL)] if db.has("migrations") else []

    def lines(self, migration: str, beyond: int = 0) -> Iterator[StoredEvent | StoredScore]:
        """Its log behind that line, in order, as it is when the first is read."""
        with reading(self._place) as db:
            ((last,),) = db.rows("SELECT lines FROM migrations WHERE id = ?", (migration,))
            for start in range(beyond, last, _CHUNK):
                span = (migration, start, min(last, start + _CHUNK))
                found: list[StoredEvent | StoredScore] = [StoredScore(*row) for row in db.rows(_SCORES, span)]
                found += [_event(row) for row in db.rows(_EVENTS, span)]
                yield from sorted(found, key=lambda line: line.n)

    def events(self, migration: str) -> list[StoredEvent]:
        """Only what was decided, in order."""
        with reading(self._place) as db:
            return [_event(row) for row in db.rows(_EVENTS, (migration, 0, _MOST))]

    def make(self, migration: StoredMigration, first: Sequence[StoredEvent]) -> None:
        """Put a new one there with its first events. Raises BadSettings too, where the ledger is older than migrations."""
        with self._writing() as db:
            if not db.has("migrations"):
                raise BadSettings(f"the ledger {self._place} was written by an older version; start the gateway on it once")
            one = migration
            db.run(_PUT, (one.id, one.workload, one.target, one.settings, one.made_at))
            for event in first:
                _append(db, migration.id, event)

    def append(self, migration: str, event: StoredEvent, after: int) -> bool:
        """Write an event as the one behind the first `after`; False, with nothing written, where others were faster."""
        with self._writing() as db:
            ((_, events),) = db.rows(_TURN, (0, 0, migration))
            if events != after:
                return False
            _append(db, migration, event)
            return True

    def score(self, migration: str, scores: Sequence[str]) -> None:
        """Write these scores behind what is there, all or none."""
        with self._writing() as db:
            ((last, _),) = db.rows(_TURN, (len(scores), 0, migration))
            first = last - len(scores) + 1
            db.run_many(_PUT_SCORE, [(migration, first + place, score) for place, score in enumerate(scores)])

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        try:
            with closing(connected(self._place, read_only=False)) as db, db.transaction():
                yield db
        except StoreError as error:
            raise LedgerUnavailable(f"the migration cannot be written: {error}") from None


def _event(row: Row) -> StoredEvent:
    n, at, kind, decided_by, why, evidence = row
    return StoredEvent(n=n, at=at, kind=kind, decided_by=decided_by, why=why, evidence=evidence)


def _append(db: Connection, migration: str, event: StoredEvent) -> None:
    ((n, _),) = db.rows(_TURN, (1, 1, migration))
    db.run(_PUT_EVENT, (migration, n, event.at, event.kind, event.decided_by, event.why, event.evidence))
