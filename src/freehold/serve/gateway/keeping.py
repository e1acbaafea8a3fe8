"""Keep the content of a workload that says so: a copy is taken as the answer passes, and written after its entry is settled.

Optional, so it fails open: the queue is bounded, a failure is counted, and no request waits for it or is failed by it.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import MappingProxyType
from typing import Literal, Protocol, TypeAlias

import msgspec
import structlog

from freehold.core.data import Handling
from freehold.core.entry import Entry
from freehold.core.ports import Sink
from freehold.serve.gateway.overhearing import Overheard
from freehold.serve.gateway.policy import Keep
from freehold.serve.stores.content_record import Kept
from freehold.serve.stores.place import StoreError

Fate: TypeAlias = Literal["kept", "too_large", "lost", "expired"]
Fields: TypeAlias = Mapping[str, msgspec.Raw]

_BATCH = 64
_QUEUED_BYTES = 64 * 1024 * 1024
_REAP_S = 60.0
_LAST_S = 5.0  # for what is queued when the process is told to stop
_SUBJECT_HEADER = "x-freehold-subject"  # `classify` has looked at its signs
_SUBJECT_FIELDS = ("safety_identifier", "user")
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_log = structlog.get_logger("freehold.content")


class ContentStore(Protocol):
    """Where content becomes durable, encrypted. Both raise StoreError."""

    def keep(self, kept: Sequence[Kept]) -> None:
        """All of them in one committed transaction, or none."""
        ...

    def reap(self, now: float) -> int:
        """Delete what has expired by now (Unix seconds); how many."""
        ...


class Copy(Overheard):
    """What is to be kept of one request: its fields, and the answer as it is overheard, as long as both fit in `limit` bytes."""

    def __init__(self, sink: Sink, fields: Fields, keep: Keep, handling: Handling, limit: int) -> None:
        super().__init__(sink, sum(len(memoryview(raw)) for raw in fields.values()), limit)
        self.fields = fields
        self.keep = keep
        self.handling = handling
        self.subject = subject_of(fields)


class Keeper:
    """Decides what is copied, and has it written by a thread, one batch after the other."""

    def __init__(self, store: ContentStore, record_bytes: int, count: Callable[[Fate, int], None]) -> None:
        """`record_bytes`: the largest request and answer together that is kept. `count` is told each fate and how many had it."""
        self._store = store
        self._record_bytes = record_bytes
        self._count = count
        self._queue: deque[tuple[Copy, Entry]] = deque()
        self._queued_bytes = 0
        self._news = asyncio.Event()

    def copying(
        self, sink: Sink, fields: Fields, keep: Keep | None, handling: Handling, headers: Mapping[str, str] = _NO_HEADERS
    ) -> Sink:
        """The sink, made to take a copy where the workload keeps content of this class and the draw falls on this request."""
        if keep is None or handling.data_class > keep.up_to or random.random() >= keep.sample:
            return sink
        copy = Copy(sink, fields, keep, handling, self._record_bytes)
        copy.subject = headers.get(_SUBJECT_HEADER) or copy.subject
        return copy

    def take(self, sink: Sink, entry: Entry) -> None:
        """Queue the copy of a settled request that finished, where one was taken; never waits."""
        if not isinstance(sink, Copy) or entry.outcome != "finished":
            return
        if not sink.fits:
            self._count("too_large", 1)
        elif self._queued_bytes + sink.size > _QUEUED_BYTES:
            self._count("lost", 1)
        else:
            self._queue.append((sink, entry))
            self._queued_bytes += sink.size
            self._news.set()

    async def run(self) -> None:
        """Write what is queued and delete what expires, until cancelled."""
        while True:
            await self._do(self._reap)
            with suppress(TimeoutError):
                async with asyncio.timeout(_REAP_S):
                    while await self._news.wait():
                        self._news.clear()
                        await self.write_queued()

    async def write_queued(self) -> None:
        """Write until nothing is queued."""
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
            self._queued_bytes -= sum(copy.size for copy, _ in batch)
            await self._do(self._write, batch)

    async def _do(self, work: Callable[..., tuple[Fate, int]], *given: object) -> None:
        """In a thread, and to its end even when cancelled: two threads must not be at the store at once."""
        task = asyncio.ensure_future(asyncio.to_thread(work, *given))
        try:
            await asyncio.shield(task)
        finally:
            self._count(*await task)

    def _write(self, batch: Sequence[tuple[Copy, Entry]]) -> tuple[Fate, int]:
        try:
            self._store.keep([_kept(copy, entry) for copy, entry in batch])
        except Exception as error:  # optional: counted, logged without content, and the next batch is tried all the same
            _tell("content not kept", error)
            return "lost", len(batch)
        return "kept", len(batch)

    def _reap(self) -> tuple[Fate, int]:
        try:
            return "expired", self._store.reap(time.time())
        except Exception as error:  # optional as above; what has expired is shown to nobody meanwhile
            _tell("expired content not deleted", error)
            return "expired", 0


@asynccontextmanager
async def content_kept(keeper: Keeper | None) -> AsyncIterator[None]:
    """While inside, what is taken is written beside everything else; on the way out, what is still queued."""
    if keeper is None:
        yield
        return
    task = asyncio.create_task(keeper.run(), name="content")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_S):
                await keeper.write_queued()


def subject_of(fields: Fields) -> str | None:
    """Whom a request is about, as its body says: `safety_identifier`, else `user`. None where neither is a text."""
    for name in _SUBJECT_FIELDS:
        try:
            stated = msgspec.json.decode(fields.get(name, b"null"), type=str)
        except msgspec.DecodeError:
            continue
        if stated:
            return stated
    return None


def _kept(copy: Copy, entry: Entry) -> Kept:
    """A request that names no subject is its own: it can be erased by its id. The tenant is the key's team, else the key."""
    content = {"request": copy.fields, "answer": b"".join(copy.chunks).decode(errors="replace")}
    return Kept(
        id=entry.id, tenant=entry.key if entry.team is None else f"team:{entry.team}",
        subject=copy.subject or f"request:{entry.id}",
        data_class=copy.handling.data_class, labels=tuple(sorted(copy.handling.labels)), created=entry.received_at,
        expires=entry.received_at + copy.keep.ttl_s, content=msgspec.json.encode(content),
    )  # fmt: skip


def _tell(event: str, error: Exception) -> None:
    """Words only from the database; what another exception says could hold content."""
    problem = str(error) if isinstance(error, StoreError) else ""
    _log.warning(event, kind=type(error).__name__, problem=problem)
