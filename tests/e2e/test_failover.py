"""What callers see when targets fail, beside the fault matrix: bounds over all attempts, refusals, constraints, and spill."""

import asyncio
from contextlib import suppress
from itertools import product
from typing import Any

import openai
import pytest
from openai import OpenAI

from e2e.client import Answer, ask, caller, chat
from e2e.house import KEY, Gateway, House, Lab, free_port, owned, rented, until
from freehold.lab.faults import Fault

MODES = {"stream": True, "whole": False}


@pytest.fixture(scope="module")
def faulty(house: House, provider: Lab) -> Gateway:
    """Workloads of targets that fail, each of its own, and some with a good one behind them."""
    good, dead = {"good": rented(provider)}, {"dead": owned(f"http://127.0.0.1:{free_port()}")}
    bad = {
        f"{fault}-{n}": rented(provider, model=f"lab-model+fault:{fault}")
        for fault, n in product(["rate_limit", "error_503", "quota", "error_500"], [*MODES, *range(5)])
    }
    workloads: dict[str, Any] = {f"w-{name}": {"targets": [name]} for name in bad}
    workloads |= {
        "w-mixed-stream": {"targets": ["rate_limit-1", "error_500-1"]},
        "w-mixed-whole": {"targets": ["rate_limit-2", "error_500-2"]},
        "many": {"targets": [*(f"error_500-{n}" for n in range(4)), "good"]},
        "owned-is-down": {"targets": ["dead", "good"], "data": "internal"},
        "rented-only": {"targets": ["good"]},
    }
    return house.gateway("faulty", {"targets": good | bad | dead, "workloads": workloads, "bounds": {"attempts": 3}})


@pytest.fixture(scope="module")
def impatient(house: House, provider: Lab, slow_provider: Lab) -> Gateway:
    """One second for a request as a whole."""
    faults = [Fault.stall_head, Fault.stall_stream]
    targets = {f"{fault}": rented(provider, model=f"lab-model+fault:{fault}") for fault in faults} | {
        "slow": rented(slow_provider)
    }
    workloads = {f"w-{name}": {"targets": [name]} for name in targets}
    return house.gateway("impatient", {"targets": targets, "workloads": workloads, "bounds": {"total_s": 1.2}})


async def asked(gateway: Gateway, body: dict[str, Any], **headers: str) -> tuple[Answer, dict[str, Any]]:
    """The answer and its entry."""
    async with caller(gateway.url) as session:
        answer = await ask(session, body, **headers)
    return answer, gateway.entry(answer.id)


