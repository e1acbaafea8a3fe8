"""The request line with everything real but the network: targets here note every byte sent to them, and fail as told."""

import asyncio
import json
import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import structlog
from search_answers import Answered
from search_dialects import UNMARKED
from search_replies import Reply, reply_to
from search_requests import Sent
from search_voices import dialect_of
from search_worlds import PORT, TARGETS, World

from freehold.app.logs import frames
from freehold.core.ports import HttpCall
from freehold.serve.gateway.handle import handle
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.keeping import Fate, Keeper
from freehold.serve.ledger.journal import Journal
from freehold.serve.sinks.prometheus import PrometheusSink
from freehold.serve.stores.content_record import Kept
from freehold.serve.stores.sqlite import SqliteStore
from freehold.wire.dialects import SURFACES

_MARK = re.compile(r"mark([a-j]+)mark")
_LETTERS = "abcdefghij"


class Hit(NamedTuple):
    """One call: the mark of its request, the target, the dialect it was asked in, and all that it saw."""

    mark: str
    target: str
    dialect: str
    seen: bytes


class Targets:
    """The Outbound: `hits` are all calls; `swap` is what happens to the policy in mid-flight."""

    def __init__(self) -> None:
        self.hits: list[Hit] = []
        self.moods: dict[str, list[str]] = {}
        self.swap: Callable[[], None] = lambda: None

    async def send(self, call: HttpCall) -> Reply:
        seen = call.body.decode()
        mark = _MARK.search(seen)
        assert mark is not None, "every request bears its mark, and no placeholder takes it"
        port = int(call.url.split("/")[2].rpartition(":")[2])
        dialect = dialect_of(call.url)
        whole = call.body + json.dumps([call.url, dict(call.headers)]).encode()
        self.hits.append(Hit(mark[1], TARGETS[port - PORT], dialect, whole))
        waiting = self.moods[mark[1]]
        mood = waiting.pop(0) if waiting else "fine"
        await asyncio.sleep(0)
        if mood.startswith("swapped"):
            self.swap()
        return reply_to(dialect, seen, mood, stream=call.headers.get("accept") == "text/event-stream")


class _Memory:
    """A content store that shows what it was given."""

    def __init__(self) -> None:
        self.kept: list[Kept] = []

    def keep(self, kept: Sequence[Kept]) -> None:
        self.kept += kept

    def reap(self, now: float) -> int:
        return 0


class Rig:
    """One running gateway over a ledger file. `said` is all that was logged since it was last emptied."""

    def __init__(self, store: SqliteStore, path: Path, said: list[str]) -> None:
        self.runner = asyncio.Runner()
        self.targets, self.content, self.metrics, self.said = Targets(), _Memory(), PrometheusSink(), said
        self._store, self._number = store, 0
        self._reader = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        self._reader.row_factory = sqlite3.Row
        self.gateway: Gateway

    def begin(self, world: World) -> None:
        """Serve under that world."""

        async def begin() -> None:
            self._journal = Journal(self._store)
            self.gateway = Gateway(world.policy, self.targets, self._journal, (self.metrics,))
            self.gateway.keeper = Keeper(self.content, 1024 * 1024, _count)

        self.runner.run(begin())

    def send(self, *sent: Sent) -> list[tuple[str, Answered]]:
        """These requests at once: the mark and the answer of each, when all are settled and what is kept is written."""
        calls = [(self._marked(one), one, Answered(one.dialect)) for one in sent]
        for name in TARGETS if any(one.rested for one in sent) else ():
            self.gateway.board.forget(name)

        async def serve() -> None:
            await asyncio.gather(*(
                handle(SURFACES[one.dialect], one.headers(), _body(mark, one), answered, self.gateway)
                for mark, one, answered in calls
            ))  # fmt: skip
            if self.gateway.keeper is not None:
                await self.gateway.keeper.write_queued()

        self.runner.run(serve())
        return [(mark, answered) for mark, _, answered in calls]

    def break_ledger(self) -> None:
        """From now on nothing can be written."""
        self._store._db.execute("PRAGMA query_only = ON")

    def mend_ledger(self) -> None:
        """As after a restart of the journal: the next write works."""
        self._store._db.execute("PRAGMA query_only = OFF")

        async def again() -> None:
            self._journal.close()
            self._journal = Journal(self._store)
            self.gateway.ledger = self._journal

        self.runner.run(again())

    def rows(self, request_id: str) -> list[dict[str, Any]]:
        """All that the ledger has of a request: its entry first, then its attempts."""
        found = self._reader.execute("SELECT * FROM entries WHERE id = ?", (request_id,)).fetchall()
        found += self._reader.execute("SELECT * FROM attempts WHERE entry_id = ? ORDER BY n", (request_id,)).fetchall()
        return [dict(row) for row in found]

    def end(self) -> None:
        """Close everything but the store."""
        self._store._db.execute("PRAGMA query_only = OFF")
        self._journal.close()
        self._reader.close()
        self.runner.close()

    def _marked(self, sent: Sent) -> str:
        self._number += 1
        mark = "".join(_LETTERS[int(digit)] for digit in str(self._number))
        self.targets.moods[mark] = list(sent.moods)
        return mark


@contextmanager
def logged() -> Iterator[list[str]]:
    """What is logged while inside, each event whole; of an error what the process would write."""
    said: list[str] = []

    def keep(logger: Any, name: str, event: Any) -> Any:
        error = event.pop("exc_info", None)
        said.append(f"{name} {event!r} {frames(error) if error else ''}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[keep])
    try:
        yield said
    finally:
        structlog.configure(**before)


def _count(fate: Fate, times: int) -> None:
    return


def _body(mark: str, sent: Sent) -> Callable[[], Awaitable[bytes]]:
    """The request with its mark before the last text."""

    async def read() -> bytes:
        plain = msgspec.json.encode(sent.body).replace(UNMARKED.encode(), f"mark{mark}mark ".encode())
        return plain.replace(b"@", b"\\u0040").replace(b"ghp_", b"gh\\u0070_") if sent.escaped else plain

    return read
