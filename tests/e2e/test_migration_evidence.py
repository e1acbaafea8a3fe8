"""What a running migration goes by besides live agreement: a suite, a judge, recorded requests, a look back once it is live."""

import asyncio
import base64
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from judge_model import Sections, serving

from e2e.client import ask, caller, chat
from e2e.house import Gateway, House, Lab, fetch, rented, until
from e2e.migrations import drive, drive_until, freehold, migration, settled, tell_faults
from freehold.lab.tickets import LABELS, ticket

WIDE = ("--min-samples", "40", "--worse-by", "errors=0.1", "--guard", "errors=0.2", "--steps", "50", "--dwell", "20")
MASTER = base64.b64encode(b"k" * 32).decode()


@pytest.fixture(scope="module")
def triage(house: House) -> Lab:
    """Knows every ticket; as `lab-triage-70` seven of ten."""
    return house.lab("provider", "--ttft-ms", "1", "--tokens-per-s", "100000")


def target(lab: Lab, model: str = "lab-triage", **more: Any) -> dict[str, Any]:
    return rented(lab, model=model, max_output_tokens=64, **more)


def gateway(house: House, name: str, targets: dict[str, Any], **more: Any) -> Gateway:
    workload = {"targets": ["api"]} | more.pop("workload", {})
    return house.gateway(name, {"targets": targets, "workloads": {"triage": workload}, **more})


def suite_file(folder: Path, name: str, **more: Any) -> Path:
    whole = {"version": 1, "workload": "triage"} | more
    path = folder / f"{name}.suite.yaml"
    path.write_text(json.dumps(whole), encoding="utf-8")  # YAML takes JSON
    return path


def lines(here: Gateway, tag: str) -> list[dict[str, Any]]:
    """Those of the migration's log that are not decisions."""
    scores = [json.loads(row["score"]) for row in here.rows("SELECT score FROM migration_scores ORDER BY n")]
    return [score for score in scores if score["type"] == tag]


def shadows(here: Gateway, why: str) -> list[dict[str, Any]]:
    return [one for one in here.entries() if one["purpose"] is not None and one["reason"].startswith(why)]


@pytest.mark.long
async def test_both_are_graded_by_the_answers_a_suite_expects(house: House, triage: Lab) -> None:
    """The incumbent is right on seven of ten, the candidate on all: by agreement it would be worse, by these it is better."""
    source = random.Random(0)
    asked = [ticket(source) for _ in range(60)]
    known = dict(asked)
    samples = [
        {"request": {"messages": [{"role": "user", "content": text}]}, "reference": json.dumps({"label": label})}
        for text, label in known.items()
    ]
    (house.folder / "known.jsonl").write_text("\n".join(map(json.dumps, samples)), encoding="utf-8")
    graders = [{"name": "label", "kind": "json"}, {"name": "format", "kind": "length", "at_most": 40, "guardrail": True}]
    suite = suite_file(house.folder, "expected", samples="known.jsonl", graders=graders)
    here = gateway(house, "evidence-expected", {"api": target(triage, "lab-triage-70"), "candidate": target(triage)})
    start = ("start", "triage", "--to", "candidate", "--suite", str(suite), "--min-samples", "1000")
    assert "has no limit; give one with --worse-by format" in freehold(here, *start, code=2)
    begun = freehold(here, *start, "--worse-by", "format=0.1")
    await asyncio.sleep(1.2)
    await drive(here, 60, 0)
    now = await settled(here)
    scores = lines(here, "pair")
    assert len(scores) == 60
    assert {score["candidate"] for score in scores} == {1.0}
    right = sum(score["incumbent"] for score in scores) / len(scores)
    assert 0.5 < right < 0.9, "the incumbent is graded too, and has no right to be right"
    assert all(score["harms"]["format"] == [0.0, 0.0] for score in scores)
    assert (now["suite"], now["unscored"]) == (begun["settings"]["suite"]["digest"], {})
    await drive(here, 20, 1_000)
    assert (await settled(here))["unscored"] == {"no expected answer": 20}
    (first, *_) = freehold(here, "history", "triage")
    assert first["evidence"]["digest"] == begun["suite"]
    suite.write_text(suite.read_text(encoding="utf-8").replace("40", "41"), encoding="utf-8")
    here.kill()
    here = house.again(here)
    await drive(here, 10, 0)
    after = await settled(here)
    assert (after["pairs"], after["unscored"]["suite: changed"]) == (60, 10), "another suite grades nothing"


def labelled(seen: Sections) -> object:
    """Prefers what is a label to what is none."""
    known = {json.dumps({"label": label}) for label in LABELS}
    first, second = (seen[f"{place} answer"].strip() in known for place in ("first", "second"))
    return {"verdict": "tie" if first == second else "first" if first else "second"}


