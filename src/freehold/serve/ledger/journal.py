"""Group commit: entries from many requests become durable in one fsynced transaction, and each request waits for its own.

One thread writes; the queue is bounded; when a commit fails, admission is told so (money fails closed) until one works again.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeAlias

from freehold.core.entry import Entry
from freehold.core.errors import LedgerUnavailable

_BATCH = 512
_RETRY_S = 1.0
_STUCK_S = 5.0  # a commit takes milliseconds, and seconds on a disk that is very busy
_Pending: TypeAlias = tuple[Entry, "asyncio.Future[None]"]


class EntryStore(Protocol):
    """What a database offers the journal. Both raise LedgerUnavailable and leave nothing half-written."""

    def write(self, entries: Sequence[Entry]) -> None:
        """All entries in one committed, fsynced transaction, or none."""
        ...

    def probe(self) -> None:
        """A committed write of nothing that matters, to learn whether writing works."""
        ...


class Journal:
    """The Ledger port over an EntryStore. Create inside a running event loop; close after the last request."""

    def __init__(self, store: EntryStore, *, queue_limit: int = 20_000) -> None:
        self._store = store
        self._limit = queue_limit
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._broken: str | None = None
        self._writing_since: float | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="freehold-ledger", daemon=True)
        self._thread.start()

    async def append(self, entry: Entry) -> None:
        """Resolves once the entry is durable. Raises LedgerUnavailable when it is not and will not be."""
        if self._closed:
            raise LedgerUnavailable("the process is stopping")
        if self._queue.qsize() >= self._limit:
            raise LedgerUnavailable(f"{self._limit} entries are waiting to be written")
        durable: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((entry, durable))
        await durable

    def healthy(self) -> bool:
        """Whether the last commit worked, and none has been under way for so long that it may never return."""
        since = self._writing_since
        return self._broken is None and (since is None or time.monotonic() - since < _STUCK_S)

    def close(self) -> None:
        """Write what is queued, then stop the thread; whatever comes later is refused."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        running = True
        while running:
            batch, running = self._next_batch()
            if not batch:
                self._try_again()
                continue
            for part, error in self._commit(batch):
                self._loop.call_soon_threadsafe(_resolve, [durable for _, durable in part], error)

    def _next_batch(self) -> tuple[list[_Pending], bool]:
        """What is queued now, up to the batch size; and whether to go on. Empty after a quiet second while broken."""
        batch: list[_Pending] = []
        try:
            item = self._queue.get(timeout=None if self._broken is None else _RETRY_S)
            while item is not None and len(batch) < _BATCH - 1:
                batch.append(item)
                item = self._queue.get_nowait()
        except queue.Empty:
            return batch, True
        if item is not None:
            batch.append(item)
        return batch, item is not None

    def _commit(self, batch: list[_Pending]) -> Iterator[tuple[list[_Pending], LedgerUnavailable | None]]:
        """Write a batch; where it fails and a probe does not, each entry on its own, so that a bad one costs only itself."""
        error = self._write([entry for entry, _ in batch])
        if error is not None and len(batch) > 1:
            self._try_again()
            if self._broken is None:
                for pending in batch:
                    yield [pending], self._write([pending[0]])
                return
        yield batch, error

    def _write(self, entries: list[Entry]) -> LedgerUnavailable | None:
        self._writing_since = time.monotonic()
        try:
            self._store.write(entries)
        except LedgerUnavailable as error:
            self._broken = error.message
            return error
        except Exception as error:  # the thread's boundary: were it to end, every later request would wait for ever
            self._broken = f"the ledger cannot be written: {type(error).__name__}"
            return LedgerUnavailable(self._broken)
        finally:
            self._writing_since = None
        self._broken = None
        return None

    def _try_again(self) -> None:
        if self._broken is not None:
            try:
                self._store.probe()
            except LedgerUnavailable as error:
                self._broken = error.message
            else:
                self._broken = None


def _resolve(waiting: list["asyncio.Future[None]"], error: LedgerUnavailable | None) -> None:
    for durable in waiting:
        if durable.done():  # its request was cancelled meanwhile; the entry is written all the same
            continue
        if error is None:
            durable.set_result(None)
        else:
            durable.set_exception(error)
