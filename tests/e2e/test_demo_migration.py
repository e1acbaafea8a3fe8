"""`freehold demo --migration` as a newcomer runs it: three moves end where they should, and the ledger proves each step."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest


def running_in(folder: Path) -> list[str]:
    """The command lines of processes that still have that folder's name in them."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(line.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue  # it ended meanwhile
    return [line for line in found if str(folder) in line]


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.timeout(300)
def test_three_moves(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "freehold", "demo", "--migration", "--exit", "--json"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 0, ended.stderr
    figures = msgspec.json.decode(ended.stdout)
    good, worse, failing = moves = figures["moves"]
    assert figures["unanswered"] == 0
    assert set(figures["callers"]) == {"200"}
    assert sum(figures["callers"].values()) == sum(move["callers"] for move in moves)

    told = [[(step["kind"], step["by"]) for step in move["history"][1:]] for move in moves]
    assert told[0] == [("prove", "gate"), *[("advance", "guard")] * 3]
    assert told[1] == [("roll_back", "gate")]
    assert told[2][0] == ("prove", "gate"), "alone it is as good as the first"
    assert told[2][-1] in {("roll_back", "guard"), ("roll_back", "canary")}
    assert [move["afterwards"] for move in moves] == [{"tickets-good": 20}, {"rented-api": 20}, {"rented-api": 20}]
    assert " in late" in failing["history"][-1]["why"]

    for move in moves:
        ledger: dict[str, Any] = move["ledger"]
        assert move["proven"]
        assert all(step["follows"] for step in move["history"])
        assert ledger["pairs"] == ledger["paired"] >= move["history"][-1]["pairs"]
        assert ledger["lost"] == 0
        assert ledger["served"] == ledger["attempted"]
        assert ledger["copies_usd"] == ledger["scored_usd"]
        went_live = move["history"][-1]["stage"] == "live"  # from then on the API, which bills, is asked for a few copies
        assert ledger["copies_usd"] == 0 or went_live, "engines of one's own bill nothing"
        assert ledger["callers_usd"] > 0
    assert (worse["ledger"]["served"], worse["ledger"]["at_candidate"]) == (0, 0), "no caller met it"
    assert failing["longest_s"] > failing["late_s"]
    assert (failing["ledger"]["still_sent_s"] or 0.0) < 1.5, "within one look nobody is sent there any more"
    assert good["ledger"]["at_candidate"] > 0
    assert running_in(tmp_path) == []
