"""Entries for tests of whatever writes or reads a ledger."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from freehold.core.entry import Attempt, Entry
from freehold.core.price import PriceCard, Rate
from freehold.core.usage import Usage
from freehold.serve.stores import sqlite
from freehold.serve.stores.entry_rows import ATTEMPT_COLUMNS, attempt_row, entry_row

CARD = PriceCard(
    provider="lab", model="lab-model", input=Rate(2_500_000_000), output=Rate(10_000_000_000), valid_from="2026-11-01",
    source="tests",
)  # fmt: skip
USAGE = Usage(input_tokens=100, output_tokens=20, cache_read=30, reasoning=5, source="provider")


def entry(ident: str, **fields: Any) -> Entry:
    """A finished, rented request of one attempt, with these fields changed."""
    attempt = Attempt(
        target="api", model="lab-model", kind="rented", reason="choice 1 of 1", started_s=0.001, outcome="finished", status=200,
        first_token_s=0.2, ended_s=1.0, usage=USAGE, raw_usage='{"prompt_tokens":100}', cost_nanousd=450_000, price=CARD,
    )  # fmt: skip
    usual: dict[str, Any] = {
        "id": ident, "received_at": 1_795_000_000.5, "stands_for": 1_700_000_000.0, "workload": "triage", "key": "app",
        "data_class": "internal", "regions": ("eu", "us"), "asked_model": "triage", "dialect": "openai_chat", "stream": True,
        "policy": "abc", "outcome": "finished", "status": 200, "reason": "choice 1 of 1", "target": "api", "model": "lab-model",
        "basis": "rented", "usage": USAGE, "cost_nanousd": 450_000, "ttft_s": 0.2, "total_s": 1.0, "attempts": [attempt],
    }  # fmt: skip
    return Entry(**usual | fields)


def owned_entry(ident: str, began_at: float, seconds: float, **fields: Any) -> Entry:
    """A finished request that one attempt at the owned target `box` served from then on, for so long."""
    attempt = Attempt(
        target="box", model="own-model", kind="owned", reason="choice 1 of 2", started_s=0.0, outcome="finished", status=200,
        ended_s=seconds, usage=USAGE,
    )  # fmt: skip
    usual: dict[str, Any] = {
        "received_at": began_at, "total_s": seconds, "target": "box", "model": "own-model", "basis": "owned", "cost_nanousd": 0,
        "marginal_nanousd": 0, "attempts": [attempt],
    }  # fmt: skip
    return entry(ident, **usual | fields)


def ledger_of_before(path: Path, schema: int, *entries: Entry) -> None:
    """A ledger as the version left it that knew so many migrations, with these entries."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript("".join(sqlite._MIGRATIONS[:schema]))
        db.execute(f"PRAGMA user_version = {schema}")
        db.execute(f"PRAGMA application_id = {sqlite.APPLICATION_ID}")
        columns = len(db.execute("PRAGMA table_info(entries)").fetchall())
        of_attempts = len(db.execute("PRAGMA table_info(attempts)").fetchall())
        for one in entries:
            row = entry_row(one)[:columns]  # later columns were added at the end
            db.execute(f"INSERT INTO entries VALUES ({', '.join('?' * columns)})", row)
            for n, attempt in enumerate(one.attempts):
                attempt.price = None
                insertion = sqlite._insertion("attempts", ATTEMPT_COLUMNS[:of_attempts], 1)
                db.execute(insertion, attempt_row(one.id, n, attempt)[:of_attempts])
