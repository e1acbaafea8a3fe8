"""What the gateway asks by itself for a migration, in the name of one caller's exchange: a copy for another model, or a judge.

It is bound by everything that binds the exchange, asked when no caller wants the place, for a bounded sum a day, and an entry of
its own, under a workload of its own.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias

import msgspec

from freehold.core.assignment import Assignment
from freehold.core.decision import Candidate, Decision
from freehold.core.entry import Entry, Outcome, Purpose
from freehold.core.errors import BadRequest, BudgetSpent, FreeholdError, LedgerUnavailable, StreamBroken, TargetsExhausted
from freehold.core.request import Ask
from freehold.core.target import Target
from freehold.rules.budget import Budget, Unbounded, bound_nanousd
from freehold.serve.access.keys import Key
from freehold.serve.access.purse import Held
from freehold.serve.gateway.answering import Answering
from freehold.serve.gateway.attempt import Attempts
from freehold.serve.gateway.deciding import decided
from freehold.serve.gateway.exchange import Speech
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.inspection import Shield
from freehold.serve.gateway.policy import Policy
from freehold.serve.gateway.record import Record

# Why nothing was asked: `barred` by a rule, `unbounded` in its cost, `too_dear` for any day, `over_cap` for today, `no_room` at
# the target in time, `stopped` since nobody wants it any more or another policy is in force, `unknown` if that lacks the target.
Unasked: TypeAlias = Literal["barred", "unbounded", "too_dear", "over_cap", "no_room", "stopped", "unknown"]
CAP = "freehold-shadow"  # the budget that no caller has a part in

_LOOK_S = 0.05
_ANSWER_BYTES = 4 * 1024 * 1024
_SHARE_OF_SLOTS = 4  # a quarter of an engine's slots at most
_KEY = Key(name="freehold", sha256="")


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """`assignment`: whose money is spent, and the migration that must still want it; `target`: who is asked; `ask`: what binds
    the exchange, found out under `policy` and good under no other; `speech`: what is said; `shield`: what rented targets do not
    see of it; `why` and `purpose` stand in the entry."""

    assignment: Assignment
    target: str
    policy: Policy
    ask: Ask
    speech: Speech
    shield: Shield | None
    why: str
    purpose: Purpose = "shadow"


class Returned(msgspec.Struct, frozen=True):
    """What came of it: the entry, durable, and the answer's bytes in the dialect of the request (empty where none came whole)."""

    entry: Entry
    body: bytes

    @property
    def took_s(self) -> float:
        """The last attempt's seconds."""
        last = self.entry.attempts[-1]
        return (last.ended_s or 0.0) - last.started_s


