"""Ask the target that a workload may move to once more what a caller was answered already: for the comparison, felt by nobody.

A copy is asked under the same rules as the request was, after its last byte, when the candidate has room, for a bounded sum a
day. It is an entry of its own, under a workload of its own. What cannot be asked is counted by its fate, and dropped.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias

import msgspec
import structlog

from freehold.core.assignment import Assignment
from freehold.core.decision import Candidate, Decision
from freehold.core.entry import Entry, Outcome
from freehold.core.errors import BadRequest, BudgetSpent, FreeholdError, LedgerUnavailable, TargetsExhausted
from freehold.core.ports import Sink
from freehold.core.request import Request
from freehold.core.said import Whole
from freehold.core.target import Target
from freehold.rules.budget import Budget, Unbounded, bound_nanousd
from freehold.serve.access.keys import Key
from freehold.serve.access.purse import Held
from freehold.serve.gateway.answering import Answering
from freehold.serve.gateway.attempt import Attempts
from freehold.serve.gateway.deciding import decided
from freehold.serve.gateway.exchange import Speech
from freehold.serve.gateway.hearing import HEARD, hear
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.overhearing import Overheard
from freehold.serve.gateway.record import Record

# What becomes of a copy: `barred` by a rule, `unbounded` in its cost, `over_cap` for today, `no_room` at the candidate in time,
# `stopped` since nobody wants it any more.
Fate: TypeAlias = Literal[
    "compared", "failed", "barred", "unbounded", "over_cap", "no_room", "stopped", "unreadable", "too_large", "lost"
]  # fmt: skip
CAP = "freehold-shadow"  # the budget that no caller has a part in

_AT_ONCE = 8
_QUEUED, _QUEUED_BYTES = 1_000, 64 * 1024 * 1024
_COPY_BYTES = 4 * 1024 * 1024
_PATIENCE_S, _LOOK_S = 30.0, 0.05
_SHARE_OF_SLOTS = 4  # a quarter of an engine's slots at most
_KEY = Key(name="freehold", sha256="")
_log = structlog.get_logger("freehold.shadow")


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One request with both answers and how long each took in seconds; `candidate` None: it gave none."""

    assignment: Assignment
    request: Request
    id: str
    incumbent: Whole
    incumbent_s: float
    candidate: Whole | None
    candidate_s: float
    cost_nanousd: int


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


