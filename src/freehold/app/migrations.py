"""Beside the requests: active migrations are followed, their pairs graded and written down, and their stages moved.

Each process writes the scores of its own requests. The one with the admin plane folds the log and appends what follows from it;
all go by what is in the log, so that a process killed at any instant finds itself where it was.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from freehold.app.migration_log import assigned, follow, read_migration, state_of, write_event, write_score
from freehold.core.assignment import Assignment
from freehold.core.entry import Entry
from freehold.core.errors import BadSettings, FreeholdError
from freehold.core.ports import Graded, PairGrader
from freehold.core.said import Whole
from freehold.move.migration.agreement import Agreement, refused
from freehold.move.migration.machine import State
from freehold.move.migration.progress import Migration, PairScore, Progress, Score, Served, event_of
from freehold.serve.gateway.heartbeat import beating
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.shadow import Compared, Shadow
from freehold.serve.stores.migrations import MigrationStore
from freehold.serve.stores.place import LedgerPlace

EVERY_S = 1.0  # how often the log is looked at: a rollback takes effect within it
_MOST_WAITING = 20_000  # scores between two looks, or while the ledger cannot be written
_MOST_STEPS = 16  # in one look; there are no more stages
_log = structlog.get_logger("freehold.migrations")


class Runner:
    """The migrations as one process sees them. An Observer of settled entries, and where compared answers go."""

    def __init__(self, gateway: Gateway, store: MigrationStore, count: Callable[[str], None], *, conducts: bool) -> None:
        """`conducts`: this process also decides what follows. `count` is told of each score that had to be dropped."""
        self._count = count
        self._gateway = gateway
        self._store = store
        self._conducts = conducts
        self._waiting: dict[str, list[str]] = {}
        self._known: dict[str, Migration] = {}
        self._folds: dict[str, Progress] = {}

    def __call__(self, entry: Entry) -> None:
        """A caller's request in the canary that the candidate was sent, or would have been, were its breaker not open."""
        moving = self._gateway.assignments.get(entry.workload, ())
        if entry.purpose is not None or not moving or moving[0].stage != "canary":
            return
        one, settings = moving[0], self._known[moving[0].migration].settings
        tried = [attempt for attempt in entry.attempts if attempt.target == one.target and attempt.outcome != "cancelled"]
        for attempt in tried:
            harms = {"errors": float(attempt.outcome != "finished")}
            if attempt.outcome == "finished" and attempt.ended_s is not None:
                harms["late"] = float(attempt.ended_s - attempt.started_s > settings.late_s)
            self._put(one, Served(request=entry.id, at=entry.received_at, step=one.step, harms=harms))
        passed_over = not tried and one.takes(entry.id) and all(gone.target != one.target for gone in entry.removed)
        if passed_over and self._gateway.board.troubled(one.target):
            self._put(one, Served(request=entry.id, at=entry.received_at, step=one.step, harms={"errors": 1.0}))

    def compared(self, pair: Compared) -> None:
        """Grade two answers to one request; the pair is written with the next look."""
        one = pair.assignment
        settings = self._known[one.migration].settings
        grader: PairGrader = Agreement(settings.slice_by)
        graded = grader.grade(pair.request, pair.candidate or _SILENCE, pair.incumbent)
        if pair.candidate is None:
            graded = Graded(0.0, graded.incumbent, graded.slice)
        late = (float(pair.candidate_s > settings.late_s), float(pair.incumbent_s > settings.late_s))
        declined = (float(pair.candidate is not None and refused(pair.candidate)), float(refused(pair.incumbent)))
        harms = {"errors": (float(pair.candidate is None), 0.0), "refusals": declined, "late": late}
        self._put(one, PairScore(
            request=pair.id, at=time.time(), step=one.step, candidate=graded.candidate, incumbent=graded.incumbent,
            slice=graded.slice, harms=harms, cost_nanousd=pair.cost_nanousd,
        ))  # fmt: skip

    async def look(self) -> None:
        """Write what waits, read what is new, move what is to move; then the request line goes by it. Never raises."""
        waiting, self._waiting = self._waiting, {}
        task = asyncio.ensure_future(asyncio.to_thread(self._look, waiting))
        try:
            self._gateway.assignments = await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait((task,))  # two threads must not be at the folds at once
            raise
        except FreeholdError as error:  # what held goes on to hold
            _log.warning("migrations not followed", problem=error.message)
        for migration, lines in waiting.items():  # those that could not be written
            self._waiting[migration] = lines + self._waiting.get(migration, [])

    def _put(self, one: Assignment, score: Score) -> None:
        lines = self._waiting.setdefault(one.migration, [])
        if len(lines) >= _MOST_WAITING:
            self._count("unwritten")
        else:
            lines.append(write_score(score))

    def _look(self, waiting: dict[str, list[str]]) -> dict[str, tuple[Assignment, ...]]:
        """In a thread. What was written is taken out of `waiting`. Raises LedgerUnavailable, BadSettings."""
        for migration in list(waiting):
            self._store.score(migration, waiting[migration])
            del waiting[migration]
        found: list[tuple[Migration, State]] = []
        for stored in self._store.all():
            try:
                one = self._known.setdefault(stored.id, read_migration(stored))
                state = state_of(self._store, one)
                if self._conducts and not state.over:
                    state = self._moved(one)
                found.append((one, state))
            except BadSettings as error:  # one that cannot be read asks for nothing; the others go on
                _log.error("a migration cannot be followed", migration=stored.id, problem=error.message)
        for gone in {one.id for one, state in found if state.over} & self._folds.keys():
            del self._folds[gone]
        return assigned(found)

    def _moved(self, one: Migration) -> State:
        """Append what follows from its log, as long as something does."""
        fold = self._folds.get(one.id)
        if fold is None:
            fold = self._folds[one.id] = Progress(one)
        for _ in range(_MOST_STEPS):
            follow(fold, self._store)
            following = fold.next()
            if following is None:
                break
            if self._store.append(one.id, write_event(event_of(following, time.time())), fold.events):
                _log.info("migration moved", migration=one.id, kind=following.kind, by=following.by, why=following.why)
        return fold.state


_SILENCE = Whole(id="", model="", choices=())


@asynccontextmanager
async def migrations_followed(
    gateway: Gateway, ledger: LedgerPlace, count: Callable[[str], None], *, conducts: bool
) -> AsyncIterator[Runner]:
    """While inside; what was under way when the process before ended is under way again from the first request on."""
    runner = Runner(gateway, MigrationStore(ledger), count, conducts=conducts)
    await runner.look()
    shadow = Shadow(gateway, runner.compared, count)
    gateway.mirror, gateway.observers = shadow, (*gateway.observers, runner)
    async with beating(runner.look, EVERY_S):
        asking = asyncio.create_task(shadow.run(), name="shadow")
        try:
            yield runner
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking
