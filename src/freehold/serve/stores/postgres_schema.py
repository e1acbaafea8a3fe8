"""The tables of a ledger in PostgreSQL, and their migrations: as SQLite's, where both have them.

Text is ordered by its bytes, because a request's id begins with its time. An attempt does not reference its price card by a key:
checking it would lock the same few cards in every commit of every gateway.
"""

from freehold.serve.stores.place import StoreError
from freehold.serve.stores.postgres_session import PostgresSession
from freehold.serve.stores.told_apart import ADD_INDEX

APPLICATION_ID = 0x46524548  # "FREH", as in a file of SQLite's

_MIGRATIONS = (
    """
    CREATE TABLE freehold_ledger (version INTEGER NOT NULL);
    INSERT INTO freehold_ledger VALUES (0);
    CREATE TABLE prices (id TEXT PRIMARY KEY, provider TEXT NOT NULL, model TEXT NOT NULL,
        valid_from TEXT NOT NULL, source TEXT NOT NULL, card TEXT NOT NULL);
    CREATE TABLE entries (id TEXT PRIMARY KEY, received_at FLOAT8 NOT NULL, stands_for FLOAT8 NOT NULL,
        workload TEXT NOT NULL, key TEXT NOT NULL, data_class TEXT NOT NULL, regions TEXT,
        asked_model TEXT NOT NULL, dialect TEXT NOT NULL, stream INTEGER NOT NULL,
        policy TEXT NOT NULL, outcome TEXT NOT NULL, status INTEGER NOT NULL, error_code TEXT,
        reason TEXT NOT NULL, removed TEXT, spilled INTEGER NOT NULL, target TEXT,
        model TEXT, basis TEXT, uncached_input BIGINT, cache_read BIGINT, cache_write BIGINT,
        answer_output BIGINT, reasoning BIGINT, usage_source TEXT, cost_nanousd BIGINT NOT NULL, ttft_s FLOAT8,
        total_s FLOAT8 NOT NULL, marginal_nanousd BIGINT, shadow_nanousd BIGINT, shadow_at TEXT, lab INTEGER);
    CREATE INDEX entries_by_time ON entries (stands_for);
    CREATE INDEX entries_over_an_hour ON entries (received_at) WHERE total_s > 3600;
    CREATE TABLE attempts (entry_id TEXT NOT NULL, n INTEGER NOT NULL, target TEXT NOT NULL,
        model TEXT NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL, started_s FLOAT8 NOT NULL,
        first_token_s FLOAT8, ended_s FLOAT8, outcome TEXT NOT NULL, status INTEGER, detail TEXT NOT NULL,
        uncached_input BIGINT, cache_read BIGINT, cache_write BIGINT, answer_output BIGINT, reasoning BIGINT,
        usage_source TEXT, raw_usage TEXT, cost_nanousd BIGINT NOT NULL, price_id TEXT,
        PRIMARY KEY (entry_id, n));
    CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), at TIMESTAMPTZ NOT NULL);
    CREATE TABLE sources (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL, settings TEXT NOT NULL, records BIGINT NOT NULL DEFAULT 0,
        rows BIGINT NOT NULL DEFAULT 0, left_out BIGINT NOT NULL DEFAULT 0, bad BIGINT NOT NULL DEFAULT 0,
        started_at FLOAT8 NOT NULL, finished_at FLOAT8);
    CREATE TABLE imported (source BIGINT NOT NULL REFERENCES sources (id), line BIGINT NOT NULL, part BIGINT NOT NULL,
        time FLOAT8 NOT NULL, bucket_s FLOAT8, workload TEXT NOT NULL, data_class TEXT NOT NULL,
        provider TEXT, model TEXT, requests BIGINT, input_tokens BIGINT NOT NULL, cache_read BIGINT NOT NULL,
        output_tokens BIGINT NOT NULL, cost_nanousd BIGINT, PRIMARY KEY (source, line, part));
    CREATE TABLE machine_spans (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, target TEXT NOT NULL,
        model TEXT NOT NULL, began_at FLOAT8 NOT NULL, seen_until FLOAT8 NOT NULL, price_nanousd_h BIGINT NOT NULL,
        slots BIGINT, gpu TEXT NOT NULL, gpu_count BIGINT NOT NULL, provider TEXT NOT NULL,
        hire_plan TEXT NOT NULL, price_source TEXT NOT NULL, price_date TEXT NOT NULL,
        lab INTEGER NOT NULL);
    """,
    """
    ALTER TABLE entries ADD COLUMN demanded TEXT;
    CREATE TABLE policies (version TEXT NOT NULL, loaded_at FLOAT8 NOT NULL, target TEXT NOT NULL, kind TEXT NOT NULL,
        codec TEXT NOT NULL, provider TEXT, model TEXT NOT NULL, pinned INTEGER NOT NULL, host TEXT NOT NULL,
        regions TEXT NOT NULL, clearance TEXT NOT NULL, retention_days BIGINT, trains_on_data INTEGER,
        baa INTEGER NOT NULL, labels TEXT, egress TEXT NOT NULL, lab INTEGER NOT NULL,
        PRIMARY KEY (version, target));
    CREATE TABLE policy_spans (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, version TEXT NOT NULL,
        began_at FLOAT8 NOT NULL, seen_until FLOAT8 NOT NULL);
    """,
    """
    ALTER TABLE entries ADD COLUMN team TEXT;
    ALTER TABLE entries ADD COLUMN user_id TEXT;
    ALTER TABLE entries ADD COLUMN budgets TEXT;
    CREATE TABLE api_keys (id TEXT PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL UNIQUE, role TEXT,
        grants TEXT NOT NULL, made_at FLOAT8 NOT NULL, expires_at FLOAT8, revoked_at FLOAT8);
    CREATE TABLE api_keys_version (id INTEGER PRIMARY KEY CHECK (id = 1), version BIGINT NOT NULL);
    INSERT INTO api_keys_version VALUES (1, 0);
    CREATE TABLE budget_spent (owner TEXT NOT NULL, period TEXT NOT NULL, spent_nanousd BIGINT NOT NULL,
        PRIMARY KEY (owner, period));
    CREATE TABLE budget_leases (id TEXT PRIMARY KEY, owner TEXT NOT NULL, period TEXT NOT NULL,
        amount_nanousd BIGINT NOT NULL CHECK (amount_nanousd >= 0), expires_at FLOAT8 NOT NULL);
    CREATE INDEX budget_leases_by_owner ON budget_leases (owner, period);
    """,
    "ALTER TABLE entries ADD COLUMN findings TEXT;",
    """
    ALTER TABLE entries ADD COLUMN prompt TEXT;
    ALTER TABLE entries ADD COLUMN weights TEXT;
    ALTER TABLE attempts ADD COLUMN prompt TEXT;
    ALTER TABLE attempts ADD COLUMN weights TEXT;
    CREATE TABLE policy_releases (version TEXT NOT NULL, workload TEXT NOT NULL, target TEXT NOT NULL, model TEXT NOT NULL,
        prompt TEXT, weights TEXT, PRIMARY KEY (version, workload, target));
    """,
    """
    ALTER TABLE attempts ADD COLUMN cache_write_1h BIGINT;
    ALTER TABLE attempts ADD COLUMN input_audio BIGINT;
    ALTER TABLE attempts ADD COLUMN cache_read_audio BIGINT;
    ALTER TABLE attempts ADD COLUMN output_audio BIGINT;
    ALTER TABLE attempts ADD COLUMN service_tier TEXT;
    """,
    """
    ALTER TABLE entries ADD COLUMN purpose TEXT;
    CREATE TABLE migrations (id TEXT PRIMARY KEY, workload TEXT NOT NULL, target TEXT NOT NULL, settings TEXT NOT NULL,
        made_at FLOAT8 NOT NULL, lines BIGINT NOT NULL, events BIGINT NOT NULL);
    CREATE TABLE migration_events (migration TEXT NOT NULL, n BIGINT NOT NULL, at FLOAT8 NOT NULL, kind TEXT NOT NULL,
        decided_by TEXT NOT NULL, why TEXT NOT NULL, evidence TEXT NOT NULL, PRIMARY KEY (migration, n));
    CREATE TABLE migration_scores (migration TEXT NOT NULL, n BIGINT NOT NULL, score TEXT NOT NULL, PRIMARY KEY (migration, n));
    """,
    ADD_INDEX,
)

_SERVER = "SELECT current_setting('server_encoding'), current_setting('fsync'), current_schema()"
# What an extension brought along belongs to no program.
_TABLES = """SELECT count(*) FROM pg_class c WHERE relnamespace = quote_ident(current_schema())::regnamespace
    AND relkind IN ('r', 'p') AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')"""


def prepare(session: PostgresSession) -> None:
    """Make the tables, or bring them up to date: one gateway does, and those that start meanwhile wait for it.

    Raises StoreError where the schema is another program's or newer, or the server does not keep what was committed.
    """
    with session.transaction():
        _check_server(session)
        session.run("SET LOCAL lock_timeout = 0")
        session.run(f"SELECT pg_advisory_xact_lock({APPLICATION_ID}, hashtext(current_schema()))")
        done = _version(session)
        if done is None and session.rows(_TABLES)[0][0]:
            raise StoreError("this is another program's schema, not a ledger")
        for script in _MIGRATIONS[done or 0 :]:
            session.run(script.replace(" TEXT", ' TEXT COLLATE "C"'))
        if done != len(_MIGRATIONS):
            session.run("UPDATE freehold_ledger SET version = ?", (len(_MIGRATIONS),))


def check(session: PostgresSession) -> None:
    """What was prepared is still there; nothing is made. Raises StoreError."""
    with session.transaction():
        _check_server(session)
        if _version(session) is None:
            raise StoreError("the ledger is not there any more")


def _version(session: PostgresSession) -> int | None:
    """How many migrations were done; None: it is no ledger."""
    if not session.has("freehold_ledger"):
        return None
    done: int = session.rows("SELECT version FROM freehold_ledger")[0][0]
    if done > len(_MIGRATIONS):
        raise StoreError(f"it was written by a newer version (schema {done}, known is {len(_MIGRATIONS)})")
    return done


def _check_server(session: PostgresSession) -> None:
    encoding, fsync, schema = session.rows(_SERVER)[0]
    if encoding != "UTF8":
        raise StoreError(f"its encoding is {encoding}; a ledger needs a database of encoding UTF8")
    if fsync != "on":
        raise StoreError("the server runs with fsync = off, so that a commit may be lost; set fsync = on")
    if schema is None:
        raise StoreError("its search_path names no schema that exists; create it, or name another")
