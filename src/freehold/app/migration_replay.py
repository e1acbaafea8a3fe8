"""Recorded requests asked of a candidate before live ones: oldest first, a few at once, each scored once however often it stops.

What is done already is what the migration's log has. Where today's money is spent, or no place is free, it waits and goes on.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

import msgspec
import structlog

from freehold.app.migration_recorded import Archive, Found, Missing, exchanged
from freehold.core.assignment import Assignment
from freehold.core.errors import FreeholdError
from freehold.move.migration.lines import Replay, Score, Unscored
from freehold.move.migration.origins import Recorded
from freehold.move.migration.progress import Migration
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.shadow import Compared, Exchanged, Fate, Shadow
from freehold.serve.stores.place import LedgerPlace

_AT_ONCE = 4
_EVERY_S = 0.2  # between two looks for something to replay
_WAIT_S = 10.0  # after today's money was spent, no place was free, or nothing could be read
_LATER = frozenset({"over_cap", "no_room", "stopped"})
_T = TypeVar("_T")
_log = structlog.get_logger("freehold.migrations")


class Wanted(msgspec.Struct, frozen=True):
    """A migration that replays, as its log has it: the recorded requests that are done, and how many there were to be."""

    migration: Migration
    recorded: Recorded
    done: frozenset[str]
    total: int | None


class Logs(Protocol):
    """Whoever keeps the migrations' logs."""

    def replaying(self) -> Sequence[Wanted]:
        """The migrations that replay, as the last look found them."""
        ...

    async def scored(self, pair: Compared) -> list[Score]:
        """The pair as lines. Raises LedgerUnavailable."""
        ...

    def put(self, assignment: Assignment, score: Score) -> None:
        """Write it with the next look."""
        ...

    def through(self, migration: str) -> None:
        """Nothing is left to replay of it."""
        ...


class _Replay:
    """One migration's. `waits_until`: in monotonic seconds."""

    def __init__(self, wanted: Wanted, archive: Archive) -> None:
        self.migration = wanted.migration
        self.archive = archive
        self.left = deque(ident for ident in archive.ids if ident not in wanted.done)
        self.total = len(archive.ids) if wanted.total is None else None  # to be told, where the log does not say it
        self.unjudged: dict[str, Compared] = {}
        self.waits_until = 0.0


class Replayer:
    """The replays of one process."""

    def __init__(self, logs: Logs, shadow: Shadow, gateway: Gateway, ledger: LedgerPlace) -> None:
        self._logs = logs
        self._shadow = shadow
        self._gateway = gateway
        self._ledger = ledger
        self._open: dict[str, _Replay] = {}
        self._closed_until: dict[str, float] = {}

    async def run(self) -> None:
        """Replay what is to be replayed, until cancelled."""
        try:
            while True:
                asked, all_wanted = False, self._logs.replaying()
                for over in self._open.keys() - {wanted.migration.id for wanted in all_wanted}:
                    self._open.pop(over).archive.close()
                for wanted in all_wanted:
                    asked = await self._stepped(wanted) or asked
                if not asked:
                    await asyncio.sleep(_EVERY_S)
        finally:
            for replay in self._open.values():
                replay.archive.close()

    async def _stepped(self, wanted: Wanted) -> bool:
        try:
            return await self._step(wanted)
        except Exception as error:  # optional: whatever one replay ran into, callers are served and the other ones go on
            problem = error.message if isinstance(error, FreeholdError) else type(error).__name__
            _log.warning("recorded requests cannot be asked now", migration=wanted.migration.id, problem=problem)
            self._closed_until[wanted.migration.id] = self._gateway.clock.monotonic() + _WAIT_S
            return False

    async def _step(self, wanted: Wanted) -> bool:
        """A few requests of one migration; False where there was nothing to do now. Raises FreeholdError where nothing can be."""
        ident, now = wanted.migration.id, self._gateway.clock.monotonic()
        moving = self._gateway.assignments.get(wanted.migration.workload, ())
        if not moving or (moving[0].migration, moving[0].stage) != (ident, "shadow") or now < self._closed_until.get(ident, 0.0):
            return False
        replay = self._open.get(ident) or await self._opened(wanted)
        if now < replay.waits_until:
            return False
        if replay.total is not None:
            self._logs.put(moving[0], Replay(at=time.time(), total=replay.total))
            replay.total = None
        batch = [replay.left[at] for at in range(min(_AT_ONCE, len(replay.left)))]
        archived = [await _in_thread(replay.archive.open, one) for one in batch]
        found = await asyncio.gather(*map(partial(self._lines, replay, moving[0]), batch, archived))
        for one, lines in zip(batch, found, strict=True):
            for line in lines:
                self._logs.put(moving[0], line)
            if lines:
                replay.left.remove(one)
            else:
                replay.waits_until = now + _WAIT_S
        if not replay.left:
            self._logs.through(ident)
            self._closed_until[ident] = math.inf
            self._open.pop(ident).archive.close()
        return True

    async def _lines(self, replay: _Replay, assignment: Assignment, ident: str, found: Found | Missing) -> list[Score]:
        """What is written of it; nothing where it is to be tried again later."""
        try:
            pair = replay.unjudged.get(ident) or await self._compared(replay, assignment, found)
            if not isinstance(pair, Compared):
                return [] if pair in _LATER else [_unscored(ident, assignment, pair)]
            lines = await self._logs.scored(pair)
        except FreeholdError as error:
            _log.warning("a recorded request waits", migration=replay.migration.id, problem=error.message)
            return []
        except Exception as error:  # optional: whatever one request ran into, the next is asked all the same
            _log.warning("a recorded request was lost", kind=type(error).__name__, exc_info=error)
            return [_unscored(ident, assignment, "lost")]
        if isinstance(lines[0], Unscored) and lines[0].why.removeprefix("judge: ") in _LATER:
            replay.unjudged[ident] = pair
            return []
        return lines

    async def _compared(self, replay: _Replay, assignment: Assignment, found: Found | Missing) -> Compared | Fate | Missing:
        if not isinstance(found, Found):
            return found
        one = await exchanged(found, replay.archive.keys.get(found.recorded.key), assignment, self._gateway)
        return await self._shadow.compare(one) if isinstance(one, Exchanged) else one

    async def _opened(self, wanted: Wanted) -> _Replay:
        def opened() -> _Replay:
            self._open[wanted.migration.id] = _Replay(wanted, Archive(self._ledger, wanted.migration, wanted.recorded))
            return self._open[wanted.migration.id]

        return await _in_thread(opened)


async def _in_thread(work: Callable[..., _T], *given: object) -> _T:
    """To its end even when cancelled: a store must not be closed while a thread is at it."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *given))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


def _unscored(ident: str, assignment: Assignment, why: str) -> Score:
    return Unscored(request=ident, at=time.time(), step=assignment.step, why=why, recorded=True)
