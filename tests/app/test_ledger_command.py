"""`freehold ledger removed`, `findings` and `summary --by`: as tables and as JSON, and in one line where there is nothing."""

from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ledger_entries import entry, owned_entry

from freehold.app.cli import main
from freehold.core.decision import Removed
from freehold.serve.stores.sqlite import SqliteStore

NOWHERE: dict[str, Any] = {
    "outcome": "refused", "target": None, "model": None, "basis": None, "usage": None, "cost_nanousd": 0, "attempts": [],
    "status": 403, "error_code": "no_target_allowed",
}  # fmt: skip
REMOVED = (Removed("api", "data_class", "restricted data, cleared for internal"),)


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    path = tmp_path / "freehold.db"
    with closing(SqliteStore(path)) as store:
        store.write([
            entry("fh-1", team="red", findings={"email": 2}),
            owned_entry("fh-2", 1_795_000_000.0, 1.0, team="blue", findings={"iban": 1}, removed=REMOVED, lab=True),
            entry("fh-3", team="red", findings={"iban": 1, "own_kind": 1}, removed=REMOVED, **NOWHERE),
        ])  # fmt: skip
    return str(path)


def said(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["ledger", *words])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_removed(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = msgspec.json.decode(said(["removed", "--ledger", ledger, "--json"], capsys))
    (removal,) = told["removals"]
    assert (removal["constraint"], removal["target"], removal["requests"], removal["refused"]) == ("data_class", "api", 2, 1)
    assert [(r["code"], r["team"], r["sensitive"], r["requests"]) for r in told["refusals"]] == [
        ("no_target_allowed", "red", True, 1)
    ]
    table = said(["removed", "--ledger", ledger], capsys)
    assert "restricted data, cleared for internal" in table
    assert "no_target_allowed" in table


def test_findings(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = msgspec.json.decode(said(["findings", "--ledger", ledger, "--json"], capsys))
    assert [(f["kind"], f["label"], f["found"], f["requests"], f["refused"]) for f in told] == [
        ("iban", "pci", 2, 2, 1), ("email", "pii", 2, 1, 0), ("own_kind", None, 1, 1, 1)
    ]  # fmt: skip
    table = said(["findings", "--ledger", ledger], capsys)
    assert "box (lab), owned: 1" in table, "a stand-in is said to be one"
    assert "api, rented: 1" in table


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("team", {"red": 2, "blue": 1}), ("user", {None: 3}), ("key", {"app": 3}), ("workload", {"triage": 3}),
        ("target", {"api": 1, "box": 1, None: 1}), ("class", {"internal": 3}),
    ],
)  # fmt: skip
def test_summary_by(ledger: str, capsys: pytest.CaptureFixture[str], by: str, names: dict[str | None, int]) -> None:
    told = msgspec.json.decode(said(["summary", "--by", by, "--ledger", ledger, "--json"], capsys))
    assert told["by"] == by
    assert {group["name"]: group["requests"] for group in told["groups"]} == names
    assert sum(group["cost_nanousd"] for group in told["groups"]) == 450_000
    assert sum(group["lab"] for group in told["groups"]) == 1
    table = said(["summary", "--by", by, "--ledger", ledger], capsys)
    assert all((name or "none") in table for name in names)


def test_an_empty_ledger_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "freehold.db"
    SqliteStore(path).close()
    assert said(["removed", "--ledger", str(path)], capsys).splitlines() == [
        "No constraint removed a target.", "No request was refused."
    ]  # fmt: skip
    assert said(["findings", "--ledger", str(path)], capsys) == "Nothing was found in any request.\n"


def test_a_grouping_that_is_none_is_refused_in_one_line(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["ledger", "summary", "--by", "colour", "--ledger", ledger])
    assert ended.value.code == 2
    assert "--by" in capsys.readouterr().err