# Where there is no other target: status, x-should-retry, retry-after.
HOPELESS: dict[str, tuple[int, str, str | None]] = {
    "w-rate_limit": (429, "true", "1"),
    "w-error_503": (503, "true", "1"),
    "w-quota": (502, "false", None),
    "w-error_500": (502, "false", None),
    "w-mixed": (502, "false", None),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("workload", HOPELESS)
async def test_when_every_target_failed(faulty: Gateway, workload: str, mode: str) -> None:
    status, retry, retry_after = HOPELESS[workload]
    answer, entry = await asked(faulty, chat(f"{workload}-{mode}", stream=MODES[mode]))
    assert (answer.status, answer.error["code"]) == (status, "targets_exhausted")
    assert (answer.headers["x-should-retry"], answer.headers.get("retry-after")) == (retry, retry_after)
    assert answer.headers["content-type"] == "application/json"
    assert entry["attempts"]
    for attempt in entry["attempts"]:
        assert f"{attempt['target']}: {attempt['outcome']}" in answer.error["message"]
    assert (entry["outcome"], entry["status"], entry["error_code"]) == ("failed", status, "targets_exhausted")


@pytest.mark.parametrize("fault", [Fault.stall_head, Fault.stall_stream])
async def test_a_whole_answer_is_waited_for_until_the_overall_deadline(impatient: Gateway, fault: Fault) -> None:
    answer, entry = await asked(impatient, chat(f"w-{fault}"))
    assert (answer.status, answer.error["code"]) == (504, "targets_exhausted")
    assert 1.0 < answer.total_s < 3
    assert (entry["outcome"], [attempt["outcome"] for attempt in entry["attempts"]]) == ("failed", ["timed_out"])


async def test_a_stream_that_takes_too_long_ends_with_an_error(impatient: Gateway) -> None:
    answer, entry = await asked(impatient, chat("w-slow", stream=True, max_tokens=500))
    assert (answer.status, answer.clean, answer.done) == (200, True, False)
    assert (answer.error["code"], "deadline" in answer.error["message"]) == ("stream_broken", True)
    assert 1.0 < answer.total_s < 3
    assert (entry["outcome"], entry["attempts"][0]["outcome"]) == ("cut", "timed_out")
    assert 0 < entry["answer_output"] < 60


async def test_attempts_are_bounded(faulty: Gateway) -> None:
    answer, entry = await asked(faulty, chat("many"))
    assert answer.status == 502
    assert [attempt["target"] for attempt in entry["attempts"]] == [f"error_500-{n}" for n in range(3)]


def test_the_sdk_does_not_multiply_our_attempts(faulty: Gateway, provider: Lab) -> None:
    before = provider.tally()["requests"]
    with OpenAI(base_url=f"{faulty.url}/v1", api_key=KEY) as client, pytest.raises(openai.InternalServerError) as failed:
        client.chat.completions.create(model="w-error_500-4", messages=[{"role": "user", "content": "x"}])
    assert failed.value.status_code == 502
    assert provider.tally()["requests"] == before + 1


async def test_a_refusal_nobody_could_mend_is_relayed_as_it_came(faulty: Gateway, provider: Lab) -> None:
    body = chat("rented-only", max_tokens=10**9)
    answer, entry = await asked(faulty, body)
    async with caller(provider.url) as session:
        direct = await ask(session, body)
    assert (answer.status, answer.body) == (direct.status, direct.body) == (400, direct.body)
    assert (entry["outcome"], entry["error_code"]) == ("refused", "upstream_refused")
    assert len(entry["attempts"]) == 1


async def test_an_owned_target_that_is_down_is_left_alone_for_a_while(faulty: Gateway) -> None:
    first, entry = await asked(faulty, chat("owned-is-down"))
    assert (first.status, first.headers["x-freehold-target"]) == (200, "good")
    assert [(a["target"], a["outcome"]) for a in entry["attempts"]] == [("dead", "unreachable"), ("good", "finished")]
    assert entry["spilled"] == 0, "a failure is not a spill"
    _, entry = await asked(faulty, chat("owned-is-down"))
    assert [attempt["target"] for attempt in entry["attempts"]] == ["good"]


@pytest.mark.parametrize(
    ("headers", "fields", "constraint"),
    [
        ({"x_freehold_data": "restricted"}, {}, "data_class"),
        ({"x_freehold_data": "public; region=eu"}, {}, "region"),
        ({}, {"store": True}, "egress"),
        ({}, {"provider": {"data_collection": "deny"}}, "terms"),
        ({}, {"provider": {"ignore": ["good"]}}, "hint"),
    ],
)
async def test_an_error_names_the_constraint_and_the_target(
    faulty: Gateway, provider: Lab, headers: dict[str, str], fields: dict[str, Any], constraint: str
) -> None:
    before = provider.tally()["requests"]
    answer, entry = await asked(faulty, chat("rented-only", **fields), **headers)
    assert (answer.status, answer.error["code"], answer.error["type"]) == (403, "no_target_allowed", "permission_error")
    assert f"good: {constraint} (" in answer.error["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert provider.tally()["requests"] == before
    assert (entry["outcome"], entry["attempts"], entry["target"]) == ("refused", [], None)
    assert f'"constraint":"{constraint}"' in entry["removed"]


@pytest.fixture(scope="module")
def small_engine(house: House) -> Lab:
    """Two at once; an answer of 10 tokens takes half a second."""
    return house.lab("engine", "--slots", "2", "--ttft-ms", "10", "--tokens-per-s", "20")


@pytest.fixture(scope="module")
def spilling(house: House, provider: Lab, small_engine: Lab) -> Gateway:
    targets = {
        "declared": owned(small_engine.url, concurrency=2),
        "read": owned(small_engine.url),
        "api": rented(provider),
    }
    workloads = {
        "spills": {"targets": ["declared", "api"], "spill": True},
        "waits": {"targets": ["declared", "api"], "spill": False},
        "reads": {"targets": ["read", "api"], "spill": True},
    }
    return house.gateway("spilling", {"targets": targets, "workloads": workloads})


async def six(gateway: Gateway, workload: str, **headers: str) -> list[dict[str, Any]]:
    """Entries of six requests at once, at a moment when the engine was seen idle."""
    async with caller(gateway.url) as session:
        async with asyncio.timeout(20):
            while (await ask(session, chat("waits", max_tokens=1))).headers["x-freehold-reason"] != "choice 1 of 2":
                pass
        body = chat(workload, max_tokens=10)
        answers = await asyncio.gather(*(ask(session, body | {"stream": n % 2 == 0}, **headers) for n in range(6)))
    assert all(answer.done for answer in answers)
    return [gateway.entry(answer.id) for answer in answers]


async def test_what_owned_capacity_cannot_hold_spills(spilling: Gateway) -> None:
    entries = await six(spilling, "spills")
    assert sorted((entry["target"], entry["spilled"]) for entry in entries) == [("api", 1)] * 4 + [("declared", 0)] * 2
    reasons = {entry["reason"] for entry in entries if entry["spilled"]}
    assert reasons == {"spill: declared is full (2 of 2 running)"}


async def test_without_spill_requests_wait(spilling: Gateway) -> None:
    entries = await six(spilling, "waits")
    assert {(entry["target"], entry["spilled"]) for entry in entries} == {("declared", 0)}
    assert sum("spill is off" in entry["reason"] for entry in entries) == 4


async def test_a_class_the_rented_target_may_not_see_waits_too(spilling: Gateway) -> None:
    entries = await six(spilling, "spills", x_freehold_data="confidential")
    assert {(entry["target"], entry["spilled"]) for entry in entries} == {("declared", 0)}
    assert all('"target":"api","constraint":"data_class"' in entry["removed"] for entry in entries)


async def test_an_engine_filled_by_others_is_seen_in_its_metrics(spilling: Gateway, small_engine: Lab) -> None:
    """Nothing is declared for `read`: only its own queue tells that it is full."""
    async with caller(small_engine.url) as others, caller(spilling.url) as session:
        crowd = [asyncio.create_task(ask(others, chat("x", max_tokens=1000, stream=True))) for _ in range(4)]
        try:
            await asyncio.to_thread(until, lambda: small_engine.tally()["running"] == 4, "the engine has a queue")
            async with asyncio.timeout(10):
                while True:
                    asking = asyncio.create_task(ask(session, chat("reads", max_tokens=1)))
                    done, _ = await asyncio.wait({asking}, timeout=0.3)
                    if done:
                        break
                    asking.cancel()  # it was sent to the queue, before the reading was seen
            entry = spilling.entry(asking.result().id)
        finally:
            for task in crowd:
                task.cancel()
            for task in crowd:
                with suppress(asyncio.CancelledError):
                    await task
    assert (entry["target"], entry["spilled"]) == ("api", 1)
    assert "waiting in its queue" in entry["reason"]