class Errands:
    """Those of one process, whatever they are for: together they leave callers the slots of an engine."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._asking: Counter[str] = Counter()

    async def run(self, errand: Errand, until: float) -> Returned | Unasked:
        """Ask it, once there is room, before `until` (monotonic seconds). Raises LedgerUnavailable."""
        decision = await self._ready(errand, until)
        if isinstance(decision, str):
            return decision
        target = decision.candidates[0].target
        record = Record(self._gateway.clock, errand.policy)
        record.open(errand.speech.request, errand.ask, _KEY, {}, purpose=errand.purpose)
        self._asking[target.name] += 1
        try:
            held = await self._held(errand, target, record)
            if isinstance(held, str):
                return held
            sink = await self._answered(decision, errand, held, record)
        finally:
            self._asking[target.name] -= 1
        if sink.refused:  # what it may not see could not be taken out of the text
            return "barred"
        entry = record.entry
        if not entry.attempts or entry.attempts[-1].outcome == "overloaded":
            return "no_room"
        return Returned(entry, b"".join(sink.chunks) if entry.outcome == "finished" else b"")

    async def unasked(self, errand: Errand, until: float) -> Unasked | None:
        """Why it would not be asked now; None: it would. Nothing is sent and nothing spent. Raises LedgerUnavailable."""
        decision = await self._ready(errand, until)
        if isinstance(decision, str):
            return decision
        held = await self._held(errand, decision.candidates[0].target, Record(self._gateway.clock, errand.policy))
        if isinstance(held, str):
            return held
        if self._gateway.admission.purse is not None:
            self._gateway.admission.purse.settle(held, 0)
        return None

    async def _ready(self, errand: Errand, until: float) -> Decision | Unasked:
        """The decision with that target alone, once there is room at it."""
        policy = errand.policy
        if not self._is_wanted(errand):
            return "stopped"
        if errand.target not in policy.targets:
            return "unknown"
        # The same rules over what the request was found to be; whom its caller named is answered already.
        assigned = msgspec.structs.replace(errand.assignment, target=errand.target)
        decision = decided(errand.speech, msgspec.structs.replace(errand.ask, named=None, assigned=(assigned,)), policy, {})
        mine = [candidate.target for candidate in decision.candidates if candidate.target.name == errand.target]
        if not mine:
            return "barred"
        if not await self._room(mine[0], until):
            return "no_room"
        if not self._is_wanted(errand):
            return "stopped"
        return msgspec.structs.replace(decision, candidates=(Candidate(mine[0], errand.why),), spill=False)

    async def _answered(self, decision: Decision, errand: Errand, held: Held, record: Record) -> "_Kept":
        """What the target says; its entry is durable, and what was set aside for it free again, whatever became of it."""
        gateway, sink, problem, status = self._gateway, _Kept(), "cancelled", 499
        record.shield, record.entry.charges = errand.shield, held.charges()
        answering = Answering(Attempts(decision, errand.speech, gateway, record), {})
        ended: Outcome = "cancelled"
        try:
            async with asyncio.timeout(record.policy.bounds.total_s):
                closing = await answering.pass_on(sink)
            await sink.end(closing.data)
            ended, status = "finished", 200
        except FreeholdError as error:
            ended, status, problem = "failed", error.status, error.code
            sink.refused = isinstance(error, BadRequest)
            if record.entry.attempts and record.entry.attempts[-1].ended_s is None:  # too long: what came of it is billed
                record.end_attempt("cancelled", error.message)
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

    async def _held(self, errand: Errand, target: Target, record: Record) -> Held | Unasked:
        """The most that it may cost, set aside under the migration's own cap. Raises LedgerUnavailable."""
        gateway, workload, most = self._gateway, errand.ask.workload, errand.assignment.day_nanousd
        price = record.policy.price(target, record.day)
        if price is None:
            return Held()
        try:
            bound = bound_nanousd(errand.speech.said_to(target).request, [(target, price)])
        except Unbounded:
            return "unbounded"
        if bound > most:
            return "too_dear"
        cap = Budget(name=f"{CAP}/{workload}", scope="workload", match=workload, period="day", limit_nanousd=most)
        account = cap.account({"workload": workload}, record.received_at)
        if account is None or gateway.admission.purse is None:
            raise LedgerUnavailable("nothing here keeps the cap of the copies")
        try:
            return await gateway.admission.purse.hold([account], bound)
        except BudgetSpent:
            return "over_cap"

    async def _room(self, target: Target, until: float) -> bool:
        """Wait for a moment at which no caller could want the place; False where none comes in time, or it is over already."""
        while self._gateway.clock.monotonic() < until:
            if self._is_free(target):
                return True
            await asyncio.sleep(_LOOK_S)
        return False

    def _is_wanted(self, errand: Errand) -> bool:
        """Whether its migration still compares, under the same policy: rolled back or paused it sends nothing more, and what was
        found out under another policy is not sent under this one. What is paid for is booked."""
        gateway, moving = self._gateway, self._gateway.assignments.get(errand.ask.workload, ())
        is_moving = bool(moving) and moving[0].migration == errand.assignment.migration
        return is_moving and gateway.ledger.healthy() and gateway.policy is errand.policy

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
    """A Sink that goes nowhere: what would be sent is kept, and an answer too long to keep is broken off. `refused`: it could
    not be asked at all."""

    def __init__(self) -> None:
        self.started = False
        self.refused = False
        self.chunks: list[bytes] = []
        self._size = 0

    @asynccontextmanager
    async def cancelled_by_hang_up(self) -> AsyncIterator[None]:
        yield

    async def head(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        self.started = True

    async def write(self, data: bytes) -> None:
        """Raises StreamBroken."""
        self._size += len(data)
        if self._size > _ANSWER_BYTES:
            raise StreamBroken(f"the answer has more than {_ANSWER_BYTES} bytes, and nobody reads such a one")
        self.chunks.append(data)

    async def end(self, data: bytes = b"") -> None:
        await self.write(data)

    def abort(self) -> None:
        self.chunks.clear()
