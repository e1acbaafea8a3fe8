"""`freehold explain` of a workload that is being moved: the stage, who is drawn, who stays, as the gateway does it."""

from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TypeAlias

import msgspec
import pytest
from in_memory import MemoryLedger, MemorySink, Outbound

from freehold.app import config_file
from freehold.app.cli import main
from freehold.app.explained_moves import moves_on_record
from freehold.app.migrating import all_of
from freehold.app.migration_log import assigned, state_of, write_event, write_migration
from freehold.app.policy import build_policy
from freehold.move.migration.machine import Event, Kind, MigrationSettings
from freehold.move.migration.progress import Migration
from freehold.serve.access.keys import digest
from freehold.serve.gateway.handle import handle
from freehold.serve.gateway.house import Gateway
from freehold.serve.stores.migrations import MigrationStore
from freehold.serve.stores.opening import open_store
from freehold.wire.openai_chat.surface import ChatSurface

CONFIG = f"""\
version: 1
keys:
  - {{name: app, sha256: {digest("secret")}, data: internal}}
targets:
  api: {{provider: lab, url: "https://api", model: gpt-4o, clearance: internal, regions: [us], price: {{like: openai/gpt-4o}}}}
  box: {{engine: llamacpp, url: "https://box", model: m, clearance: restricted}}
  low: {{provider: lab, url: "https://low", model: gpt-4o, clearance: public, regions: [us], price: {{like: openai/gpt-4o}}}}
workloads:
  triage: {{targets: [api]}}
"""
BODY = msgspec.json.encode({"model": "triage", "messages": [{"role": "user", "content": "hello"}]})
TODAY = date(2026, 11, 21)
CANARY: tuple[Kind, ...] = ("start", "prove")
OFFLINE = "in stage canary: offline first: all requests of keys {} go there first, {}"
OFFLINE_CASES: list[
    tuple[str, tuple[Kind, ...], tuple[str, ...]]
] = [  # the offline key, how it came there, what is said of app's
    ("app", CANARY, (OFFLINE.format("app", "none of the others yet"), "its key app is offline: box, then api")),
    ("jobs", CANARY, (OFFLINE.format("jobs", "none of the others yet"), "its key app is not offline: as said above")),
    (
        "jobs",
        (*CANARY, "advance"),
        (
            OFFLINE.format("jobs", "of the others 0.3, each drawn by its own id"),
            "if it is drawn: box, then api; if not, as said above",
        ),
    ),
]
Case: TypeAlias = tuple[str, str, tuple[Kind, ...], tuple[str, ...]]  # stage, target, how it came there, what is said
STAGES: list[Case] = [
    ("draft", "box", (), ("in stage draft: nothing is sent there; all stay",)),
    (
        "shadow",
        "box",
        ("start",),
        ("in stage shadow: no caller is answered by it", "1 of the requests are asked of box once more"),
    ),
    ("canary", "box", CANARY, ("0.3 of the requests go there first", "if it is drawn: box, then api; if not, as said above")),
    ("paused", "box", (*CANARY, "pause"), ("in stage paused: nothing is sent there; all stay",)),
    ("live", "box", (*CANARY, "advance"), ("in stage live: every request goes there first", "1. box (owned)")),
    ("rolled_back", "box", (*CANARY, "roll_back"), ("none; the workload is not being moved",)),
    ("canary", "low", CANARY, ("low is not sent this request, by data_class",)),
    ("canary", "gone", CANARY, ("gone is not sent this request, since this configuration has no such target",)),
]


def moved(folder: Path, *moves: tuple[str, tuple[Kind, ...]], offline: tuple[str, ...] = ()) -> Path:
    """A configuration beside a ledger in which the workload has made these moves."""
    (folder / "freehold.yaml").write_text(CONFIG, encoding="utf-8")
    path = folder / "freehold.db"
    with closing(open_store(path)):
        for place, (target, kinds) in enumerate(moves):
            one = Migration(
                id=f"mig-{place}",
                workload="triage",
                target=target,
                settings=MigrationSettings(steps=(0.3,), offline_keys=offline),
                made_at=float(place),
            )
            MigrationStore(path).make(write_migration(one), [write_event(Event(kind=kind, at=1.0, by="tests")) for kind in kinds])
    return path


