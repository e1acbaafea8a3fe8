"""The ledger in one SQLite file (WAL, fsync on every commit): entries, their attempts, and the price cards they refer to.

The tables that others fill are made here too: imported use, the machines that stood behind owned targets, the policies.
"""

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path

from freehold.core.entry import Entry
from freehold.core.errors import BadSettings, LedgerUnavailable
from freehold.serve.stores.bookings import SPEND, TAKE, lease_rows, spent_rows
from freehold.serve.stores.entry_rows import ATTEMPT_COLUMNS, ENTRY_COLUMNS, attempt_row, entry_row, price_id, price_row
from freehold.serve.stores.told_apart import ADD_INDEX

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
    """
    ALTER TABLE entries ADD COLUMN marginal_nanousd INTEGER;
    ALTER TABLE entries ADD COLUMN shadow_nanousd INTEGER;
    ALTER TABLE entries ADD COLUMN shadow_at TEXT;
    ALTER TABLE entries ADD COLUMN lab INTEGER;
    CREATE INDEX entries_over_an_hour ON entries (received_at) WHERE total_s > 3600;
    CREATE TABLE machine_spans (id INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, model TEXT NOT NULL,
        began_at REAL NOT NULL, seen_until REAL NOT NULL, price_nanousd_h INTEGER NOT NULL, slots INTEGER, gpu TEXT NOT NULL,
        gpu_count INTEGER NOT NULL, provider TEXT NOT NULL, hire_plan TEXT NOT NULL, price_source TEXT NOT NULL,
        price_date TEXT NOT NULL, lab INTEGER NOT NULL) STRICT;
    """,
    """
    ALTER TABLE entries ADD COLUMN demanded TEXT;
    CREATE TABLE policies (version TEXT NOT NULL, loaded_at REAL NOT NULL, target TEXT NOT NULL, kind TEXT NOT NULL,
        codec TEXT NOT NULL, provider TEXT, model TEXT NOT NULL, pinned INTEGER NOT NULL, host TEXT NOT NULL,
        regions TEXT NOT NULL, clearance TEXT NOT NULL, retention_days INTEGER, trains_on_data INTEGER, baa INTEGER NOT NULL,
        labels TEXT, egress TEXT NOT NULL, lab INTEGER NOT NULL, PRIMARY KEY (version, target)) STRICT, WITHOUT ROWID;
    CREATE TABLE policy_spans (id INTEGER PRIMARY KEY AUTOINCREMENT, version TEXT NOT NULL, began_at REAL NOT NULL,
        seen_until REAL NOT NULL) STRICT;
    """,
    """
    ALTER TABLE entries ADD COLUMN team TEXT;
    ALTER TABLE entries ADD COLUMN user_id TEXT;
    ALTER TABLE entries ADD COLUMN budgets TEXT;
    CREATE TABLE api_keys (id TEXT PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL UNIQUE, role TEXT, grants TEXT NOT NULL,
        made_at REAL NOT NULL, expires_at REAL, revoked_at REAL) STRICT;
    CREATE TABLE api_keys_version (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL) STRICT;
    INSERT INTO api_keys_version VALUES (1, 0);
    CREATE TABLE budget_spent (owner TEXT NOT NULL, period TEXT NOT NULL, spent_nanousd INTEGER NOT NULL,
        PRIMARY KEY (owner, period)) STRICT, WITHOUT ROWID;
    CREATE TABLE budget_leases (id TEXT PRIMARY KEY, owner TEXT NOT NULL, period TEXT NOT NULL,
        amount_nanousd INTEGER NOT NULL CHECK (amount_nanousd >= 0), expires_at REAL NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX budget_leases_by_owner ON budget_leases (owner, period);
    """,
    "ALTER TABLE entries ADD COLUMN findings TEXT;",
    """
    ALTER TABLE entries ADD COLUMN prompt TEXT;
    ALTER TABLE entries ADD COLUMN weights TEXT;
    ALTER TABLE attempts ADD COLUMN prompt TEXT;
    ALTER TABLE attempts ADD COLUMN weights TEXT;
    CREATE TABLE policy_releases (version TEXT NOT NULL, workload TEXT NOT NULL, target TEXT NOT NULL, model TEXT NOT NULL,
        prompt TEXT, weights TEXT, PRIMARY KEY (version, workload, target)) STRICT, WITHOUT ROWID;
    """,
    """
    ALTER TABLE attempts ADD COLUMN cache_write_1h INTEGER;
    ALTER TABLE attempts ADD COLUMN input_audio INTEGER;
    ALTER TABLE attempts ADD COLUMN cache_read_audio INTEGER;
    ALTER TABLE attempts ADD COLUMN output_audio INTEGER;
    ALTER TABLE attempts ADD COLUMN service_tier TEXT;
    """,
    """
    ALTER TABLE entries ADD COLUMN purpose TEXT;
    CREATE TABLE migrations (id TEXT PRIMARY KEY, workload TEXT NOT NULL, target TEXT NOT NULL, settings TEXT NOT NULL,
        made_at REAL NOT NULL, lines INTEGER NOT NULL, events INTEGER NOT NULL) STRICT;
    CREATE TABLE migration_events (migration TEXT NOT NULL, n INTEGER NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL,
        decided_by TEXT NOT NULL, why TEXT NOT NULL, evidence TEXT NOT NULL, PRIMARY KEY (migration, n)) STRICT, WITHOUT ROWID;
    CREATE TABLE migration_scores (migration TEXT NOT NULL, n INTEGER NOT NULL, score TEXT NOT NULL,
        PRIMARY KEY (migration, n)) STRICT, WITHOUT ROWID;
    """,
    ADD_INDEX,
)

