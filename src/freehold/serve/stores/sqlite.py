"""The ledger in one SQLite file (WAL, fsync on every commit): entries, their attempts, and the price cards they refer to."""

import hashlib
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from freehold.core.entry import Attempt, Entry
from freehold.core.errors import BadSettings, LedgerUnavailable
from freehold.core.price import PriceCard
from freehold.core.usage import Usage

APPLICATION_ID = 0x46524548  # "FREH": tells our file from any other SQLite file

_MIGRATIONS = (
    """
    CREATE TABLE prices (id TEXT PRIMARY KEY, provider TEXT NOT NULL, model TEXT NOT NULL, valid_from TEXT NOT NULL,
        source TEXT NOT NULL, card TEXT NOT NULL) STRICT;
    CREATE TABLE entries (id TEXT PRIMARY KEY, received_at REAL NOT NULL, stands_for REAL NOT NULL, workload TEXT NOT NULL,
        key TEXT NOT NULL, data_class TEXT NOT NULL, regions TEXT, asked_model TEXT NOT NULL, dialect TEXT NOT NULL,
        stream INTEGER NOT NULL, policy TEXT NOT NULL, outcome TEXT NOT NULL, status INTEGER NOT NULL, error_code TEXT,
        reason TEXT NOT NULL, removed TEXT, spilled INTEGER NOT NULL, target TEXT, model TEXT, basis TEXT,
        uncached_input INTEGER, cache_read INTEGER, cache_write INTEGER, answer_output INTEGER, reasoning INTEGER,
        usage_source TEXT, cost_nanousd INTEGER NOT NULL, ttft_s REAL, total_s REAL NOT NULL) STRICT;
    CREATE INDEX entries_by_time ON entries (stands_for);
    CREATE TABLE attempts (entry_id TEXT NOT NULL REFERENCES entries (id), n INTEGER NOT NULL, target TEXT NOT NULL,
        model TEXT NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL, started_s REAL NOT NULL, first_token_s REAL,
        ended_s REAL, outcome TEXT NOT NULL, status INTEGER, detail TEXT NOT NULL, uncached_input INTEGER,
        cache_read INTEGER, cache_write INTEGER, answer_output INTEGER, reasoning INTEGER, usage_source TEXT, raw_usage TEXT,
        cost_nanousd INTEGER NOT NULL, price_id TEXT REFERENCES prices (id), PRIMARY KEY (entry_id, n)) STRICT, WITHOUT ROWID;
    CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), at TEXT NOT NULL) STRICT;
    """,
    """
    CREATE TABLE sources (id INTEGER PRIMARY KEY AUTOINCREMENT, sha256 TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
        settings TEXT NOT NULL, records INTEGER NOT NULL DEFAULT 0, rows INTEGER NOT NULL DEFAULT 0,
        left_out INTEGER NOT NULL DEFAULT 0, bad INTEGER NOT NULL DEFAULT 0, started_at REAL NOT NULL, finished_at REAL) STRICT;
    CREATE TABLE imported (source INTEGER NOT NULL REFERENCES sources (id), line INTEGER NOT NULL, part INTEGER NOT NULL,
        time REAL NOT NULL, bucket_s REAL, workload TEXT NOT NULL, data_class TEXT NOT NULL, provider TEXT, model TEXT,
        requests INTEGER, input_tokens INTEGER NOT NULL, cache_read INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
        cost_nanousd INTEGER, PRIMARY KEY (source, line, part)) STRICT, WITHOUT ROWID;
    """,
)

_INSERT_PRICE = "INSERT OR IGNORE INTO prices VALUES (?,?,?,?,?,?)"
_INSERT_ENTRY = "INSERT INTO entries VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_INSERT_ATTEMPT = "INSERT INTO attempts VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
_CHECKED_UP_TO_BYTES = 256 * 1024 * 1024  # a full check reads the whole file: seconds a gigabyte