@pytest.mark.long
async def test_a_judge_is_bound_paid_and_counted(house: House, triage: Lab) -> None:
    received: list[dict[str, Any]] = []
    with serving(labelled, received) as url:
        targets = {
            "api": target(triage, clearance="confidential"),
            "candidate": target(triage, "lab-model", clearance="confidential"),
            "judge": target(triage, "claude-lab", url=url),
        }
        here = gateway(house, "evidence-judged", targets)
        judge = {
            "target": "judge", "model": "claude-lab", "arms": {"owned": "qwen", "rented": "gpt-4o"}, "rubric": "Be a label.",
        }  # fmt: skip
        suite = suite_file(house.folder, "judged", judge=judge)
        freehold(here, "start", "triage", "--to", "candidate", "--suite", str(suite), "--usd-per-day", "2", *WIDE)
        await asyncio.sleep(1.2)
        source = random.Random(5)
        async with caller(here.url) as session:
            session.headers["x-freehold-data"] = "confidential"
            for _ in range(6):  # the judge may see internal data at most, both models see these
                body = chat("triage", ticket(source)[0], max_tokens=16)
                assert (await ask(session, body)).done
        assert (await settled(here))["unscored"] == {"judge: barred": 6}
        assert not received
        await drive_until(here, "rolled_back")
        now = await settled(here)
    checked = now["judge"]["checked"]
    assert (checked["canaries"], checked["won"], checked["tied"], checked["fit"]) == (6, 0, 0, True)
    assert now["unscored"]["judge: checking"] == 3
    scores = lines(here, "pair")
    assert {(score["candidate"], score["incumbent"]) for score in scores} == {(0.0, 1.0)}
    asked = shadows(here, "judge of ")
    assert {(one["target"], one["workload"], one["key"]) for one in asked} == {("judge", "freehold-shadow:triage", "freehold")}
    assert len(asked) == len(received)
    assert {one["purpose"] for one in asked} == {"judge"}
    paid = sum(one["cost_nanousd"] for one in here.entries() if one["purpose"] is not None)
    (spent,) = here.rows("SELECT owner, spent_nanousd FROM budget_spent")
    assert (spent["owner"], spent["spent_nanousd"]) == ("freehold-shadow/triage", paid)
    assert now["judge"]["cost_nanousd"] == sum(one["cost_nanousd"] for one in asked) > 0
    (*_, last) = freehold(here, "history", "triage")
    assert (last["kind"], last["by"]) == ("roll_back", "gate")
    assert (last["evidence"]["suite"], last["evidence"]["judge"]["digest"]) == (now["suite"], checked["digest"])


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIDENCE_KEY", MASTER)


@pytest.mark.long
@pytest.mark.usefixtures("key")
async def test_recorded_requests_come_first_and_each_counts_once_through_a_kill(house: House, triage: Lab) -> None:
    slow = house.lab("provider", "--ttft-ms", "150", "--tokens-per-s", "100000")
    here = gateway(
        house, "evidence-recorded", {"api": target(triage), "candidate": target(slow)},
        content={"path": "recorded.db", "key": "env:EVIDENCE_KEY"}, workload={"keep_content": {"ttl_days": 1}},
    )  # fmt: skip
    answers = await drive(here, 80, 3)
    until(lambda: b'content_records_total{outcome="kept"} 80.0' in fetch(here.url, "/metrics")[1], "all of it is kept")
    config = str(here.ledger.with_suffix(".yaml"))
    flags = ("--from-ledger", "-c", config, "--min-samples", "1000", "--usd-per-day", "1")
    assert "give --from-ledger" in freehold(here, "start", "triage", "--to", "candidate", "--since", "2026-01-01", code=2)
    freehold(here, "start", "triage", "--to", "candidate", *flags)
    until(lambda: len(lines(here, "pair")) >= 20, "some are replayed")
    await drive(here, 5, 4)
    here.kill()
    assert 20 <= len(lines(here, "pair")) < 80
    here = house.again(here)
    until(lambda: migration(here)["recorded"]["done"] == 80, "all are replayed")
    until(lambda: len(freehold(here, "history", "triage")) == 2, "that is on record")
    scores = lines(here, "pair")
    counted = Counter(score["request"] for score in scores)
    assert set(counted) == {answer.headers["x-request-id"] for answer in answers}
    assert all(score["recorded"] and score["candidate"] == 1.0 for score in scores)
    assert [score["request"] for score in scores] == sorted(score["request"] for score in scores), "oldest first"
    now = migration(here)
    assert (now["pairs"], now["recorded"]) == (80, {"done": 80, "total": 80})
    assert set(counted.values()) == {1}
    asked = Counter(one["reason"].split(";")[0].removeprefix("shadow of ") for one in shadows(here, "shadow of "))
    assert set(asked) == set(counted), "no live request was copied meanwhile"
    (_, through) = freehold(here, "history", "triage")
    assert (through["kind"], through["by"], through["evidence"]["asked"]) == ("replayed", "replay", 80)
    await asyncio.sleep(1.2)
    await drive(here, 10, 6)
    assert (await settled(here))["pairs"] == 90, "live ones follow"


@pytest.mark.long
async def test_what_turns_bad_once_it_is_live_is_rolled_back(house: House, triage: Lab) -> None:
    turning = house.lab("provider", "--ttft-ms", "1", "--tokens-per-s", "100000")
    here = gateway(house, "evidence-live", {"api": target(triage), "candidate": target(turning)})
    flags = ("--margin", "0.1", *WIDE)
    freehold(here, "start", "triage", "--to", "candidate", "--after-live", "0.5", *flags)
    await drive_until(here, "live")
    await settled(here)
    before = len(shadows(here, "shadow of "))
    await drive(here, 60, 77)
    now = await settled(here)
    assert now["stage"] == "live"
    back = shadows(here, "shadow of ")[before:]
    assert {one["target"] for one in back} == {"api"}
    assert 15 <= len(back) <= 45
    assert "latest pairs, nothing evidently worse" in now["reason"]
    tell_faults(turning, filtered=0.9)
    now = await drive_until(here, "rolled_back")
    (*_, last) = freehold(here, "history", "triage")
    assert (last["kind"], last["by"]) == ("roll_back", "live")
    await asyncio.sleep(1.2)
    assert {answer.headers["x-freehold-target"] for answer in await drive(here, 10, 8)} == {"api"}
