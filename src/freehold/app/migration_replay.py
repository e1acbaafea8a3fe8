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
from freehold.move.migration.lines import PairScore, Replay, Score, Unscored
from freehold.move.migration.origins import Recorded
from freehold.move.migration.progress import Migration
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.shadow import Compared, Exchanged, Shadow
from freehold.serve.stores.place import LedgerPlace

_AT_ONCE = 4
_EVERY_S = 0.2  # between two looks for something to replay
_WAIT_S = 10.0  # after today's money was spent, no place was free, or nothing could be read
# A judge that is gone from the policy is not waited for; a candidate is, since a reload that lost it by mistake is mended soon.
_LATER = frozenset("over_cap no_room stopped unknown".split()) | {"judge: over_cap", "judge: no_room", "judge: stopped"}
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


class _Begun(msgspec.Struct):
    """One request on its way to a line of the log, so that nothing is read or paid for twice where it waits, and `why` it does.
    The money is what judges took so far, and copies whose pair was given up."""

    found: Found
    pair: Compared | None = None
    why: str = ""
    cost_nanousd: int = 0
    judge_nanousd: int = 0

    def give_up(self) -> None:
        """Its pair is of no use any more."""
        self.cost_nanousd += self.pair.cost_nanousd if self.pair is not None else 0
        self.pair = None

    def billed(self, line: Score) -> Score:
        """The line with what was spent before."""
        if not isinstance(line, PairScore | Unscored):
            return line
        return msgspec.structs.replace(
            line, cost_nanousd=line.cost_nanousd + self.cost_nanousd, judge_nanousd=line.judge_nanousd + self.judge_nanousd
        )  # fmt: skip


class _Replay:
    """One migration's. `waits_until`: in monotonic seconds; `why`: what the log was told of it."""

    def __init__(self, wanted: Wanted, archive: Archive) -> None:
        self.migration = wanted.migration
        self.archive = archive
        self.left = deque(ident for ident in archive.ids if ident not in wanted.done)
        self.total = len(archive.ids) if wanted.total is None else None  # to be told, where the log does not say it
        self.begun: dict[str, _Begun] = {}
        self.waits_until = 0.0
        self.why: frozenset[str] = frozenset()


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
        held = [replay.begun[one].found if one in replay.begun else None for one in batch]
        archived = [await _in_thread(replay.archive.open, *one) for one in zip(batch, held, strict=True)]
        found = await asyncio.gather(*map(partial(self._lines, replay, moving[0]), batch, archived))
        for one, lines in zip(batch, found, strict=True):
            for line in lines:
                self._logs.put(moving[0], line)
            if one not in replay.begun:
                replay.left.remove(one)
        why = frozenset(begun.why for begun in replay.begun.values())
        if why:
            replay.waits_until = now + _WAIT_S
        if why - replay.why:
            _log.warning("recorded requests wait", migration=ident, why=sorted(why))
        replay.why = why
        if not replay.left:
            self._logs.through(ident)
            self._closed_until[ident] = math.inf
            self._open.pop(ident).archive.close()
        return True

    async def _lines(self, replay: _Replay, assignment: Assignment, ident: str, found: Found | Missing) -> list[Score]:
        """What is written of it now; where it is to be tried again later, it stays begun."""
        if not isinstance(found, Found):  # nobody is asked about it any more, whatever was held of it
            begun = replay.begun.pop(ident, None)
            if begun is None:
                return [_unscored(ident, assignment, found)]
            begun.give_up()
            return [begun.billed(_unscored(ident, assignment, found))]
        begun = replay.begun.setdefault(ident, _Begun(found))
        begun.found = found
        try:
            line, *more = await self._scored(begun, assignment)
        except FreeholdError as error:
            begun.why = error.message
            return []
        except Exception as error:  # optional: whatever one request ran into, the next is asked all the same
            _log.warning("a recorded request was lost", kind=type(error).__name__, exc_info=error)
            begun.give_up()
            line, more = _unscored(ident, assignment, "lost"), []
        if isinstance(line, Unscored) and line.why in _LATER:
            begun.why = line.why
            begun.judge_nanousd += line.judge_nanousd
            return more
        return [replay.begun.pop(ident).billed(line), *more]

    async def _scored(self, begun: _Begun, assignment: Assignment) -> list[Score]:
        """Its lines, the first of which says what became of it. A pair of another policy is made anew: more may bind it now."""
        if begun.pair is not None and begun.pair.policy is not self._gateway.policy:
            begun.give_up()
        if begun.pair is None:
            one = await exchanged(begun.found, assignment, self._gateway)
            pair = await self._shadow.compare(one) if isinstance(one, Exchanged) else one
            if not isinstance(pair, Compared):
                return [_unscored(begun.found.recorded.id, assignment, pair)]
            begun.pair = pair
        return await self._logs.scored(begun.pair)

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
