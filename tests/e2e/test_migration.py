"""Moving a workload: tickets that a rented API answers, with real engines, and with one that fails, as candidates."""

import asyncio

import pytest

from e2e.house import Child, House, Lab, fetch, owned, rented, until
from e2e.migrations import (
    SHORT,
    assert_counted_once,
    drive,
    drive_until,
    engine,
    freehold,
    migration,
    moving,
    settled,
    tell_faults,
)
from freehold.app.migration_evidence import gate_evidence
from freehold.lab.ticket_models import worse_model

__all__ = [
    "drive",
    "drive_until",
    "freehold",
    "migration",
    "settled",
    "tell_faults",
]  # test_migration_evidence takes them from here


@pytest.fixture(scope="module")
def triage(house: House) -> Lab:
    """A rented API that knows every ticket."""
    return house.lab("provider", "--ttft-ms", "1", "--tokens-per-s", "100000")


@pytest.mark.long
async def test_a_good_candidate_is_promoted_and_the_ledger_tells_why(house: House, triage: Lab, tickets: Child) -> None:
    here = moving(house, "migration-good", triage, owned(tickets.url, engine="llamacpp", model="tiny-tickets", concurrency=4))
    freehold(here, "start", "triage", "--to", "candidate", *SHORT, "--after-live", "0")
    await drive_until(here, "live")
    await asyncio.sleep(1.2)

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
    assert_counted_once(here)
    await asyncio.sleep(1.2)
    assert {answer.headers["x-freehold-target"] for answer in await drive(here, 10, 100)} == {"api"}
    assert freehold(here, "status", code=1)[0]["stage"] == "rolled_back"


@pytest.mark.long
async def test_a_worse_model_is_stopped_in_the_shadow(house: House, triage: Lab) -> None:
    """Trained on three of each label's five phrases: it answers every ticket in the right form, and many of them wrong."""
    weights = worse_model()
    candidate = owned(engine(house, weights).url, engine="llamacpp", model=weights.stem, concurrency=4)
    here = moving(house, "migration-worse", triage, candidate)
    freehold(here, "start", "triage", "--to", "candidate", *SHORT)
    assert (await drive_until(here, "canary", "rolled_back"))["stage"] == "rolled_back"
    told = freehold(here, "history", "triage")
    assert [(one["kind"], one["by"]) for one in told[1:]] == [("roll_back", "gate")]
    found = {one["name"]: one["finding"] for one in told[1]["evidence"]["evidence"]}
    assert found.pop("quality") == "broken"
    assert "broken" not in found.values(), "it fails nobody, refuses nothing, and is in time"
    assert {entry["target"] for entry in here.entries() if entry["purpose"] is None} == {"api"}, "no caller met it"
    assert_counted_once(here)


@pytest.mark.long
async def test_a_prompt_that_confuses_it_stops_it_in_the_shadow(house: House, triage: Lab, tickets: Child) -> None:
    """The same engine, in a prompt that confuses it: the candidate's own variant is what it is asked in."""
    candidate = owned(tickets.url, engine="llamacpp", model="tiny-tickets", concurrency=4)
    prompts = {"prompts": {"odd": {"system": "You sort letters."}}, "prompt": {"candidate": "odd"}}
    here = moving(house, "migration-odd", triage, candidate, targets=["api", "candidate"], **prompts)
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
    here = moving(house, "migration-failing", triage, rented(failing, model="lab-triage", max_output_tokens=64))
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
    here = moving(house, "migration-bound", triage, dear)
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