_INSERT_PRICE = "INSERT OR IGNORE INTO prices VALUES (?,?,?,?,?,?)"
_ROWS_AT_ONCE = 32
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
        if self._schema() < len(_MIGRATIONS):
            self._migrate()
        small = self._path.stat().st_size <= _CHECKED_UP_TO_BYTES
        damage = db.execute("PRAGMA quick_check(1)").fetchone()[0] if small else "ok"
        if damage != "ok":
            raise sqlite3.DatabaseError(f"damaged: {' '.join(damage.split())}")

    def _schema(self) -> int:
        done: int = self._db.execute("PRAGMA user_version").fetchone()[0]
        if done > len(_MIGRATIONS):
            raise sqlite3.DatabaseError(f"it was written by a newer version (schema {done}, known is {len(_MIGRATIONS)})")
        return done

    def _migrate(self) -> None:
        """One process does; those that start meanwhile wait for it, and find nothing left to do."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for script in _MIGRATIONS[self._schema() :]:
                for statement in script.split(";"):  # none of them has one inside
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._db.execute("COMMIT")
        finally:
            self._roll_back()

    def write(self, entries: Sequence[Entry]) -> None:
        """All entries in one fsynced transaction, or none. Raises LedgerUnavailable."""
        cards = {price_id(a.price): a.price for e in entries for a in e.attempts if a.price is not None}
        fresh = [(ident, card) for ident, card in cards.items() if ident not in self._known_prices]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(_INSERT_PRICE, [price_row(i, c) for i, c in fresh])
            self._insert("entries", ENTRY_COLUMNS, [entry_row(e) for e in entries])
            attempts = [attempt_row(e.id, n, a) for e in entries for n, a in enumerate(e.attempts)]
            self._insert("attempts", ATTEMPT_COLUMNS, attempts)
            self._db.executemany(SPEND, spent_rows(entries))
            self._db.executemany(TAKE, lease_rows(entries))
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

    def _insert(self, table: str, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
        """Many rows in a statement: each gives Python's lock away and waits to have it back from a busy event loop."""
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            self._db.execute(_insertion(table, columns, len(some)), tuple(chain.from_iterable(some)))

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


@lru_cache(maxsize=4 * _ROWS_AT_ONCE)
def _insertion(table: str, columns: tuple[str, ...], rows: int) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * rows)}"  # noqa: S608 (fixed names)