class Shadow:
    """The copies of one process: a bounded queue, and a few that are asked at once."""

    def __init__(self, gateway: Gateway, compared: Callable[[Compared], None], count: Callable[[Fate], None]) -> None:
        self._gateway = gateway
        self._compared = compared
        self._count = count
        self._queue: deque[_Copy] = deque()
        self._queued_bytes = 0
        self._asking: Counter[str] = Counter()
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

    def _take(self, copy: _Copy) -> None:
        entry = copy.record.entry
        if entry.outcome != "finished" or entry.target == copy.assignment.target:
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
                fate = await self._ask(copy)
            except Exception as error:  # optional: whatever one copy ran into, the next is asked all the same
                _log.warning("a copy was lost", kind=type(error).__name__, exc_info=error)
                fate = "lost"
            self._count(fate)

    async def _ask(self, copy: _Copy) -> Fate:
        gateway, speech, name = self._gateway, copy.speech, copy.assignment.target
        policy = gateway.policy
        if copy.ask.workload not in policy.workloads or name not in policy.targets:
            return "stopped"  # a reload took one of them away meanwhile
        # The same rules over what the request was found to be; whom its caller named is answered already.
        ask = msgspec.structs.replace(copy.ask, named=None, assigned=(copy.assignment,))
        decision = decided(speech, ask, policy, {})
        mine = [candidate for candidate in decision.candidates if candidate.target.name == name]
        if not mine:
            return "barred"
        incumbent = hear(speech.request, b"".join(copy.chunks))
        if incumbent is None:
            return "unreadable"
        target = mine[0].target
        if not await self._room(target, copy.taken_at + _PATIENCE_S):
            return "no_room"
        if not self._is_wanted(copy) or gateway.policy is not policy:
            return "stopped"  # what was decided under another policy is not sent under this one
        record = Record(gateway.clock, policy)
        record.open(speech.request, copy.ask, _KEY, {}, purpose="shadow")
        self._asking[name] += 1
        try:
            held = await self._held(copy, target, record)
            only = Candidate(target, f"shadow of {copy.record.id}; migration {copy.assignment.migration}")
            narrowed = msgspec.structs.replace(decision, candidates=(only,), spill=False)
            sink = await self._answered(narrowed, copy, held, record)
        except Unbounded:
            return "unbounded"
        except BudgetSpent:
            return "over_cap"
        finally:
            self._asking[name] -= 1
        return self._judged(copy, incumbent, sink, record.entry)

    async def _answered(self, decision: Decision, copy: _Copy, held: Held, record: Record) -> "_Kept":
        """What the candidate says; its entry is durable, and what was set aside for it free again, whatever became of it."""
        gateway, sink, problem, status = self._gateway, _Kept(), "cancelled", 499
        record.shield, record.entry.charges = copy.record.shield, held.charges()
        answering = Answering(Attempts(decision, copy.speech, gateway, record), {})
        ended: Outcome = "cancelled"
        try:
            async with asyncio.timeout(record.policy.bounds.total_s):
                closing = await answering.pass_on(sink)
            await sink.end(closing.data)
            ended, status = "finished", 200
        except FreeholdError as error:
            ended, status, problem = "failed", error.status, error.code
            sink.refused = isinstance(error, BadRequest)
        except TimeoutError:
            ended, status, problem = "failed", 504, TargetsExhausted.code
        finally:
            record.end(ended, status, None if ended == "finished" else problem)
            if ended != "finished":
                answering.close()
            await answering.finish()
            try:
                await gateway.ledger.append(record.entry)
            finally:
                if gateway.admission.purse is not None:
                    gateway.admission.purse.settle(held, record.entry.cost_nanousd)
        gateway.show(record.entry)
        return sink

    def _judged(self, copy: _Copy, incumbent: Whole, sink: "_Kept", entry: Entry) -> Fate:
        if sink.refused:  # what it may not see could not be taken out of the text
            return "barred"
        if not entry.attempts or entry.attempts[-1].outcome == "overloaded":
            return "no_room"
        candidate = hear(copy.speech.request, b"".join(sink.chunks)) if entry.outcome == "finished" else None
        last = copy.record.entry.attempts[-1]
        self._compared(Compared(
            assignment=copy.assignment, request=copy.speech.request, id=copy.record.id, incumbent=incumbent,
            incumbent_s=(last.ended_s or 0.0) - last.started_s, candidate=candidate,
            candidate_s=(entry.attempts[-1].ended_s or 0.0) - entry.attempts[-1].started_s, cost_nanousd=entry.cost_nanousd,
        ))  # fmt: skip
        return "failed" if candidate is None else "compared"

    async def _held(self, copy: _Copy, target: Target, record: Record) -> Held:
        """The most that the copy may cost, set aside under the migration's own cap. Raises Unbounded, BudgetSpent,
        LedgerUnavailable."""
        gateway, workload = self._gateway, copy.ask.workload
        price = record.policy.price(target, record.day)
        if price is None:
            return Held()
        bound = bound_nanousd(copy.speech.said_to(target).request, [(target, price)])
        cap = Budget(
            name=f"{CAP}/{workload}", scope="workload", match=workload, period="day", limit_nanousd=copy.assignment.day_nanousd
        )
        account = cap.account({"workload": workload}, record.received_at)
        if account is None or gateway.admission.purse is None:
            raise LedgerUnavailable("nothing here keeps the cap of the copies")
        return await gateway.admission.purse.hold([account], bound)

    async def _room(self, target: Target, until: float) -> bool:
        """Wait for a moment at which no caller could want the place; False where none comes in time."""
        while not self._is_free(target):
            if self._gateway.clock.monotonic() >= until:
                return False
            await asyncio.sleep(_LOOK_S)
        return True

    def _is_wanted(self, copy: _Copy) -> bool:
        """Whether its migration still compares: rolled back or paused it sends nothing more. What is paid for is booked."""
        moving = self._gateway.assignments.get(copy.ask.workload, ())
        return (
            self._gateway.ledger.healthy()
            and bool(moving)
            and moving[0].migration == copy.assignment.migration
            and moving[0].copied > 0
        )

    def _is_free(self, target: Target) -> bool:
        """A rented target where nothing holds it. Of an engine's slots one is left for callers, and three quarters in all."""
        board, name = self._gateway.board, target.name
        if board.held_s(name) > 0:
            return False
        if target.rented:
            return True
        state, slots = board.states((name,))[name], target.concurrency or 1
        running = state.in_flight + state.foreign
        if self._asking[name] >= max(1, slots // _SHARE_OF_SLOTS) or (state.load is not None and state.load.waiting > 0):
            return False
        return running + 1 < slots or running == 0


class _Kept:
    """A Sink that goes nowhere: what would be sent is kept. `refused`: it could not be asked at all."""

    def __init__(self) -> None:
        self.started = False
        self.refused = False
        self.chunks: list[bytes] = []

    @asynccontextmanager
    async def cancelled_by_hang_up(self) -> AsyncIterator[None]:
        yield

    async def head(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        self.started = True

    async def write(self, data: bytes) -> None:
        self.chunks.append(data)

    async def end(self, data: bytes = b"") -> None:
        self.chunks.append(data)

    def abort(self) -> None:
        self.chunks.clear()
