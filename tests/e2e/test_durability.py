"""A reply that a caller received whole has its entry: with the gateway killed under load, and with a disk that takes no more."""

import asyncio
import contextlib
import random
import re
import resource
import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from e2e.client import Answer, ask, caller, chat
from e2e.house import Gateway, House, Lab, fetch, rented, until

CLIENTS = 30
ENOUGH = 60  # answers that must be whole before the kill, so that a round says something


@pytest.fixture
def own_gateway(house: House, provider: Lab, request: pytest.FixtureRequest) -> Gateway:
    """One for each test, with a ledger of its own."""
    config = {"targets": {"api": rented(provider)}, "workloads": {"w": {"targets": ["api"]}}}
    return house.gateway(re.sub(r"\W+", "-", request.node.name), config)


async def load_until_killed(gateway: Gateway, source: random.Random) -> list[Answer]:
    """Every answer of callers who ask without pause, streams and whole ones, until the gateway is gone."""
    answers: list[Answer] = []

    async def one(number: int) -> None:
        async with caller(gateway.url) as session:
            while True:
                answer = await ask(session, chat("w", f"[ref:{number}]", stream=number % 2 == 0, max_tokens=1 + number % 5))
                answers.append(answer)
                if not answer.clean:
                    return

    clients = [asyncio.create_task(one(number)) for number in range(CLIENTS)]
    await asyncio.to_thread(until, lambda: sum(answer.done for answer in answers) >= ENOUGH, "answers come")
    await asyncio.sleep(source.uniform(0, 0.3))
    gateway.kill()
    await asyncio.gather(*clients)
    return answers


def integrity(gateway: Gateway) -> Any:
    """SQLite's own verdict on the file as the kill left it; read-only, so that the next start does its own recovery."""
    (row,) = gateway.rows("PRAGMA integrity_check")
    return row["integrity_check"]


@pytest.mark.parametrize("rounds", [2, pytest.param(50, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
async def test_kill_9_under_load_loses_nothing_a_caller_has(house: House, own_gateway: Gateway, rounds: int) -> None:
    seed = random.randrange(2**32)
    source, gateway = random.Random(seed), own_gateway
    whole: dict[str, Answer] = {}
    for number in range(rounds):
        answers = await load_until_killed(gateway, source)
        fresh = {answer.id: answer for answer in answers if answer.done}
        assert any(not answer.done for answer in answers), "the kill came in the middle"
        assert integrity(gateway) == "ok"
        counted = {row["id"]: row["answer_output"] for row in gateway.rows("SELECT * FROM entries WHERE outcome = 'finished'")}
        lost = fresh.keys() - counted.keys()
        assert not lost, f"round {number}, seed {seed}: {len(lost)} of {len(fresh)} whole answers have no entry"
        for ident, answer in fresh.items():
            assert counted[ident] == len(answer.text.split())
        whole |= fresh
        gateway = house.again(gateway)
    assert whole.keys() <= {entry["id"] for entry in gateway.entries()}, "what was there before a restart is there after it"
    attempts = gateway.rows("SELECT count(*) AS n FROM entries WHERE id NOT IN (SELECT entry_id FROM attempts)")
    assert attempts[0]["n"] == 0, "entries and their attempts are one transaction"


@contextlib.contextmanager
def no_more_bytes(gateway: Gateway) -> Iterator[None]:
    """No file of this process may grow: every write past the ledger's end fails, as on a full disk."""
    sizes = [file.stat().st_size for file in gateway.ledger.parent.glob(f"{gateway.ledger.name}*")]
    before = resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (max(sizes), before[1]))
    try:
        yield
    finally:
        resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, before)


async def crowd(gateway: Gateway) -> list[Answer]:
    async with caller(gateway.url) as session:
        bodies = [chat("w", max_tokens=50, stream=number % 2 == 0) for number in range(20)]
        return await asyncio.gather(*(ask(session, body) for body in bodies))


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits another process only on Linux")
async def test_a_disk_that_takes_no_more_stops_the_money_not_the_truth(own_gateway: Gateway, provider: Lab) -> None:
    assert all(answer.done for answer in await crowd(own_gateway))
    with no_more_bytes(own_gateway):
        answers = await crowd(own_gateway)
        assert not any(answer.done for answer in answers)
        assert {answer.error["code"] for answer in answers} == {"ledger_unavailable"}
        assert all(answer.clean for answer in answers), "each is told, none is just cut off"
        assert {answer.status for answer in answers if not answer.streamed} == {503}

        status, ready = fetch(own_gateway.url, "/readyz")
        assert (status, msgspec.json.decode(ready)["ledger"]) == (503, "unwritable")
        assert fetch(own_gateway.url, "/livez")[0] == 200
        before = provider.tally()["requests"]
        answers = await crowd(own_gateway)
        assert {(answer.status, answer.headers["retry-after"]) for answer in answers} == {(503, "1")}
        assert {answer.headers["x-should-retry"] for answer in answers} == {"true"}
        assert provider.tally()["requests"] == before, "nothing is asked of a target that could not be accounted for"
    until(lambda: fetch(own_gateway.url, "/readyz")[0] == 200, "the ledger is written again")
    assert all(answer.done for answer in await crowd(own_gateway))
    entries = own_gateway.entries()
    assert [entry["outcome"] for entry in entries] == ["finished"] * 40
    assert integrity(own_gateway) == "ok"


async def test_a_ledger_held_by_another_writer_is_waited_for(own_gateway: Gateway) -> None:
    """A person who looks into the file with another program, in a transaction, delays answers and breaks none."""
    with contextlib.closing(sqlite3.connect(own_gateway.ledger, isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with caller(own_gateway.url) as session:
            asking = asyncio.create_task(ask(session, chat("w")))
            await asyncio.wait({asking}, timeout=0.5)
            assert not asking.done()
            other.execute("ROLLBACK")
            answer = await asking
    assert answer.done
    assert own_gateway.entry(answer.id)["outcome"] == "finished"


async def test_a_gateway_that_is_told_to_stop_finishes_what_it_began(house: House, slow_provider: Lab) -> None:
    config = {"targets": {"api": rented(slow_provider)}, "workloads": {"w": {"targets": ["api"]}}}
    gateway = house.gateway("draining", config)
    async with caller(gateway.url) as session:
        asking = asyncio.create_task(ask(session, chat("w", stream=True, max_tokens=12)))
        await asyncio.to_thread(until, lambda: slow_provider.tally()["running"] == 1, "the answer begins")
        gateway.ask_to_end()
        answer = await asking
    assert answer.done
    assert await asyncio.to_thread(gateway.wait_for_end) == 0
    assert gateway.entry(answer.id)["outcome"] == "finished"
    assert fetch(gateway.url, "/livez")[0] == 0
