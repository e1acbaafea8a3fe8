"""Beside the requests: active migrations are followed, their pairs graded and written down, and their stages moved.

Each process writes the scores of its own requests. The one with the admin plane folds the log and appends what follows from it;
all go by what is in the log, so that a process killed at any instant finds itself where it was.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from freehold.app.migration_log import assigned, follow, read_migration, state_of, write_event, write_score
from freehold.app.migration_replay import Replayer, Wanted
from freehold.app.migration_scoring import Scorer
from freehold.core.assignment import Assignment
from freehold.core.entry import Entry
from freehold.core.errors import BadSettings, FreeholdError
from freehold.move.migration.lines import Score, Served, Unscored
from freehold.move.migration.machine import State, watched
from freehold.move.migration.progress import Migration, Progress, event_of, replayed_event
from freehold.serve.gateway.errand import Errands
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
        """`conducts`: this process also decides what follows, and replays what is recorded. `count` is told of each score that
        had to be dropped, and of each pair that could not be scored."""
        self.errands = Errands(gateway)
        self._count = count
        self._gateway = gateway
        self._store = store
        self._conducts = conducts
        self._waiting: dict[str, list[str]] = {}
        self._known: dict[str, Migration] = {}
        self._folds: dict[str, Progress] = {}
        self._scorers: dict[str, Scorer] = {}
        self._replaying: list[Wanted] = []
        self._through: set[str] = set()

    def __call__(self, entry: Entry) -> None:
        """A caller's request that the candidate was sent, or would have been, were its breaker not open: in the canary, and of
        those that are compared once it is live."""
        moving = self._gateway.assignments.get(entry.workload, ())
        if entry.purpose is not None or not moving or moving[0].stage not in {"canary", "live"}:
            return
        if moving[0].stage == "live" and not moving[0].copies(entry.id):
            return
        one, settings = moving[0], self._known[moving[0].migration].settings
        tried = [attempt for attempt in entry.attempts if attempt.target == one.target and attempt.outcome != "cancelled"]
        for attempt in tried:
            harms = {"errors": float(attempt.outcome != "finished")}
            if attempt.outcome == "finished" and attempt.ended_s is not None:
                harms["late"] = float(attempt.ended_s - attempt.started_s > settings.late_s)
            self._served(one, entry, harms)
        drawn = one.of(entry.key).takes(entry.id)
        passed_over = not tried and drawn and all(gone.target != one.target for gone in entry.removed)
        if passed_over and self._gateway.board.troubled(one.target):
            self._served(one, entry, {"errors": 1.0})

    async def compared(self, pair: Compared) -> None:
        """Score two answers to one request; the lines are written with the next look. Raises LedgerUnavailable."""
        for line in await self.scored(pair):
            self.put(pair.assignment, line)

    async def scored(self, pair: Compared) -> list[Score]:
        """The lines for it. Raises LedgerUnavailable."""
        ident = pair.assignment.migration
        scorer = self._scorers.get(ident)
        if scorer is None:
            scorer = self._scorers[ident] = Scorer(self._known[ident], self._gateway, self.errands)
        lines = await scorer.score(pair)
        if isinstance(lines[0], Unscored):
            self._count("unscored")
        return lines

    def replaying(self) -> list[Wanted]:
        """The migrations that replay, as the last look found them."""
        return self._replaying

    def through(self, migration: str) -> None:
        """Nothing is left to replay of it; the next look writes that down."""
        self._through.add(migration)

    async def look(self) -> None:
        """Write what waits, read what is new, move what is to move; then the request line goes by it. Never raises."""
        waiting, self._waiting = self._waiting, {}
        task = asyncio.ensure_future(asyncio.to_thread(self._look, waiting, frozenset(self._through)))
        try:
            self._gateway.assignments = await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait((task,))  # two threads must not be at the folds at once
            raise
        except FreeholdError as error:  # what held goes on to hold
            _log.warning("migrations not followed", problem=error.message)
        for migration, lines in waiting.items():  # those that could not be written
            self._waiting[migration] = lines + self._waiting.get(migration, [])

    def put(self, one: Assignment, score: Score) -> None:
        """A line for that migration's log."""
        lines = self._waiting.setdefault(one.migration, [])
        if len(lines) >= _MOST_WAITING:
            self._count("unwritten")
        else:
            lines.append(write_score(score))

    def _served(self, one: Assignment, entry: Entry, harms: dict[str, float]) -> None:
        offline = entry.key if entry.key in one.offline_keys else None
        self.put(one, Served(request=entry.id, at=entry.received_at, step=one.step, harms=harms, offline=offline))

    def _look(self, waiting: dict[str, list[str]], through: frozenset[str]) -> dict[str, tuple[Assignment, ...]]:
        """In a thread. What was written is taken out of `waiting`; `through`: the replays whose last lines were in it. Raises
        LedgerUnavailable, BadSettings."""
        for migration in list(waiting):
            self._store.score(migration, waiting[migration])
            del waiting[migration]
        found: list[tuple[Migration, State]] = []
        for stored in self._store.all():
            try:
                one = self._known.setdefault(stored.id, read_migration(stored))
                state = state_of(self._store, one)
                if self._conducts and watched(state, one.settings):
                    state = self._moved(one, through)
                found.append((one, state))
            except BadSettings as error:  # one that cannot be read asks for nothing; the others go on
                _log.error("a migration cannot be followed", migration=stored.id, problem=error.message)
        for gone in {one.id for one, state in found if not watched(state, one.settings)} & self._folds.keys():
            del self._folds[gone]
        self._replaying = [_wanted(fold) for fold in self._folds.values() if fold.state.replaying]
        return assigned(found)

    def _moved(self, one: Migration, through: frozenset[str]) -> State:
        """Append what follows from its log, as long as something does."""
        fold = self._folds.get(one.id)
        if fold is None:
            fold = self._folds[one.id] = Progress(one)
        for _ in range(_MOST_STEPS):
            follow(fold, self._store)
            following = fold.next()
            if following is not None:
                event = event_of(following, time.time())
            elif fold.state.replaying and fold.state.stage == "shadow" and one.id in through:
                event = replayed_event(fold, time.time())
            else:
                break
            if self._store.append(one.id, write_event(event), fold.events):
                _log.info("migration moved", migration=one.id, kind=event.kind, by=event.by, why=event.why)
        return fold.state


def _wanted(fold: Progress) -> Wanted:
    recorded = fold.migration.settings.recorded
    assert recorded is not None
    return Wanted(fold.migration, recorded, frozenset(fold.tally.replayed), fold.tally.to_replay)


@asynccontextmanager
async def migrations_followed(
    gateway: Gateway, ledger: LedgerPlace, count: Callable[[str], None], *, conducts: bool
) -> AsyncIterator[Runner]:
    """While inside; what was under way when the process before ended is under way again from the first request on."""
    runner = Runner(gateway, MigrationStore(ledger), count, conducts=conducts)
    await runner.look()
    shadow = Shadow(gateway, runner.errands, runner.compared, count)
    gateway.mirror, gateway.observers = shadow, (*gateway.observers, runner)
    beside = [shadow.run()] + ([Replayer(runner, shadow, gateway, ledger).run()] if conducts else [])
    async with beating(runner.look, EVERY_S):
        asking = [asyncio.create_task(one, name="migrations") for one in beside]
        try:
            yield runner
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
