"""Ways of a migration: offline requests first, and several workloads at once, to a machine of one's own and back to the API."""

import asyncio
import time
from typing import Any

import pytest

from e2e.house import KEY, Child, Gateway, House, Lab, fetch, owned, rented, until
from e2e.migrations import SHORT, assert_counted_once, drive, drive_until, freehold, migration
from freehold.serve.access.keys import digest

JOBS, CLINIC = "fh_for-the-nightly-jobs", "fh_for-the-clinic"


@pytest.fixture(scope="module")
def triage(house: House) -> Lab:
    """A rented API that knows every ticket."""
    return house.lab("provider", "--ttft-ms", "1", "--tokens-per-s", "100000")


def keys(**more: dict[str, Any]) -> list[dict[str, Any]]:
    """The usual key, and these by name, each with what it is given."""
    return [{"name": "tests", "sha256": digest(KEY)}, *({"name": name} | given for name, given in more.items())]


async def targets(here: Gateway, key: str = KEY, workload: str = "triage", count: int = 12) -> set[str]:
    """Who answers that key now."""
    await asyncio.sleep(1.2)  # a running gateway goes by the log within a second
    return {answer.headers["x-freehold-target"] for answer in await drive(here, count, 7, key=key, workload=workload)}


@pytest.mark.long
async def test_offline_requests_move_first_and_come_back_with_the_others(house: House, triage: Lab, tickets: Child) -> None:
    here = house.gateway("migration-offline", {
        "keys": keys(jobs={"sha256": digest(JOBS)}),
        "targets": {
            "api": rented(triage, model="lab-triage", max_output_tokens=64),
            "candidate": owned(tickets.url, engine="llamacpp", model="tiny-tickets", concurrency=4),
        },
        "workloads": {"triage": {"targets": ["api"]}},
    })  # fmt: skip
    start = ("start", "triage", "--to", "candidate", *SHORT, "-c", str(house.folder / "migration-offline.yaml"))
    assert "--offline-key is 'nightly'" in freehold(here, *start, "--offline-key", "nightly", code=2)
    freehold(here, *start, "--offline-key", "jobs")
    now = await drive_until(here, "canary")
    assert (now["step_name"], now["share"], now["offline"]) == ("offline", 0, {"sent": {"jobs": 0}, "begun": True})
    assert "met no request yet" in now["reason"]

    assert await targets(here, count=60) == {"api"}, "nobody who waits is sent there, however long it takes"
    assert await targets(here, JOBS) == {"candidate"}
    until(lambda: migration(here)["served"] == 12, "each of them is counted")
    here.kill()
    here = house.again(here)
    assert await targets(here, count=6) == {"api"}
    assert await targets(here, JOBS) == {"candidate"}, "a process killed with kill -9 goes on in the same step"
    until(lambda: migration(here)["step_name"] == "20%", "enough offline requests came")

    assert await targets(here, JOBS) == {"candidate"}
    assert await targets(here, count=60) == {"api", "candidate"}
    await drive_until(here, "canary", step=2)
    told = freehold(here, "history", "triage")
    assert [(one["kind"], one["by"], one["step_name"]) for one in told[:4]] == [
        ("start", told[0]["by"], None), ("prove", "gate", "offline"), ("advance", "guard", "20%"), ("advance", "guard", "50%"),
    ]  # fmt: skip
    assert "offline requests and no guardrail is broken" in told[2]["why"]
    freehold(here, "rollback", "triage")
    assert await targets(here) == await targets(here, JOBS) == {"api"}, "both are taken back"
    assert_counted_once(here)


@pytest.mark.long
async def test_two_workloads_move_at_once_one_of_them_back_to_the_api(house: House, triage: Lab, tickets: Child) -> None:
    """The same commands both ways. What the API may not see stays on the machine, at every stage."""
    here = house.gateway("migration-both", {
        "keys": keys(clinic={"sha256": digest(CLINIC), "data": "confidential"}),
        "targets": {
            "api": rented(triage, model="lab-triage", max_output_tokens=64),
            "box": owned(tickets.url, engine="llamacpp", model="tiny-tickets", concurrency=4),
        },
        "workloads": {"triage": {"targets": ["api"]}, "letters": {"targets": ["box"]}},
    })  # fmt: skip
    ways = {"triage": ("api", "box"), "letters": ("box", "api")}
    for workload, (_, to) in ways.items():
        freehold(here, "start", workload, "--to", to, *SHORT, "--after-live", "0")
    deadline, seed, clinic = time.monotonic() + 90, 0, set[str]()
    while (stages := [migration(here, workload)["stage"] for workload in ways]) != ["live", "live"]:
        assert time.monotonic() < deadline, stages
        for workload in ways:
            await drive(here, 40, seed, workload=workload)
        answers = await drive(here, 5, seed, key=CLINIC, workload="letters")
        clinic |= {answer.headers["x-freehold-target"] for answer in answers}
        seed += 1
    for workload, (_, to) in ways.items():
        assert await targets(here, workload=workload) == {to}
    assert clinic | await targets(here, CLINIC, "letters") == {"box"}, "confidential data is no business of the API's"
    assert b'shadow_total{outcome="barred"}' in fetch(here.url, "/metrics")[1]
    assert not any(entry["target"] == "api" for entry in here.entries() if entry["key"] == "clinic")
    for workload in ways:
        told = freehold(here, "history", workload)
        assert [(one["kind"], one["by"]) for one in told[1:]] == [("prove", "gate"), ("advance", "guard"), ("advance", "guard")]
    freehold(here, "rollback", "letters")
    assert await targets(here, workload="letters") == {"box"}
    assert await targets(here) == {"box"}, "the other one stays where it is"
