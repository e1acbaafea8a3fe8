"""Commands with good input: what people read, and one JSON document alone on stdout for machines."""

from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ledger_entries import entry

from freehold.app.cli import main
from freehold.serve.access.keys import digest
from freehold.serve.stores.sqlite import SqliteStore

CONFIG = """\
version: 1
keys: [{name: app, sha256: DIGEST}]
targets:
  api: {provider: openai, model: gpt-4o-2024-11-20, key: "env:FREEHOLD_TEST_KEY", clearance: internal}
  box: {engine: vllm, url: "http://127.0.0.1:9", model: m, clearance: restricted}
workloads:
  w: {targets: [box, api], spill: true}
"""


def succeeds(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints on stdout when it ends with 0."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    return capsys.readouterr().out


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    """Its one JSON document."""
    return msgspec.json.decode(succeeds([*arguments, "--json"], capsys))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FREEHOLD_TEST_KEY", "sk-test-secret")
    path = tmp_path / "freehold.yaml"
    path.write_text(CONFIG.replace("DIGEST", "a" * 64), encoding="utf-8")
    return str(path)


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    path = tmp_path / "freehold.db"
    spilled = entry("fh-2", spilled=True)
    owned = entry("fh-3", workload="chat", target="box", basis="owned", cost_nanousd=0)
    with closing(SqliteStore(path)) as store:
        store.write([entry("fh-1"), spilled, owned])
    return str(path)


def test_check(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = succeeds(["check", "-c", config], capsys)
    assert "$2.50 / $10.00" in table
    assert "the machine's own" in table
    report = told(["check", "-c", config], capsys)
    assert (report["targets"], report["workloads"]) == (["api", "box"], ["w"])
    assert report["prices"]["api"]["input"]["nanousd_per_mtok"] == 2_500_000_000
    assert report["prices"]["api"]["source"]
    assert report["prices"]["box"] is None
    assert "sk-test-secret" not in table + msgspec.json.encode(report).decode()


def test_a_new_key_fits_its_hash(capsys: pytest.CaptureFixture[str]) -> None:
    made = told(["keys", "new"], capsys)
    assert made["sha256"] == digest(made["key"])
    assert told(["keys", "new"], capsys)["key"] != made["key"]
    key, sha256 = succeeds(["keys", "new"], capsys).split()
    assert sha256 == digest(key)


def test_the_ledger_in_sums(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    slices = told(["ledger", "summary", "--ledger", ledger], capsys)
    assert [(s["workload"], s["target"], s["basis"], s["requests"], s["spilled"]) for s in slices] == [
        ("chat", "box", "owned", 1, 0),
        ("triage", "api", "rented", 2, 1),
    ]
    assert (slices[1]["input_tokens"], slices[1]["output_tokens"], slices[1]["cost_nanousd"]) == (200, 40, 900_000)
    table = succeeds(["ledger", "summary", "--ledger", ledger], capsys)
    assert "$0.0009" in table
    assert "300" in table, "tokens in, in all"


def test_the_ledgers_newest(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(["ledger", "entries", "--ledger", ledger, "--limit", "2"], capsys)
    assert [row["id"] for row in rows] == ["fh-3", "fh-2"]
    assert "choice 1 of 1" in succeeds(["ledger", "entries", "--ledger", ledger], capsys)


@pytest.mark.parametrize("command", ["serve", "check", "plan", "replay", "engines", "lab", "keys", "ledger", "demo"])
def test_every_command_has_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"freehold {command}" in succeeds([command, "--help"], capsys)
