"""Moving a workload: tickets that a rented API answers, with the real engine, and with one that fails, as candidates."""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from http.client import HTTPConnection
from typing import Any

import pytest

from e2e.client import Answer, ask, caller, chat
from e2e.house import ADMIN_KEY, Child, Gateway, House, Lab, fetch, owned, rented, until
from freehold.app.migration_evidence import gate_evidence
from freehold.lab.tickets import ticket

# Wide limits, so that few requests decide.
SHORT = (
    "--margin", "0.1", "--min-samples", "60", "--worse-by", "errors=0.1", "--guard", "errors=0.2", "--steps", "20,50",
    "--dwell", "20",
)  # fmt: skip


@pytest.fixture(scope="module")
def triage(house: House) -> Lab:
    """A rented API that knows every ticket."""
    return house.lab("provider", "--ttft-ms", "1", "--tokens-per-s", "100000")


def gateway(house: House, name: str, triage: Lab, candidate: Mapping[str, Any], **workload: Any) -> Gateway:
    targets = {"api": rented(triage, model="lab-triage", max_output_tokens=64), "candidate": dict(candidate)}
    return house.gateway(name, {"targets": targets, "workloads": {"triage": {"targets": ["api"]} | workload}})


def freehold(here: Gateway, *arguments: str, code: int = 0) -> Any:
    """A `migrate` command over its ledger."""
    command = [sys.executable, "-m", "freehold", "migrate", *arguments, "--ledger", str(here.ledger), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if done.stdout else done.stderr


def migration(here: Gateway) -> Any:
    """As the dashboard sees it."""
    (one,) = json.loads(fetch(here.admin_url, "/admin/migrations", {"authorization": f"Bearer {ADMIN_KEY}"})[1])
    return one


def tell_faults(lab: Lab, **faults: float) -> None:
    connection = HTTPConnection(lab.url.removeprefix("http://"), timeout=10)
    connection.request("POST", "/lab/faults", json.dumps(faults))
    assert connection.getresponse().status == 200
    connection.close()


async def drive(here: Gateway, count: int, seed: int, **fields: Any) -> list[Answer]:
    """So many tickets, a few at once; every caller gets a whole answer."""
    source, few = random.Random(seed), asyncio.Semaphore(6)
    async with caller(here.url) as session:

        async def one(text: str) -> Answer:
            async with few:
                return await ask(session, chat("triage", text, temperature=0, max_tokens=16, **fields))

        answers = await asyncio.gather(*(one(ticket(source)[0]) for _ in range(count)))
    assert all(answer.done for answer in answers), {answer.status for answer in answers}
    return answers


async def drive_until(here: Gateway, *stages: str, within_s: float = 60.0, step: int = -1) -> Any:
    """Callers come until the migration stands there."""
    deadline, seed = time.monotonic() + within_s, 0
    while (now := migration(here))["stage"] not in stages or now["step"] < step:
        assert time.monotonic() < deadline, (now["stage"], now["step"], now["reason"], now["guard"])
        await drive(here, 60, seed)
        seed += 1
    return now


async def settled(here: Gateway) -> Any:
    """The migration once two looks in a row see the same: what the last second brought is only in memory."""
    before = migration(here)
    while True:
        await asyncio.sleep(1.5)
        now = migration(here)
        if now == before:
            return now
        before = now


@pytest.mark.long
async def test_a_good_candidate_is_promoted_through_every_stage_and_kills(house: House, triage: Lab, tickets: Child) -> None:
    engine = owned(tickets.url, engine="llamacpp", model="tiny-tickets", concurrency=4)
    here = gateway(house, "migration-good", triage, engine)
    freehold(here, "start", "triage", "--to", "candidate", *SHORT)
    stood: list[tuple[str, int]] = []
    for stage, step in (("shadow", -1), ("canary", 0), ("canary", 1), ("live", 1)):
        now = await drive_until(here, stage, step=step)
        before = await settled(here)
        here.kill()
        here = house.again(here)
        after = migration(here)
        for name in ("stage", "step", "pairs", "served", "verdict", "guard"):
            assert after[name] == before[name], name
        stood.append((now["stage"], now["step"]))
    assert stood == [("shadow", -1), ("canary", 0), ("canary", 1), ("live", 1)]

    answers = await drive(here, 20, 99)
    assert {answer.headers["x-freehold-target"] for answer in answers} == {"candidate"}
    assert "live" in answers[0].headers["x-freehold-reason"]
    told = freehold(here, "history", "triage")
    assert [(one["kind"], one["by"]) for one in told[1:]] == [("prove", "gate"), ("advance", "guard"), ("advance", "guard")]
    assert told[1]["evidence"]["decision"] == "promote"
    assert [one["state"]["stage"] for one in told] == ["shadow", "canary", "canary", "live"]
    shadows = [entry for entry in here.entries() if entry["purpose"] == "shadow"]
    assert {entry["workload"] for entry in shadows} == {"freehold-shadow:triage"}
    assert {entry["target"] for entry in shadows} == {"candidate"}
    assert sum(entry["cost_nanousd"] for entry in shadows) == 0, "an engine of one's own bills nothing"
    served = [entry for entry in here.entries() if entry["purpose"] is None]
    assert {entry["workload"] for entry in served} == {"triage"}
    assert all(entry["key"] == "tests" for entry in served)

    found = gate_evidence(here.ledger)["triage"]
    assert (found.holds, found.source, found.samples) == (True, "measured", told[1]["evidence"]["samples"])

    freehold(here, "rollback", "triage")
    until(lambda: migration(here)["stage"] == "rolled_back", "it is rolled back")
    await asyncio.sleep(1.2)
    assert {answer.headers["x-freehold-target"] for answer in await drive(here, 10, 100)} == {"api"}
    assert freehold(here, "status", code=1)[0]["stage"] == "rolled_back"


async def test_a_worse_one_is_stopped_in_the_shadow(house: House, triage: Lab, tickets: Child) -> None:
    """The same engine, in a prompt that confuses it: the candidate's own variant is what it is asked in."""
    engine = owned(tickets.url, engine="llamacpp", model="tiny-tickets", concurrency=4)
    prompts = {"prompts": {"odd": {"system": "You sort letters."}}, "prompt": {"candidate": "odd"}}
    here = gateway(house, "migration-worse", triage, engine, targets=["api", "candidate"], **prompts)
    freehold(here, "start", "triage", "--to", "candidate", *SHORT)
    now = await drive_until(here, "canary", "rolled_back")
    assert now["stage"] == "rolled_back"
    told = freehold(here, "history", "triage")
    assert [(one["kind"], one["by"]) for one in told[1:]] == [("roll_back", "gate")]
    assert told[1]["evidence"]["evidence"][0]["finding"] == "broken"
    entries = here.entries()
    assert {entry["target"] for entry in entries if entry["purpose"] is None} == {"api"}, "no caller met it"
    assert all(entry["prompt"].startswith("odd@") for entry in entries if entry["purpose"] == "shadow")


async def test_one_that_fails_in_the_canary_is_rolled_back(house: House, triage: Lab) -> None:
    """As good as the API while it is only compared, and failing once callers are sent there. None of them sees it fail."""
    failing = house.lab("provider", "--ttft-ms", "1", "--tokens-per-s", "100000")
    here = gateway(house, "migration-failing", triage, rented(failing, model="lab-triage", max_output_tokens=64))
    freehold(here, "start", "triage", "--to", "candidate", "--usd-per-day", "1", *SHORT)
    await drive_until(here, "canary")
    tell_faults(failing, error_500=0.7)
    now = await drive_until(here, "live", "rolled_back")
    assert now["stage"] == "rolled_back"
    last = freehold(here, "history", "triage")[-1]
    assert (last["kind"], last["by"]) in {("roll_back", "guard"), ("roll_back", "canary")}
    await asyncio.sleep(1.2)
    assert {answer.headers["x-freehold-target"] for answer in await drive(here, 20, 7)} == {"api"}
    (spent,) = here.rows("SELECT spent_nanousd FROM budget_spent")
    paid = sum(entry["cost_nanousd"] for entry in here.entries() if entry["purpose"] == "shadow")
    assert 0 < paid == spent["spent_nanousd"]


@pytest.mark.long
async def test_what_the_candidate_may_not_see_and_what_is_too_dear_is_not_copied(house: House, triage: Lab) -> None:
    dear = rented(triage, model="lab-triage", max_output_tokens=64)
    here = gateway(house, "migration-bound", triage, dear)
    freehold(here, "start", "triage", "--to", "candidate", "--usd-per-day", "0.001")
    await asyncio.sleep(1.2)
    await drive(here, 40, 1)
    until(lambda: b'shadow_total{outcome="over_cap"}' in fetch(here.url, "/metrics")[1], "the cap is met")
    cost = sum(entry["cost_nanousd"] for entry in here.entries() if entry["purpose"] == "shadow")
    assert 0 < cost <= 1_000_000

    careful = {"targets": {"api": rented(triage, model="lab-triage", clearance="restricted"), "candidate": dear}}
    there = house.gateway("migration-barred", careful | {"workloads": {"triage": {"targets": ["api"], "data": "confidential"}}})
    freehold(there, "start", "triage", "--to", "candidate")
    await asyncio.sleep(1.2)
    await drive(there, 10, 2)
    until(lambda: b'shadow_total{outcome="barred"} 10.0' in fetch(there.url, "/metrics")[1], "each is counted")
    assert {entry["target"] for entry in there.entries()} == {"api"}
