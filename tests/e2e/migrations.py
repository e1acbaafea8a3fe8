"""What the end-to-end tests of migrations share: real engines, callers with tickets, and how to see where a migration stands."""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from e2e.client import Answer, ask, caller, chat
from e2e.house import ADMIN_KEY, KEY, Child, Gateway, House, Lab, fetch, free_port, rented
from freehold.lab.tickets import ticket

# Wide limits, so that few requests decide.
JUDGED = ("--margin", "0.1", "--min-samples", "60", "--worse-by", "errors=0.1")
SHORT = (*JUDGED, "--guard", "errors=0.2", "--steps", "20,50", "--dwell", "20")


def engine(house: House, weights: Path, *flags: str) -> Child:
    """The real llama.cpp with these weights, answering."""
    port = free_port()
    child = Child(
        f"{weights.stem}-{port}", ["engines", "run", str(weights), "--port", str(port), *flags], house.folder, port, "/health"
    )
    house.children.append(child)
    return child.wait_until_ready()


def moving(house: House, name: str, triage: Lab, candidate: Mapping[str, Any], *flags: str, **workload: Any) -> Gateway:
    """A gateway with the workload `triage` at a rented API, and a candidate to move it to."""
    targets = {"api": rented(triage, model="lab-triage", max_output_tokens=64), "candidate": dict(candidate)}
    return house.gateway(name, {"targets": targets, "workloads": {"triage": {"targets": ["api"]} | workload}}, *flags)


def freehold(here: Gateway, *arguments: str, code: int = 0) -> Any:
    """A `migrate` command over its ledger."""
    command = [sys.executable, "-m", "freehold", "migrate", *arguments, "--ledger", str(here.ledger), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if done.stdout else done.stderr


def migration(here: Gateway, workload: str | None = None) -> Any:
    """As the dashboard sees it: the only one there is, or that workload's."""
    found = json.loads(fetch(here.admin_url, "/admin/migrations", {"authorization": f"Bearer {ADMIN_KEY}"})[1])
    (one,) = [one for one in found if workload in (None, one["workload"])]
    return one


async def come(here: Gateway, count: int, seed: int, key: str = KEY, workload: str = "triage", **fields: Any) -> list[Answer]:
    """So many tickets, a few at once; however they fared."""
    source, few = random.Random(seed), asyncio.Semaphore(6)
    async with caller(here.url, key) as session:

        async def one(text: str) -> Answer:
            async with few:
                return await ask(session, chat(workload, text, temperature=0, max_tokens=16, **fields))

        return await asyncio.gather(*(one(ticket(source)[0]) for _ in range(count)))


async def drive(here: Gateway, count: int, seed: int, **fields: Any) -> list[Answer]:
    """The same, and every caller gets a whole answer."""
    answers = await come(here, count, seed, **fields)
    assert all(answer.done for answer in answers), {answer.status for answer in answers}
    return answers


async def drive_until(here: Gateway, *stages: str, within_s: float = 60.0, step: int = -1, each: int = 60) -> Any:
    """Callers come until the migration stands there."""
    deadline, seed = time.monotonic() + within_s, 0
    while (now := migration(here))["stage"] not in stages or now["step"] < step:
        assert time.monotonic() < deadline, (now["stage"], now["step"], now["reason"], now["guard"])
        await drive(here, each, seed)
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


def tell_faults(lab: Lab, **faults: float) -> None:
    """From now on it fails so often."""
    connection = HTTPConnection(lab.url.removeprefix("http://"), timeout=10)
    connection.request("POST", "/lab/faults", json.dumps(faults))
    assert connection.getresponse().status == 200
    connection.close()


def scores(here: Gateway) -> list[dict[str, Any]]:
    """Every score in the log, in its order."""
    return [json.loads(row["score"]) for row in here.rows("SELECT score FROM migration_scores ORDER BY migration, n")]


def assert_counted_once(here: Gateway) -> None:
    """No request is in the log twice, and each has the entries that its score is about."""
    entries = here.entries()
    answered = {entry["id"] for entry in entries if entry["purpose"] is None and entry["outcome"] == "finished"}
    copied = {entry["reason"].removeprefix("shadow of ").partition(";")[0] for entry in entries if entry["purpose"] == "shadow"}
    paired = [score["request"] for score in scores(here) if score["type"] == "pair"]
    assert len(set(paired)) == len(paired)
    assert set(paired) <= answered & copied
    served = [score["request"] for score in scores(here) if score["type"] == "served"]
    sent = {entry["id"] for entry in entries if any(attempt["target"] == "candidate" for attempt in entry["attempts"])}
    assert len(set(served)) == len(served)
    assert set(served) <= sent
