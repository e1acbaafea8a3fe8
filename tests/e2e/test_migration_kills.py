"""kill -9 in every stage of a migration: the next process stands where the killed one stood, with the same statistics."""

import asyncio
from typing import Any

import pytest

from e2e.house import Child, Gateway, House, Lab, owned, until
from e2e.migrations import JUDGED, assert_counted_once, come, drive, drive_until, freehold, migration, moving

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]
# So many at each share that those who come while one looks and kills are too few for the next step.
SLOW = (*JUDGED, "--guard", "errors=0.2", "--steps", "50,80", "--dwell", "60")
# All of it but the seconds it may still take, which depend on when one looks.
SAME = ("stage", "step", "share", "pairs", "served", "cost_nanousd", "reason", "verdict", "guard", "settings")


@pytest.fixture(scope="module")
def triage(house: House) -> Lab:
    """A rented API that knows every ticket."""
    return house.lab("provider", "--ttft-ms", "1", "--tokens-per-s", "100000")


async def killed(house: House, here: Gateway, stage: str, seed: int) -> tuple[Gateway, Any]:
    """The gateway after it, under callers, was killed in that stage, and where its migration stands."""
    callers = asyncio.create_task(come(here, 30, seed))
    await asyncio.sleep(0.3)
    here.kill()
    left = (await asyncio.to_thread(freehold, here, "status", code=int(stage == "rolled_back")))[0]
    await callers  # some of them see the connection break: their gateway is gone
    assert left["stage"] == stage
    again = await asyncio.to_thread(house.again, here)
    now = migration(again)
    assert {name: now[name] for name in SAME} == {name: left[name] for name in SAME}
    assert_counted_once(again)
    return again, now


async def target_of(here: Gateway, count: int = 12) -> set[str]:
    """Who answers now."""
    await asyncio.sleep(1.2)  # a running gateway goes by the log within a second
    return {answer.headers["x-freehold-target"] for answer in await drive(here, count, 99)}


async def test_from_a_draft_through_the_canary_to_live(house: House, triage: Lab, tickets: Child) -> None:
    candidate = owned(tickets.url, engine="llamacpp", model="tiny-tickets", concurrency=4)
    here = moving(house, "killed-promoted", triage, candidate)
    freehold(here, "start", "triage", "--to", "candidate", "--draft", *SLOW)
    here, now = await killed(house, here, "draft", 1)
    assert (now["pairs"], await target_of(here)) == (0, {"api"})

    freehold(here, "promote", "triage")
    until(lambda: migration(here)["stage"] == "shadow", "it is in the shadow")
    await asyncio.sleep(1.2)
    await drive(here, 25, 2)
    until(lambda: migration(here)["pairs"] > 0, "pairs are written")
    here, now = await killed(house, here, "shadow", 3)
    assert 0 < now["pairs"] < 60

    for step in (0, 1):
        await drive_until(here, "canary", step=step, each=10)
        here, now = await killed(house, here, "canary", 4 + step)
        assert now["step"] == step, "it was killed at this share"
        assert now["verdict"]["samples"] <= now["pairs"]

    await drive_until(here, "live")
    here, _ = await killed(house, here, "live", 6)
    assert await target_of(here) == {"candidate"}
    told = freehold(here, "history", "triage")
    assert [(one["kind"], one["by"]) for one in told[1:]] == [("prove", "gate"), ("advance", "guard"), ("advance", "guard")]
    assert [one["state"]["stage"] for one in told] == ["shadow", "canary", "canary", "live"]


async def test_paused_in_the_canary_and_rolled_back(house: House, triage: Lab, tickets: Child) -> None:
    candidate = owned(tickets.url, engine="llamacpp", model="tiny-tickets", concurrency=4)
    here = moving(house, "killed-paused", triage, candidate)
    freehold(here, "start", "triage", "--to", "candidate", *JUDGED, "--steps", "30", "--dwell", "100000")
    await drive_until(here, "canary")
    freehold(here, "pause", "triage")
    until(lambda: migration(here)["stage"] == "paused", "it is paused")
    here, now = await killed(house, here, "paused", 1)
    assert await target_of(here) == {"api"}
    assert migration(here)["pairs"] == now["pairs"], "nothing is copied meanwhile"

    freehold(here, "start", "triage", "--to", "candidate")
    until(lambda: migration(here)["stage"] == "canary", "it goes on where it was")
    assert (migration(here)["step"], migration(here)["verdict"]["samples"]) == (now["step"], now["verdict"]["samples"])
    assert "candidate" in await target_of(here, 60)

    freehold(here, "rollback", "triage")
    until(lambda: migration(here)["stage"] == "rolled_back", "it is rolled back")
    here, _ = await killed(house, here, "rolled_back", 2)
    assert await target_of(here) == {"api"}
