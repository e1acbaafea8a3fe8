"""Streams through one gateway process: whole, in their own words, as they happen, counted to the token, at a constant memory."""

import asyncio
from decimal import Decimal

import msgspec
import pytest

from e2e.client import Answer, ask, caller, chat
from e2e.house import Gateway, House, Lab, rented
from freehold.core.money import NANO
from freehold.lab.chat import read_chat
from freehold.lab.generation import generate

STREAMS = 500
WAVE_TOKENS = 24
# Memory of the first minutes grows by fragments, not by what is held (benchmarks/soak counts that): 16 kB a stream would show.
FLAT_BYTES = 8 * 1024 * 1024


@pytest.fixture(scope="module")
def crowd_provider(house: House) -> Lab:
    """Two seconds an answer, so that all streams are open at once."""
    return house.lab("provider", "--ttft-ms", "300", "--tokens-per-s", "12")


@pytest.fixture(scope="module")
def crowd_gateway(house: House, crowd_provider: Lab) -> Gateway:
    config = {"targets": {"api": rented(crowd_provider)}, "workloads": {"crowd": {"targets": ["api"]}}}
    return house.gateway("crowd", config)


def prompt_of(wave: int, n: int) -> str:
    return f"[ref:{wave}-{n}] " + "what does line " * (1 + n % 7)


async def wave(gateway: Gateway, number: int) -> list[Answer]:
    async with caller(gateway.url) as session:
        bodies = [chat("crowd", prompt_of(number, n), max_tokens=WAVE_TOKENS, stream=True) for n in range(STREAMS)]
        return await asyncio.gather(*(ask(session, body) for body in bodies))


@pytest.mark.long
async def test_five_hundred_at_once_three_times(crowd_gateway: Gateway, crowd_provider: Lab) -> None:
    resident: list[int] = []
    for number in range(3):
        answers = await wave(crowd_gateway, number)
        resident.append(crowd_gateway.rss_bytes())
        broken = [answer for answer in answers if not (answer.status == 200 and answer.clean and answer.done)]
        assert not broken, f"{len(broken)} streams were cut, the first: {broken[0]}"
        for n, answer in enumerate(answers):
            asked = msgspec.json.encode(chat("x", prompt_of(number, n), max_tokens=WAVE_TOKENS))
            assert answer.text == "".join(generate(read_chat(asked), seed=0).choices[0]), "another stream's words"
        finished = {entry["id"] for entry in crowd_gateway.entries() if entry["outcome"] == "finished"}
        assert {answer.id for answer in answers} <= finished
    assert resident[2] - resident[1] < FLAT_BYTES, [size / 2**20 for size in resident]
    tally = crowd_provider.tally()
    assert (tally["requests"], tally["completed"]) == (3 * STREAMS, 3 * STREAMS)
    assert tally["completion_tokens"] == 3 * STREAMS * WAVE_TOKENS


async def test_the_first_chunk_comes_while_the_upstream_is_still_sending(gateway: Gateway, slow_provider: Lab) -> None:
    async with caller(gateway.url) as session:
        answer = await ask(session, chat("slow", max_tokens=25, stream=True))
    assert answer.done
    assert answer.first_s < 0.05 + 0.25, "the provider's first token takes 50 ms"
    assert answer.total_s > 2


