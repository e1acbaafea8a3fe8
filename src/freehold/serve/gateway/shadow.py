"""Ask another target once more what a caller was answered already: for the comparison of a migration, felt by nobody.

On the way to the candidate that is the candidate; once the workload is live there, the target that would serve it without the
migration. What cannot be asked is counted by its fate, and dropped.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias

import msgspec
import structlog

from freehold.core.assignment import Assignment
from freehold.core.decision import Decision
from freehold.core.ports import Sink
from freehold.core.request import Ask, Request
from freehold.core.said import Whole
from freehold.serve.gateway.deciding import decided
from freehold.serve.gateway.errand import Errand, Errands, Returned, Unasked
from freehold.serve.gateway.exchange import Speech
from freehold.serve.gateway.hearing import HEARD, hear
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.inspection import Shield
from freehold.serve.gateway.overhearing import Overheard
from freehold.serve.gateway.policy import Policy
from freehold.serve.gateway.record import Record

# What becomes of a copy that was not `compared`: the other target `failed` to answer; what the caller was told is `unreadable`.
Fate: TypeAlias = Literal["compared", "failed", "unreadable", "too_large", "lost"] | Unasked

_AT_ONCE = 8
_QUEUED, _QUEUED_BYTES = 1_000, 64 * 1024 * 1024
_COPY_BYTES = 4 * 1024 * 1024
_LONG_BYTES = 64 * 1024
_PATIENCE_S = 30.0
_log = structlog.get_logger("freehold.shadow")


class Exchanged(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a caller's with its answer, as bytes in its dialect, and how long that took in seconds. `ask`: what binds it
    under `policy`; `recorded`: it comes from the ledger; `taken_at`: since when it waits, in monotonic seconds."""

    assignment: Assignment
    id: str
    speech: Speech
    policy: Policy
    ask: Ask
    shield: Shield | None
    answer: bytes
    answer_s: float
    taken_at: float
    recorded: bool = False


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One request with both answers and how long each took in seconds; `candidate` None: it gave none. `ask` and `shield` bind
    whoever else is to see them, under `policy`: under another one, or without, that is nobody."""

    assignment: Assignment
    request: Request
    id: str
    ask: Ask
    shield: Shield | None = None
    policy: Policy | None = None
    incumbent: Whole
    incumbent_s: float
    candidate: Whole | None
    candidate_s: float
    cost_nanousd: int
    recorded: bool = False


Scoring: TypeAlias = Callable[[Compared], Awaitable[None]]


class _Copy(Overheard):
    """A request whose answer is overheard. `hand_over` once its entry is durable."""

    def __init__(self, sink: Sink, assignment: Assignment, speech: Speech, record: Record, decision: Decision) -> None:
        size = sum(len(memoryview(raw)) for raw in speech.request.fields.values())
        super().__init__(sink, size, _COPY_BYTES)
        self.assignment = assignment
        self.speech = speech
        self.record = record
        self.ask = decision.ask
        self.taken_at = 0.0
        self.queue: Callable[[_Copy], None]

    def hand_over(self) -> None:
        """The caller has its answer."""
        self.queue(self)

    def exchanged(self) -> Exchanged:
        """As it is compared."""
        last = self.record.entry.attempts[-1]
        return Exchanged(
            assignment=self.assignment, id=self.record.id, speech=self.speech, policy=self.record.policy, ask=self.ask,
            shield=self.record.shield, answer=b"".join(self.chunks), answer_s=(last.ended_s or 0.0) - last.started_s,
            taken_at=self.taken_at,
        )  # fmt: skip


class Shadow:
    """The copies of one process: a bounded queue, and a few that are asked and scored at once."""

    def __init__(self, gateway: Gateway, errands: Errands, compared: Scoring, count: Callable[[Fate], None]) -> None:
        self._gateway = gateway
        self._errands = errands
        self._compared = compared
        self._count = count
        self._queue: deque[_Copy] = deque()
        self._queued_bytes = 0
        self._news = asyncio.Semaphore(0)

    def overhear(self, sink: Sink, decision: Decision, speech: Speech, record: Record) -> _Copy | None:
        """The sink, made to take a copy, where a migration wants one of this request; None: where none does."""
        moving = self._gateway.assignments.get(decision.ask.workload, ())
        if not moving or moving[0].copied == 0 or not moving[0].copies(record.id) or speech.request.dialect not in HEARD:
            return None
        copy = _Copy(sink, moving[0], speech, record, decision)
        copy.queue = self._take
        return copy

    async def run(self) -> None:
        """Ask what is queued, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._work())

    async def compare(self, one: Exchanged) -> Compared | Fate:
        """Both answers to it, or why there are not two. Raises LedgerUnavailable."""
        assignment, request = one.assignment, one.speech.request
        name = self._other(one)
        if name is None:
            return "barred"
        said = await heard(request, one.answer)
        if said is None:
            return "unreadable"
        errand = Errand(
            assignment=assignment, target=name, policy=one.policy, ask=one.ask, speech=one.speech, shield=one.shield,
            why=f"shadow of {one.id}; migration {assignment.migration}",
        )  # fmt: skip
        back = await self._errands.run(errand, one.taken_at + _PATIENCE_S)
        if not isinstance(back, Returned):
            return back
        other = await heard(request, back.body) if back.body else None
        is_live = assignment.stage == "live"
        if is_live and other is None:
            return "failed"  # of the target that is no longer wanted this says something, of the other one nothing
        mine, theirs = ((said, one.answer_s), (other, back.took_s)) if is_live else ((other, back.took_s), (said, one.answer_s))
        assert theirs[0] is not None
        return Compared(
            assignment=assignment, request=request, id=one.id, ask=one.ask, shield=one.shield, policy=one.policy,
            incumbent=theirs[0],
            incumbent_s=theirs[1], candidate=mine[0], candidate_s=mine[1], cost_nanousd=back.entry.cost_nanousd,
            recorded=one.recorded,
        )  # fmt: skip

    def _take(self, copy: _Copy) -> None:
        entry, one = copy.record.entry, copy.assignment
        if entry.outcome != "finished" or (entry.target == one.target) != (one.stage == "live"):
            return
        if sum(attempt.first_token_s is not None for attempt in entry.attempts) > 1:
            return  # begun anew: what its caller was sent is two answers
        if not copy.fits:
            self._count("too_large")
        elif len(self._queue) >= _QUEUED or self._queued_bytes + copy.size > _QUEUED_BYTES:
            self._count("lost")
        else:
            copy.taken_at = self._gateway.clock.monotonic()
            self._queue.append(copy)
            self._queued_bytes += copy.size
            self._news.release()

    async def _work(self) -> None:
        while await self._news.acquire():
            copy = self._queue.popleft()
            self._queued_bytes -= copy.size
            try:
                fate = await self._done(copy)
            except Exception as error:  # optional: whatever one copy ran into, the next is asked all the same
                _log.warning("a copy was lost", kind=type(error).__name__, exc_info=error)
                fate = "lost"
            self._count(fate)

    async def _done(self, copy: _Copy) -> Fate:
        found = await self.compare(copy.exchanged())
        if not isinstance(found, Compared):
            return found
        await self._compared(found)
        return "failed" if found.candidate is None else "compared"

    def _other(self, one: Exchanged) -> str | None:
        """The target whose answer is missing; None: nobody else may serve it."""
        assignment = one.assignment
        if assignment.stage != "live":
            return assignment.target
        ask = msgspec.structs.replace(one.ask, named=None, assigned=())
        names = [candidate.target.name for candidate in decided(one.speech, ask, one.policy, {}).candidates]
        return next((name for name in names if name != assignment.target), None)


async def heard(request: Request, body: bytes) -> Whole | None:
    """As `hear`; a long answer is read in a thread: who wrote it decides how long that takes, and callers do not wait for it."""
    return hear(request, body) if len(body) <= _LONG_BYTES else await asyncio.to_thread(hear, request, body)
