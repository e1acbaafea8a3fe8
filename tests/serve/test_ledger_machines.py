"""Since when a machine was there, and until when it was last seen: spans only move on, and a failed write costs nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from freehold.core.errors import LedgerUnavailable
from freehold.core.machine import OwnedMachine
from freehold.serve.stores.machines import MachineRecord
from freehold.serve.stores.sqlite import SqliteStore

BOX = OwnedMachine(
    target="box", model="m", price_nanousd_h=1_000, slots=None, gpu="L40S", gpu_count=1, provider="aws", hire_plan="spot",
    price_source="tests", price_date="2026-11-01", lab=True,
)  # fmt: skip
DEARER = OwnedMachine(**{name: getattr(BOX, name) for name in BOX.__struct_fields__} | {"price_nanousd_h": 2_000, "slots": 8})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    SqliteStore(tmp_path / "ledger.db").close()
    return tmp_path / "ledger.db"


def rows(path: Path, columns: str = "price_nanousd_h, began_at, seen_until") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return db.execute(f"SELECT {columns} FROM machine_spans ORDER BY id").fetchall()


def test_a_machine_as_it_lies_in_the_file(path: Path) -> None:
    MachineRecord(path).seen([BOX], 5.0)
    assert rows(path, "target, model, slots, gpu, gpu_count, provider, hire_plan, price_source, price_date, lab") == [
        ("box", "m", None, "L40S", 1, "aws", "spot", "tests", "2026-11-01", 1)
    ]


def test_a_span_moves_on_until_its_machine_is_gone(path: Path) -> None:
    machines = MachineRecord(path)
    for now in (10.0, 25.0, 24.0):
        machines.seen([BOX], now)
    assert rows(path) == [(1_000, 10.0, 25.0)], "a clock that is set back takes no time away"
    machines.seen([DEARER], 30.0)
    machines.seen([DEARER], 45.0)
    assert rows(path) == [(1_000, 10.0, 30.0), (2_000, 30.0, 45.0)], "a new price begins where the old one ended"
    machines.seen([], 50.0)
    machines.seen([], 60.0)
    machines.seen([BOX], 70.0)
    assert rows(path) == [(1_000, 10.0, 30.0), (2_000, 30.0, 50.0), (1_000, 70.0, 70.0)]


def test_another_process_has_a_span_of_its_own(path: Path) -> None:
    MachineRecord(path).seen([BOX], 10.0)
    MachineRecord(path).seen([BOX], 20.0)
    assert rows(path) == [(1_000, 10.0, 10.0), (1_000, 20.0, 20.0)]


def test_what_could_not_be_written_is_made_up_for(path: Path) -> None:
    machines = MachineRecord(path)
    machines.seen([BOX], 10.0)
    away = path.rename(path.with_name("away.db"))
    path.mkdir()
    with pytest.raises(LedgerUnavailable, match="the machines cannot be written"):
        machines.seen([BOX, DEARER], 20.0)
    path.rmdir()
    away.rename(path)
    machines.seen([BOX], 30.0)
    assert rows(path) == [(1_000, 10.0, 30.0)]


def test_nothing_to_see_writes_nothing(tmp_path: Path) -> None:
    MachineRecord(tmp_path / "none.db").seen([], 1.0)
    assert list(tmp_path.iterdir()) == []