@pytest.mark.parametrize("model", ["fast", "ticket-triage"])
async def test_usage_is_the_same_whether_a_stream_asked_for_it_or_not(gateway: Gateway, model: str) -> None:
    body = chat(model, "where is my parcel, tracking shows nothing", stream=True, max_tokens=20, temperature=0)
    async with caller(gateway.url) as session:
        await ask(session, body)  # so that the engine's own prompt cache is as warm for each that follows
        plain = await ask(session, body)
        asked = await ask(session, body | {"stream_options": {"include_usage": True}})
        declined = await ask(session, body | {"stream_options": {"include_usage": False}})
        whole = await ask(session, body | {"stream": False})
    assert (plain.usage, declined.usage) == (None, None)
    assert asked.chunks[-1]["choices"] == []
    assert asked.usage["completion_tokens"] == whole.usage["completion_tokens"] > 0
    assert all(chunk["choices"] for chunk in plain.chunks), "the usage chunk is stripped for who did not ask"
    assert len(asked.chunks) == len(plain.chunks) + 1 == len(declined.chunks) + 1
    names = ("uncached_input", "cache_read", "cache_write", "answer_output", "reasoning", "usage_source", "cost_nanousd")
    counted = [[gateway.entry(answer.id)[name] for name in names] for answer in (plain, asked, declined, whole)]
    assert counted[0] == counted[1] == counted[2] == counted[3]
    assert counted[0][-2] != "estimated"


async def test_the_ledger_equals_the_providers_own_count(house: House) -> None:
    """To the token, streams and whole answers alike, several choices too, none estimated."""
    provider = house.lab("provider", "--ttft-ms", "1", "--tokens-per-s", "5000", "--seed", "7")
    config = {"targets": {"api": rented(provider)}, "workloads": {"w": {"targets": ["api"]}}}
    gateway = house.gateway("counted", config)
    async with caller(gateway.url) as session:
        bodies = [
            chat("w", "word " * (1 + n % 40), max_tokens=1 + n % 90, stream=n % 2 == 0, n=1 + n % 3)
            | ({"stream_options": {"include_usage": True}} if n % 4 == 0 else {})
            for n in range(120)
        ]
        answers = await asyncio.gather(*(ask(session, body) for body in bodies))
    assert all(answer.done for answer in answers)
    tally, entries = provider.tally(), gateway.entries()
    assert {entry["usage_source"] for entry in entries} == {"provider"}
    inputs = sum(entry["uncached_input"] + (entry["cache_read"] or 0) for entry in entries)
    outputs = sum(entry["answer_output"] + (entry["reasoning"] or 0) for entry in entries)
    assert (len(entries), inputs, outputs) == (tally["requests"], tally["prompt_tokens"], tally["completion_tokens"])
    # The contract of `rented`: $2.5 and $10 a million tokens, so 2,500 and 10,000 nano-dollars each.
    assert sum(entry["cost_nanousd"] for entry in entries) == inputs * 2_500 + outputs * 10_000
    by_id = tally["by_id"]
    for entry, answer in ((gateway.entry(answer.id), answer) for answer in answers[:20]):
        upstream_id = answer.chunks[0]["id"] if answer.streamed else answer.json["id"]
        assert by_id[upstream_id] == [entry["uncached_input"] + (entry["cache_read"] or 0), entry["answer_output"]]


async def test_a_stream_ends_with_its_cost_for_who_asks_and_for_nobody_else(gateway: Gateway) -> None:
    body = chat("fast", "what does it cost?", stream=True, max_tokens=20)
    async with caller(gateway.url) as session:
        plain = await ask(session, body)
        told = await ask(session, body, x_freehold_report="cost")
        owned = await ask(session, body | {"model": "ticket-triage"}, x_freehold_report="cost")
        refused = await ask(session, body, x_freehold_report="everything")
    assert b"x-freehold-cost-usd" not in plain.body
    (comment,) = [line for line in told.body.split(b"\n") if line.startswith(b":")]
    (entry,) = [entry for entry in gateway.entries() if entry["id"] == told.id]
    assert entry["cost_nanousd"] > 0
    assert Decimal(comment.removeprefix(b": x-freehold-cost-usd=").decode()) * NANO == entry["cost_nanousd"]
    assert told.body.index(comment) < told.body.index(b"data: [DONE]")
    assert told.body.replace(comment + b"\n\n", b"").count(b"data: ") == plain.body.count(b"data: ")
    assert b"x-freehold-cost-usd" not in owned.body, "its cost is the machine's"
    assert refused.status == 400
