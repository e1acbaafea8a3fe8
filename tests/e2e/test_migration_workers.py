"""A migration with two workers: both compare and serve, and one of them alone decides."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from e2e.house import ADMIN_KEY, Child, Gateway, House, Lab, fetch, owned, until
from e2e.migrations import SHORT, assert_counted_once, come, drive, drive_until, freehold, moving, scores

pytestmark = [
    pytest.mark.long, pytest.mark.timeout(240), pytest.mark.skipif(sys.platform != "linux", reason="stops a process"),
]  # fmt: skip


@pytest.fixture(scope="module")
def triage(house: House) -> Lab:
    """A rented API that knows every ticket."""
    return house.lab("provider", "--ttft-ms", "1", "--tokens-per-s", "100000")


def workers(here: Gateway) -> dict[int, int]:
    """The process ids of those that serve, by their number."""
    status, body = fetch(here.admin_url, "/admin/summary", {"authorization": f"Bearer {ADMIN_KEY}"})
    seen: Any = msgspec.json.decode(body)["workers"] if status == 200 else []
    return {one["worker"]: one["pid"] for one in seen if one["ready"]}


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """While inside, that process does nothing at all, and still has its place."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_two_workers_promote_it_and_one_decides(house: House, triage: Lab, tickets: Child) -> None:
    candidate = owned(tickets.url, engine="llamacpp", model="tiny-tickets", concurrency=4)
    here = moving(house, "migration-pair", triage, candidate, "--workers", "2")
    until(lambda: len(workers(here)) == 2, "both serve")
    decider, other = (workers(here)[number] for number in (0, 1))
    freehold(here, "start", "triage", "--to", "candidate", *SHORT)
    await asyncio.sleep(1.5)

    with stopped(decider):
        deadline = time.monotonic() + 60
        while len(scores(here)) < 120:
            assert time.monotonic() < deadline, len(scores(here))
            await drive(here, 40, len(scores(here)))
        assert [one["kind"] for one in freehold(here, "history", "triage")] == ["start"], "the other one decides nothing"
        assert freehold(here, "status")[0]["verdict"]["decision"] == "promote", "on evidence that is enough"
    until(lambda: len(freehold(here, "history", "triage")) > 1, "the one that decides goes on")

    with stopped(other):  # what is written now comes from the first worker
        before = len(scores(here))
        await drive(here, 40, 1_000)
        until(lambda: len(scores(here)) > before, "it compares and serves as well")
    await drive_until(here, "canary", "live", step=1)
    os.kill(decider, signal.SIGKILL)
    await come(here, 20, 2_000)  # some of them were with the one that is gone
    until(lambda: workers(here).get(0, decider) != decider, "another takes its place")
    await drive_until(here, "live")

    told = freehold(here, "history", "triage")
    assert [(one["kind"], one["by"]) for one in told[1:]] == [("prove", "gate"), ("advance", "guard"), ("advance", "guard")]
    await asyncio.sleep(1.5)
    assert {answer.headers["x-freehold-target"] for answer in await drive(here, 20, 99)} == {"candidate"}
    assert_counted_once(here)
