"""How a ledger's workloads were served: the owned share, the price most was billed at, the model most was imported of."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ledger_entries import CARD, entry, ledger_of_before, owned_entry

from freehold.core.entry import Entry
from freehold.core.errors import BadSettings
from freehold.core.price import PriceCard, Rate
from freehold.plan.logs.usage import LoggedUsage
from freehold.serve.stores.imported import ImportedRow, ImportStore
from freehold.serve.stores.sqlite import SqliteStore
from freehold.serve.stores.use import Use, uses

CONTRACT = PriceCard(
    provider="lab", model="lab-model", input=Rate(1_000_000_000), output=Rate(2_000_000_000), valid_from="2026-11-01",
    source="a contract",
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def kept(path: Path, *entries: Entry) -> None:
    with closing(SqliteStore(path)) as store:
        store.write(list(entries))


def priced(ident: str, card: PriceCard, **fields: Any) -> Entry:
    """A rented entry billed at that card."""
    made = entry(ident, **fields)
    made.attempts[0].price = card
    return made


def imported(path: Path, *rows: tuple[str, str | None, str | None, int]) -> None:
    """Rows of workload, provider, model and tokens."""
    usages = [
        ImportedRow(
            line, 0, workload, "internal",
            LoggedUsage(time=100.0 * line, provider=provider, model=model, input_tokens=count, cache_read=0, output_tokens=0),
        )
        for line, (workload, provider, model, count) in enumerate(rows)
    ]  # fmt: skip
    with closing(ImportStore(path)) as store:
        store.add(store.begin("a" * 64, "log.csv", "{}"), usages, finished=True)


def test_the_owned_share_is_of_the_finished_answers(path: Path) -> None:
    kept(
        path,
        entry("fh-1"),
        *(owned_entry(f"fh-{n}", 1_795_000_000.0 + n, 1.0) for n in (2, 3, 4)),
        owned_entry("fh-5", 1_795_000_010.0, 1.0, outcome="failed", workload="triage"),
        owned_entry("fh-6", 1_795_000_010.0, 1.0, workload="all-owned"),
    )
    found = uses(path)
    assert found["triage"] == Use(owned_share=0.75, card=CARD)
    assert found["all-owned"] == Use(owned_share=1.0)


def test_the_price_is_that_of_most_attempts_and_each_workloads_own(path: Path) -> None:
    kept(
        path,
        priced("fh-1", CARD),
        priced("fh-2", CONTRACT),
        priced("fh-3", CONTRACT),
        priced("fh-4", CARD, workload="other"),
    )
    assert {name: use.card for name, use in uses(path).items()} == {"triage": CONTRACT, "other": CARD}


def test_the_model_imported_is_the_one_with_most_tokens(path: Path) -> None:
    imported(
        path,
        ("w", "openai", "gpt-4o-mini", 10), ("w", "openai", "gpt-4o-mini", 20), ("w", "openai", "gpt-4o", 100),
        ("w", None, "gpt-9", 500), ("v", "groq", "llama-3.1-8b-instant", 1),
    )  # fmt: skip
    found = uses(path)
    assert found["w"] == Use(imported_model="openai/gpt-4o")
    assert found["v"].imported_model == "groq/llama-3.1-8b-instant"


def test_what_was_served_and_what_was_imported_stand_beside_each_other(path: Path) -> None:
    kept(path, entry("fh-1", workload="w"))
    imported(path, ("w", "openai", "gpt-4o", 100))
    assert uses(path) == {"w": Use(owned_share=0.0, card=CARD, imported_model="openai/gpt-4o")}


def test_an_empty_ledger_says_nothing_and_one_without_imports_is_read(path: Path, tmp_path: Path) -> None:
    kept(path)
    assert uses(path) == {}
    old = tmp_path / "old.db"
    ledger_of_before(old, 1, entry("fh-1"))
    assert uses(old) == {"triage": Use(owned_share=0.0)}, "an old ledger's attempt without its price"


def test_reading_changes_nothing(path: Path) -> None:
    kept(path, entry("fh-1"))
    before = path.read_bytes()
    uses(path)
    assert path.read_bytes() == before


def test_no_ledger_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"no ledger at .*nowhere\.db"):
        uses(tmp_path / "nowhere.db")
    assert not (tmp_path / "nowhere.db").exists()
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE t (x)")
    with pytest.raises(BadSettings, match="cannot read the ledger") as caught:
        uses(other)
    assert "\n" not in caught.value.message