def explained(folder: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    (folder / "request.json").write_bytes(BODY)
    ledger = str(folder / "freehold.db")
    with pytest.raises(SystemExit) as ended:
        main(["explain", str(folder / "request.json"), "-c", str(folder / "freehold.yaml"), "--ledger", ledger, *flags])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("case", STAGES, ids=lambda case: f"{case[0]}-{case[1]}")
def test_every_stage_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str], case: Case) -> None:
    stage, target, kinds, lines = case
    moved(tmp_path, (target, kinds))
    said = explained(tmp_path, capsys)
    assert all(line in said for line in lines), said
    made = msgspec.json.decode(explained(tmp_path, capsys, "--json"))
    assert [one["stage"] for one in made["moving"]] == ([] if stage == "rolled_back" else [stage])


@pytest.mark.parametrize(("key", "kinds", "lines"), OFFLINE_CASES)
def test_offline_keys_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, kinds: tuple[Kind, ...], lines: tuple[str, ...]
) -> None:
    moved(tmp_path, ("box", kinds), offline=(key,))
    said = explained(tmp_path, capsys)
    assert all(line in said for line in lines), said
    (made,) = msgspec.json.decode(explained(tmp_path, capsys, "--json"))["moving"]
    assert (made["offline_keys"], made["drawn"]) == ([key], ["box", "api"])


def test_a_ledger_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "freehold.yaml").write_text(CONFIG, encoding="utf-8")
    assert "whether the workload is being moved is not known here: " in explained(tmp_path, capsys)
    assert msgspec.json.decode(explained(tmp_path, capsys, "--json"))["moving"] is None


@pytest.mark.parametrize(("key", "expected"), [("jobs", {(False, "box", "api")}), ("app", {(True, "api", "box")})])
async def test_the_gateway_sends_an_offline_key_where_it_was_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, expected: set[tuple[object, ...]]
) -> None:
    ledger = moved(tmp_path, ("box", (*CANARY, "advance", "advance")), ("api", CANARY), offline=(key,))
    assert await went(tmp_path, capsys, ledger) == expected


async def test_the_gateway_does_what_was_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A canary on its way from what an earlier migration has made live: drawn or not, the order is as said."""
    ledger = moved(tmp_path, ("box", (*CANARY, "advance")), ("api", CANARY))
    assert await went(tmp_path, capsys, ledger) == {(True, "api", "box"), (False, "box", "api")}


async def went(tmp_path: Path, capsys: pytest.CaptureFixture[str], ledger: Path) -> set[tuple[object, ...]]:
    """Whether requests of the key app were drawn for the newest migration, with the order in which targets were reached; each
    is held against what was explained."""
    made = msgspec.json.decode(explained(tmp_path, capsys, "--json"))
    canary = moves_on_record(ledger)["triage"][0]
    policy = build_policy(config_file.load(tmp_path / "freehold.yaml"), TODAY)
    assignments = assigned([(one, state_of(MigrationStore(ledger), one)) for one in all_of(ledger)])
    seen = set()

    async def read() -> bytes:
        return BODY

    for _ in range(40):
        outbound, entries = Outbound(["down"]), MemoryLedger()
        gateway = Gateway(policy, outbound, entries)
        gateway.assignments = assignments
        await handle(ChatSurface(), {"authorization": "Bearer secret"}, read, MemorySink(), gateway)
        drawn = canary.of("app").takes(entries.entries[0].id)
        order = made["moving"][0]["drawn"] if drawn else [choice["target"] for choice in made["choices"]]
        assert outbound.reached == order
        seen.add((drawn, *order))
    return seen
