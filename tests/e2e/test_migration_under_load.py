"""A candidate as good as any, on a real engine that is too small: well alone, late once enough callers are sent there."""

import asyncio
import random
from pathlib import Path

import pytest

from e2e.client import Answer, ask, caller, chat
from e2e.house import Child, Gateway, House, Lab, owned
from e2e.migrations import JUDGED, assert_counted_once, drive, engine, freehold, migration, moving
from freehold.app.weights import resolve_model
from freehold.lab.ticket_models import deepened
from freehold.lab.tickets import ticket

pytestmark = [pytest.mark.long, pytest.mark.alone, pytest.mark.timeout(240)]
LAYERS = 60
OFFERED, LATE = 6, 15  # times what the one slot carries; times what an answer takes alone


@pytest.fixture(scope="module")
def narrow(house: House, tmp_path_factory: pytest.TempPathFactory) -> Child:
    """One slot, and a model of many layers behind it."""
    weights: Path = deepened(resolve_model("tiny-tickets"), tmp_path_factory.mktemp("deep") / "deep.gguf", LAYERS)
    return engine(house, weights, "--parallel", "1")


@pytest.fixture(scope="module")
def triage(house: House) -> Lab:
    """A rented API that knows every ticket."""
    return house.lab("provider", "--ttft-ms", "1", "--tokens-per-s", "100000")


async def alone_s(url: str) -> float:
    """How fast it is with nothing else to do."""
    source = random.Random(1)
    async with caller(url) as session:
        return min(
            [(await ask(session, chat("any", ticket(source)[0], temperature=0, max_tokens=16))).total_s for _ in range(10)]
        )


async def crowd(here: Gateway, per_s: float, within_s: float) -> list[Answer]:
    """Callers come at that rate until the migration is over; each is waited for."""
    source, loop, few, tasks = random.Random(5), asyncio.get_running_loop(), asyncio.Semaphore(64), list[asyncio.Task[Answer]]()
    over, began = asyncio.Event(), loop.time()

    async def look() -> None:
        while not over.is_set():
            await asyncio.sleep(0.5)
            if (await asyncio.to_thread(migration, here))["stage"] in {"live", "rolled_back"}:
                over.set()

    async with caller(here.url) as session, asyncio.TaskGroup() as group:
        group.create_task(asyncio.wait_for(look(), within_s))

        async def one() -> Answer:
            async with few:
                return await ask(session, chat("triage", ticket(source)[0], temperature=0, max_tokens=16))

        while not over.is_set():
            tasks.append(group.create_task(one()))
            await asyncio.sleep(max(0.0, began + len(tasks) / per_s - loop.time(), 0.5 * few.locked()))
    return [task.result() for task in tasks]


async def test_it_is_rolled_back_in_the_canary_and_no_caller_is_lost(house: House, triage: Lab, narrow: Child) -> None:
    alone = await alone_s(narrow.url)
    here = moving(house, "migration-narrow", triage, owned(narrow.url, engine="llamacpp", model="deep"))
    limits = ("--steps", "5,25,50", "--dwell", "20", "--guard", "late=0.05", "--guard", "errors=0.05", "--at-most", "late=0.1")
    freehold(here, "start", "triage", "--to", "candidate", *JUDGED, *limits, "--late-s", f"{LATE * alone:.3f}")
    answers = await crowd(here, OFFERED / alone, within_s=150.0)
    assert all(answer.done for answer in answers)

    told = freehold(here, "history", "triage")
    assert [(one["kind"], one["by"]) for one in told[1:2]] == [("prove", "gate")], "alone it is good, and in time"
    assert told[-1]["kind"] == "roll_back"
    assert told[-1]["by"] == "guard"
    found = {one["name"]: one for one in told[-1]["evidence"]}
    assert found["late"]["broken"]
    assert (found["errors"]["broken"], found["errors"]["mean"]) == (False, 0), "it fails nobody: it is too slow for so many"

    ended = told[-1]["at"]
    at_candidate = [one for one in here.entries() if one["target"] == "candidate" and one["purpose"] is None]
    assert max(one["received_at"] for one in at_candidate) < ended + 1.5, "within one look nobody is sent there any more"
    under_way = [one for one in at_candidate if one["received_at"] + one["total_s"] > ended]
    assert under_way, "some waited there when it was decided"
    assert {one["outcome"] for one in at_candidate} == {"finished"}, "and were answered"
    assert {answer.headers["x-freehold-target"] for answer in await drive(here, 20, 7)} == {"api"}
    assert_counted_once(here)
