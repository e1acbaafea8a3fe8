"""Probes that are paid for: only where asked for, one at a time, each with its cost in the ledger."""

import asyncio

import msgspec
import pytest
from health_world import API, CHAT, Reply, World

from freehold.core.errors import LedgerUnavailable
from freehold.core.ports import HttpCall, UpstreamFailure
from freehold.core.ports import Reply as Read
from freehold.core.target import Target
from freehold.rules.health import Care
from freehold.serve.gateway import paid_probe
from freehold.serve.gateway.paid_probe import PROBE_WORKLOAD, QUESTION, probe, watch_paid
from freehold.serve.gateway.policy import Policy
from freehold.wire.openai_chat import read

OK = b'{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":3}}'


class InChat:
    """The question as OpenAI's dialect has it."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def call(self) -> HttpCall:
        return CHAT.encode(read(QUESTION), self._target)

    def whole(self, body: bytes) -> tuple[bytes, Read]:
        return body, CHAT.decode(body)


def asking(target: Target, policy: Policy) -> InChat:
    return InChat(target)


def world(*replies: Reply | UpstreamFailure) -> World:
    """A rented target whose breaker is half-open, and which answers so."""
    waiting = list(replies)
    made = World(lambda call: waiting.pop(0))
    made.board.follow({"api": Care(paid_probes=True)})
    made.break_down("api")
    made.clock.at += 5
    return made


async def test_an_answered_probe_closes_the_breaker_and_is_booked() -> None:
    here = world(Reply(200, OK))
    await probe(API, here.gateway, asking)
    (entry,) = here.ledger.entries
    assert (entry.workload, entry.key, entry.target, entry.outcome, entry.status) == (
        PROBE_WORKLOAD, "freehold", "api", "finished", 200,
    )  # fmt: skip
    assert entry.cost_nanousd == 12 * 1000 + 3 * 2000
    assert entry.data_class == "public"
    assert not entry.lab
    (attempt,) = entry.attempts
    assert (attempt.outcome, attempt.cost_nanousd) == ("finished", entry.cost_nanousd)
    state = here.board.states(("api",))["api"]
    assert (state.phase, state.in_flight, round(state.share, 6)) == ("closed", 0, 0.1)
    sent = msgspec.json.decode(here.places.calls[0].body)
    assert sent["model"] == "gpt"


@pytest.mark.parametrize(
    ("reply", "outcome", "status"),
    [
        (Reply(500, b"{}"), "broken", 500),
        (Reply(429, b'{"error":{"code":"rate_limit_exceeded"}}'), "overloaded", 429),
        (Reply(401, b"{}"), "rejected", 401),
        (Reply(200, b"<html>"), "malformed", 200),
        (UpstreamFailure("unreachable", "refused"), "unreachable", 0),
    ],
)
async def test_a_failed_probe_opens_it_for_longer(reply: Reply | UpstreamFailure, outcome: str, status: int) -> None:
    here = world(reply)
    await probe(API, here.gateway, asking)
    (entry,) = here.ledger.entries
    assert (entry.outcome, entry.status, entry.attempts[0].outcome) == ("failed", status, outcome)
    state = here.board.states(("api",))["api"]
    assert (state.phase, state.open_s, state.in_flight) == ("open", 10, 0)


async def test_one_that_understands_the_probe_and_refuses_it_is_back() -> None:
    here = world(Reply(400, b'{"error":{"code":"unsupported_parameter"}}'))
    await probe(API, here.gateway, asking)
    assert here.board.states(("api",))["api"].phase == "closed"
    assert here.ledger.entries[0].cost_nanousd == 0


async def test_what_cannot_be_asked_is_left_to_callers() -> None:
    here = world()
    await probe(API, here.gateway, lambda target, policy: None)
    assert not here.ledger.entries
    here.clock.at += 30
    assert here.board.held_s("api") == 0


async def test_a_probe_that_is_cancelled_makes_place_and_is_booked() -> None:
    here = world()
    reached = asyncio.Event()

    async def send(call: HttpCall) -> Reply:
        reached.set()
        await asyncio.sleep(60)
        raise AssertionError("cancelled before")

    here.places.send = send  # type: ignore[method-assign]
    task = asyncio.create_task(probe(API, here.gateway, asking))
    await reached.wait()
    assert not here.board.wants_probe("api")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [entry.outcome for entry in here.ledger.entries] == ["cancelled"]
    assert here.board.wants_probe("api")
    assert here.board.states(("api",))["api"].in_flight == 0


async def watched(here: World) -> None:
    task = asyncio.create_task(watch_paid(here.gateway, asking))
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_watch_probes_what_is_due_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paid_probe, "_EVERY_S", 0.001)
    here = world(Reply(500, b"{}"))
    here.break_down("box")
    await watched(here)
    assert len(here.places.calls) == 1, "after it the breaker is open again, and the owned engine is not asked for money"
    unasked = World(lambda call: Reply(200, OK))
    unasked.break_down("api")
    unasked.clock.at += 5
    await watched(unasked)
    assert not unasked.places.calls, "nobody said that it may"


async def test_nothing_is_asked_while_it_could_not_be_booked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paid_probe, "_EVERY_S", 0.001)
    here = world(Reply(200, OK))
    monkeypatch.setattr(here.ledger, "healthy", lambda: False)
    await watched(here)
    assert not here.places.calls


async def test_a_ledger_that_fails_and_an_observer_that_fails_are_felt_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    here = world(Reply(200, OK))

    def fail(entry: object) -> None:
        raise RuntimeError

    here.gateway.observers = (fail,)
    await probe(API, here.gateway, asking)
    assert here.gateway.observer_failures == 1

    async def refuse(entry: object) -> None:
        raise LedgerUnavailable("disk full")

    monkeypatch.setattr(here.ledger, "append", refuse)
    again = world(Reply(200, OK))
    again.gateway.ledger = here.ledger
    await probe(API, again.gateway, asking)
    assert again.board.states(("api",))["api"].phase == "closed"
