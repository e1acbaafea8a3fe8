"""Keeping content costs no request anything: it is copied as it passes, written later, counted where it cannot be."""

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from freehold.core.data import DataClass, Handling
from freehold.core.entry import Entry, Outcome
from freehold.serve.gateway import keeping
from freehold.serve.gateway.keeping import Copy, Keeper, content_kept, subject_of
from freehold.serve.gateway.policy import Keep
from freehold.serve.stores.content_record import Kept
from freehold.serve.stores.place import StoreError

FIELDS = {"model": msgspec.Raw(b'"w"'), "user": msgspec.Raw(b'"ada"')}
ALL = Keep(60.0, 1.0, DataClass.confidential)


class Sink:
    started = False

    def __init__(self) -> None:
        self.body = b""

    def cancelled_by_hang_up(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def head(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        self.started = True

    async def write(self, data: bytes) -> None:
        self.body += data

    async def end(self, data: bytes = b"") -> None:
        self.body += data

    def abort(self) -> None:
        self.body = b"aborted"


class Store:
    def __init__(self, problem: Exception | None = None) -> None:
        self.problem = problem
        self.kept: list[Kept] = []
        self.reaped: list[float] = []
        self.gate = threading.Event()
        self.gate.set()

    def keep(self, kept: Sequence[Kept]) -> None:
        self.gate.wait(10)
        if self.problem is not None:
            raise self.problem
        self.kept += kept

    def reap(self, now: float) -> int:
        if self.problem is not None:
            raise self.problem
        self.reaped.append(now)
        return 2


def entry(ident: str = "r1", outcome: Outcome = "finished") -> Entry:
    return Entry(
        id=ident, received_at=1000.0, stands_for=1000.0, workload="w", key="app", data_class="internal", regions=None,
        asked_model="w", dialect="openai_chat", stream=False, policy="v", outcome=outcome,
    )  # fmt: skip


class World:
    """A keeper over a store, and what it counted."""

    def __init__(self, problem: Exception | None = None, record_bytes: int = 1000) -> None:
        self.store, self.fates, self.counted = Store(problem), Counter[str](), asyncio.Event()
        self.keeper = Keeper(self.store, record_bytes, self.count)

    def count(self, fate: str, times: int) -> None:
        self.fates[fate] += times
        self.counted.set()

    async def serve(self, said: bytes = b"hello", ident: str = "r1", outcome: Outcome = "finished", **more: Any) -> bytes:
        caller = Sink()
        given: dict[str, Any] = {"keep": ALL, "handling": Handling(DataClass.internal, labels=frozenset({"pii", "a"}))} | more
        sink = self.keeper.copying(caller, FIELDS, given["keep"], given["handling"], given.get("headers", {}))
        await sink.head(200, [])
        assert sink.started
        await sink.write(said[:2])
        await sink.end(said[2:])
        self.keeper.take(sink, msgspec.structs.replace(entry(ident, outcome), team=given.get("team")))
        return caller.body


async def test_a_copy_of_what_the_caller_got_is_kept() -> None:
    world = World()
    async with content_kept(world.keeper):
        assert await world.serve() == b"hello"
    (kept,) = world.store.kept
    assert (kept.id, kept.tenant, kept.subject, kept.labels, kept.expires) == ("r1", "app", "ada", ("a", "pii"), 1060.0)
    assert msgspec.json.decode(kept.content) == {"request": {"model": "w", "user": "ada"}, "answer": "hello"}
    assert world.fates["kept"] == 1


async def test_the_header_names_the_subject_and_the_team_is_the_tenant() -> None:
    world = World()
    async with content_kept(world.keeper):
        await world.serve(headers={"x-freehold-subject": "bob"}, team="red")
        await world.serve(ident="r2", team="app")
    assert [(kept.tenant, kept.subject) for kept in world.store.kept] == [("team:red", "bob"), ("team:app", "ada")]
    assert b"bob" not in world.store.kept[0].content, "it is kept as a keyed hash alone"


async def test_what_has_expired_is_deleted_at_once_and_counted() -> None:
    world = World()
    async with content_kept(world.keeper):
        await asyncio.wait_for(world.counted.wait(), 20)
    assert (world.fates, len(world.store.reaped)) == ({"expired": 2}, 1)


@pytest.mark.parametrize(
    "more",
    [
        {"keep": None}, {"handling": Handling(DataClass.restricted)}, {"keep": Keep(60.0, 0.0, DataClass.restricted)},
        {"outcome": "cut"}, {"outcome": "refused"},
    ],
)  # fmt: skip
async def test_what_is_not_kept(more: dict[str, Any]) -> None:
    world = World()
    async with content_kept(world.keeper):
        assert await world.serve(**more) == b"hello"
    assert world.store.kept == []


async def test_a_share_is_kept() -> None:
    world = World(record_bytes=10_000)
    async with content_kept(world.keeper):
        for number in range(1000):
            await world.serve(ident=str(number), keep=Keep(60.0, 0.3, DataClass.internal))
    assert 220 <= len(world.store.kept) <= 380


async def test_an_answer_that_is_too_large_is_passed_on_and_not_held() -> None:
    world = World(record_bytes=20)
    copy = world.keeper.copying(Sink(), FIELDS, ALL, Handling())
    assert isinstance(copy, Copy)
    await copy.write(b"x" * 100)
    assert copy.chunks == []
    assert await world.serve(b"y" * 100) == b"y" * 100
    assert world.fates == {"too_large": 1}


@pytest.mark.parametrize("problem", [StoreError("disk full"), RuntimeError("the orchid blooms")])
async def test_a_store_that_fails_is_counted_and_tried_again(problem: Exception) -> None:
    world = World(problem)
    with capture_logs() as logs:
        async with content_kept(world.keeper):
            assert await world.serve() == b"hello"
            await world.keeper.write_queued()
            world.store.problem = None
            await world.serve(ident="r2")
    assert [kept.id for kept in world.store.kept] == ["r2"]
    assert (world.fates["lost"], world.fates["kept"]) == (1, 1)
    assert "orchid" not in str(logs)


async def test_a_store_that_hangs_bounds_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_QUEUED_BYTES", 1000)
    world = World()
    world.store.gate.clear()
    async with content_kept(world.keeper):
        for number in range(200):
            await world.serve(ident=str(number))
        assert world.fates["lost"] > 100
        world.store.gate.set()
    assert world.fates["lost"] + len(world.store.kept) == 200


async def test_without_a_keeper_nothing_happens() -> None:
    async with content_kept(None):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("fields", "subject"),
    [
        ({"user": b'"ada"', "safety_identifier": b'"s-1"'}, "s-1"),
        ({"user": b'"ada"', "safety_identifier": b"7"}, "ada"),
        ({"user": b'""'}, None),
        ({"user": b'{"a":1}'}, None),
        ({}, None),
    ],
)
def test_the_subject_is_whom_the_caller_names(fields: dict[str, bytes], subject: str | None) -> None:
    assert subject_of({name: msgspec.Raw(raw) for name, raw in fields.items()}) == subject
