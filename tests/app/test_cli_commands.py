"""Commands with good input: what people read, and one JSON document alone on stdout for machines."""

from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ledger_entries import entry, ledger_of_before, owned_entry

from freehold.app.cli import main
from freehold.core.ids import request_id
from freehold.core.machine import OwnedMachine
from freehold.serve.access.keys import digest
from freehold.serve.stores.machines import MachineRecord
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
    assert "an hour" in table or "no machine stated" in table
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
    slices = told(["ledger", "summary", "--ledger", ledger], capsys)["slices"]
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


def test_the_ledger_with_an_owned_machine(ledger: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Half an hour used by two workloads, one of which was answered elsewhere in the end, and an hour that nobody used."""
    noon = 1_795_003_200
    box = OwnedMachine(
        target="box", model="own-model", price_nanousd_h=2_000_000_000, slots=2, gpu="L40S", gpu_count=1, provider="aws",
        hire_plan="on_demand", price_source="tests", price_date="2026-11-01", lab=True,
    )  # fmt: skip
    mine = owned_entry(request_id(noon), noon, 90.0, workload="chat", lab=True, shadow_nanousd=30_000_000, shadow_at="api")
    failed = owned_entry(request_id(noon + 1), noon, 30.0, target="api", basis="rented", cost_nanousd=5)
    with closing(SqliteStore(Path(ledger))) as store:
        store.write([mine, failed])
        machines = MachineRecord(Path(ledger))
        machines.seen([box], noon + 1800)
        machines.seen([box], noon + 7200)
    spent = told(["ledger", "summary", "--ledger", ledger], capsys)
    costs = {(s["workload"], s["target"]): (s["requests"], s["owned_nanousd"], s["shadow_nanousd"]) for s in spent["slices"]}
    assert costs["chat", "box"] == (2, 750_000_000, 30_000_000)
    assert costs["triage", "box"] == (0, 250_000_000, None), "money with no answer to show for it stands there all the same"
    assert costs["triage", "api"][1] is None
    (machine,) = spent["machines"]
    assert (machine["cost_nanousd"], machine["idle_nanousd"], machine["up_s"]) == (3_000_000_000, 2_000_000_000, 5400)
    assert machine["utilisation"] == pytest.approx(120 / (2 * 5400))
    table = succeeds(["ledger", "summary", "--ledger", ledger], capsys)
    for words in (
        "box (lab)",
        "$0.7500",
        "$2.0000",
        "$3.0000",
        "$0.0300",
        "idle",
        "1 x L40S at aws, on_demand",
        "1.1% of its slots",
    ):
        assert words in table
    newest = {row["id"]: row for row in told(["ledger", "entries", "--ledger", ledger], capsys)}
    assert (newest[mine.id]["owned_nanousd"], newest[mine.id]["lab"]) == (750_000_000, True)
    assert "box (lab)" in succeeds(["ledger", "entries", "--ledger", ledger], capsys)


def test_an_older_ledger_is_told_without_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "old.db")
    ledger_of_before(Path(path), 2, entry("fh-1"))
    spent = told(["ledger", "summary", "--ledger", path], capsys)
    assert (spent["slices"][0]["cost_nanousd"], spent["slices"][0]["lab"], spent["machines"]) == (450_000, None, [])
    assert "$0.0004" in succeeds(["ledger", "summary", "--ledger", path], capsys)
    (row,) = told(["ledger", "entries", "--ledger", path], capsys)
    assert (row["cost_nanousd"], row["shadow_nanousd"]) == (450_000, None)