class SqliteStore:
    """An EntryStore. Used from the journal's one thread; readers open the file themselves, read-only."""

    def __init__(self, path: Path) -> None:
        """Open or create. Raises BadSettings with one line when the file cannot be a ledger of ours."""
        self._path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
            self._prepare()
        except sqlite3.Error as error:
            raise BadSettings(f"ledger {path}: {error}; move the file away to start a new one, or name another") from None
        self._known_prices: set[str] = set()

    def _prepare(self) -> None:
        db = self._db
        tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        owner = db.execute("PRAGMA application_id").fetchone()[0]
        if tables and owner != APPLICATION_ID:
            raise sqlite3.DatabaseError("this is another program's database, not a ledger")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        done = db.execute("PRAGMA user_version").fetchone()[0]
        if done > len(_MIGRATIONS):
            raise sqlite3.DatabaseError(f"it was written by a newer version (schema {done}, known is {len(_MIGRATIONS)})")
        for number, script in enumerate(_MIGRATIONS[done:], done + 1):
            db.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; PRAGMA application_id = {APPLICATION_ID}; COMMIT;")
        small = self._path.stat().st_size <= _CHECKED_UP_TO_BYTES
        damage = db.execute("PRAGMA quick_check(1)").fetchone()[0] if small else "ok"
        if damage != "ok":
            raise sqlite3.DatabaseError(f"damaged: {' '.join(damage.split())}")

    def write(self, entries: Sequence[Entry]) -> None:
        """All entries in one fsynced transaction, or none. Raises LedgerUnavailable."""
        cards = {_price_id(a.price): a.price for e in entries for a in e.attempts if a.price is not None}
        fresh = [(ident, card) for ident, card in cards.items() if ident not in self._known_prices]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(_INSERT_PRICE, [_price_row(i, c) for i, c in fresh])
            self._db.executemany(_INSERT_ENTRY, [_entry_row(e) for e in entries])
            attempts = [_attempt_row(e.id, n, a) for e in entries for n, a in enumerate(e.attempts)]
            self._db.executemany(_INSERT_ATTEMPT, attempts)
            self._db.execute("COMMIT")
        except BaseException as error:  # a transaction left open would take the next one with it
            self._roll_back()
            if isinstance(error, sqlite3.Error | OverflowError):  # SQLite's integers end at 2**63
                raise LedgerUnavailable(f"the ledger cannot be written: {error}") from None
            raise
        self._known_prices.update(ident for ident, _ in fresh)

    def probe(self) -> None:
        """A committed write of nothing that matters. Raises LedgerUnavailable."""
        try:
            self._db.execute("INSERT OR REPLACE INTO probe VALUES (1, datetime('now'))")
        except sqlite3.Error as error:
            raise LedgerUnavailable(f"the ledger cannot be written: {error}") from None

    def close(self) -> None:
        """Close; the last connection folds the WAL back into the file."""
        self._db.close()

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


def _buckets(usage: Usage | None) -> tuple[int | str | None, ...]:
    """Disjoint token buckets and who counted; an unreported detail is NULL, and its tokens stay in the bucket it is part of."""
    if usage is None:
        return (None,) * 6
    return usage.uncached, usage.cache_read, usage.cache_write, usage.answer, usage.reasoning, usage.source


def _entry_row(e: Entry) -> tuple[object, ...]:
    regions = None if e.regions is None else ",".join(e.regions)
    removed = msgspec.json.encode(e.removed).decode() if e.removed else None
    return (
        e.id, e.received_at, e.stands_for, e.workload, e.key, e.data_class, regions, e.asked_model, e.dialect, e.stream,
        e.policy, e.outcome, e.status, e.error_code, e.reason, removed, e.spilled, e.target, e.model, e.basis,
        *_buckets(e.usage), e.cost_nanousd, e.ttft_s, e.total_s,
    )  # fmt: skip


def _attempt_row(entry_id: str, n: int, a: Attempt) -> tuple[object, ...]:
    return (
        entry_id, n, a.target, a.model, a.kind, a.reason, a.started_s, a.first_token_s, a.ended_s, a.outcome, a.status,
        a.detail, *_buckets(a.usage), a.raw_usage, a.cost_nanousd, None if a.price is None else _price_id(a.price),
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _price_id(card: PriceCard) -> str:
    return hashlib.sha256(msgspec.json.encode(card)).hexdigest()[:16]


def _price_row(ident: str, card: PriceCard) -> tuple[str, ...]:
    return ident, card.provider, card.model, card.valid_from, card.source, msgspec.json.encode(card).decode()
