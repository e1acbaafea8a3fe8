"""Group commit: many waiters to a transaction, failures told to each of them, and a way back once writing works again."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence

import pytest
from ledger_entries import entry

from freehold.core.entry import Entry
from freehold.core.errors import LedgerUnavailable
from freehold.serve.ledger.journal import Journal


class Store:
    """Keeps what it was given; `gate` holds a write back, `problem` makes it fail, `poison` fails with one entry only."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.problem: Exception | None = None
        self.poison: str | None = None
        self.tries = 0
        self.entered = threading.Event()

    def write(self, entries: Sequence[Entry]) -> None:
        self.tries += 1
        self.entered.set()
        assert self.gate.wait(10)
        ids = [entry.id for entry in entries]
        if self.problem is not None:
            raise self.problem
        if self.poison in ids:
            raise OverflowError(self.poison)
        self.batches.append(ids)

    def probe(self) -> None:
        if self.problem is not None:
            raise LedgerUnavailable(str(self.problem))


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def journal(store: Store) -> AsyncIterator[Journal]:
    journal = Journal(store)
    yield journal
    store.gate.set()
    await asyncio.to_thread(journal.close)


async def appended(journal: Journal, *ids: str) -> list[BaseException | None]:
    return await asyncio.gather(*(journal.append(entry(ident)) for ident in ids), return_exceptions=True)


async def test_an_entry_resolves_once_it_is_written(journal: Journal, store: Store) -> None:
    store.gate.clear()
    waiting = asyncio.create_task(journal.append(entry("a")))
    await asyncio.wait({waiting}, timeout=0.1)
    assert not waiting.done()
    store.gate.set()
    await waiting
    assert store.batches == [["a"]]


async def test_what_comes_during_a_write_shares_the_next(journal: Journal, store: Store) -> None:
    store.gate.clear()
    first = asyncio.create_task(journal.append(entry("first")))
    await asyncio.to_thread(store.entered.wait, 10)
    rest = asyncio.create_task(appended(journal, *(f"e{n}" for n in range(600))))
    await asyncio.sleep(0)  # so that all are queued
    await asyncio.sleep(0)
    store.gate.set()
    assert set(await rest) == {None}
    await first
    assert [len(batch) for batch in store.batches] == [1, 512, 88]
    assert [ident for batch in store.batches for ident in batch] == ["first", *(f"e{n}" for n in range(600))]


@pytest.mark.parametrize("problem", [LedgerUnavailable("disk full"), MemoryError()], ids=["foreseen", "unforeseen"])
async def test_a_failed_write_is_told_to_every_waiter_and_mends_itself(
    journal: Journal, store: Store, problem: Exception
) -> None:
    assert journal.healthy()
    store.problem = problem
    results = await appended(journal, *"abcdef")
    assert [type(result) for result in results] == [LedgerUnavailable] * 6
    assert not journal.healthy()
    store.problem = None
    deadline = time.monotonic() + 10
    while not journal.healthy():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    assert await appended(journal, "g") == [None]
    assert [ident for batch in store.batches for ident in batch] == ["g"]


async def test_while_the_store_is_down_a_batch_is_not_tried_one_by_one(journal: Journal, store: Store) -> None:
    """Each try may wait seconds for a lock: hundreds of them would be minutes for whoever waits."""
    store.gate.clear()
    store.problem = LedgerUnavailable("locked")
    waiting = asyncio.create_task(appended(journal, *(f"e{n}" for n in range(300))))
    await asyncio.to_thread(store.entered.wait, 10)
    store.gate.set()
    assert {type(result) for result in await waiting} == {LedgerUnavailable}
    assert store.tries <= 2


async def test_one_bad_entry_costs_only_itself(journal: Journal, store: Store) -> None:
    store.gate.clear()
    first = asyncio.create_task(journal.append(entry("first")))
    await asyncio.to_thread(store.entered.wait, 10)
    store.poison = "c"
    waiting = asyncio.create_task(appended(journal, *"abcd"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    store.gate.set()
    results = await waiting
    await first
    assert [type(result) for result in results] == [type(None), type(None), LedgerUnavailable, type(None)]
    assert journal.healthy()
    assert sorted(ident for batch in store.batches for ident in batch) == ["a", "b", "d", "first"]


async def test_a_cancelled_waiter_leaves_its_entry_and_the_others(journal: Journal, store: Store) -> None:
    store.gate.clear()
    tasks = [asyncio.create_task(journal.append(entry(ident))) for ident in "abc"]
    await asyncio.sleep(0)
    tasks[1].cancel()
    store.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), asyncio.CancelledError, type(None)]
    assert sorted(ident for batch in store.batches for ident in batch) == ["a", "b", "c"]


async def test_the_queue_is_bounded(store: Store) -> None:
    journal = Journal(store, queue_limit=3)
    store.gate.clear()
    first = asyncio.create_task(journal.append(entry("first")))
    await asyncio.to_thread(store.entered.wait, 10)
    results = asyncio.create_task(appended(journal, *"abcde"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    store.gate.set()
    assert [type(result) for result in await results] == [type(None)] * 3 + [LedgerUnavailable] * 2
    await first
    await asyncio.to_thread(journal.close)


async def test_closing_writes_what_is_queued_and_takes_no_more(store: Store) -> None:
    journal = Journal(store)
    store.gate.clear()
    tasks = [asyncio.create_task(journal.append(entry(ident))) for ident in "abc"]
    await asyncio.sleep(0)
    closing = asyncio.create_task(asyncio.to_thread(journal.close))
    store.gate.set()
    await asyncio.gather(closing, *tasks)
    assert [ident for batch in store.batches for ident in batch] == ["a", "b", "c"]
    with pytest.raises(LedgerUnavailable, match="stopping"):
        await journal.append(entry("late"))


async def test_a_commit_that_does_not_return_is_no_healthy_ledger(
    store: Store, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("freehold.serve.ledger.journal._STUCK_S", 0.05)
    store.gate.clear()
    waiting = asyncio.create_task(journal.append(entry("a")))
    assert await asyncio.to_thread(store.entered.wait, 5)
    assert journal.healthy(), "a commit takes its time"
    await asyncio.sleep(0.1)
    assert not journal.healthy()
    store.gate.set()
    await waiting
    assert journal.healthy()
    assert store.batches == [["a"]]
