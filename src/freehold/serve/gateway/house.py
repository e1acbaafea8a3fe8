"""What the request line works with: the current policy, and the live parts around it."""

from collections.abc import Mapping
from typing import Protocol

import msgspec
import structlog

from freehold.core.assignment import Assignment
from freehold.core.decision import Decision
from freehold.core.entry import Entry
from freehold.core.ports import Ledger, Outbound, Sink
from freehold.core.request import Ask
from freehold.serve.access.admission import Admission
from freehold.serve.access.keys import Key
from freehold.serve.gateway.board import Board
from freehold.serve.gateway.clock import Clock, SystemClock
from freehold.serve.gateway.exchange import Speech
from freehold.serve.gateway.keeping import Keeper
from freehold.serve.gateway.policy import Policy
from freehold.serve.gateway.record import Record

_log = structlog.get_logger("freehold.gateway")


class Observer(Protocol):
    """Is shown every settled entry. What it raises is counted, never felt by a request."""

    def __call__(self, entry: Entry) -> None: ...


class Copied(Sink, Protocol):
    """A sink that keeps a copy of the answer on its way."""

    def hand_over(self) -> None:
        """The answer has left and its entry is durable."""
        ...


class Mirror(Protocol):
    """Asks another target once more, after the caller has its answer."""

    def overhear(self, sink: Sink, decision: Decision, speech: Speech, record: Record) -> Copied | None:
        """The sink, made to keep a copy; None where none is wanted. Never raises."""
        ...


class Gateway:
    """The live parts around a policy."""

    def __init__(self, policy: Policy, outbound: Outbound, ledger: Ledger, observers: tuple[Observer, ...] = ()) -> None:
        self.policy = policy
        self.outbound = outbound
        self.ledger = ledger
        self.observers = observers
        self.clock: Clock = SystemClock()
        self.board = Board(self.clock.monotonic)
        self.admission = Admission()
        self.keeper: Keeper | None = None
        self.mirror: Mirror | None = None
        self.assignments: Mapping[str, tuple[Assignment, ...]] = {}
        self.in_flight = 0
        self.observer_failures = 0

    def admit(self, headers: Mapping[str, str]) -> Key:
        """Whose request it is: every route of the data plane begins here. Raises Unauthenticated, Forbidden."""
        return self.admission.caller(headers, self.policy.keys, self.clock.now())

    def drawn(self, ask: Ask, request_id: str, key: str) -> Ask:
        """The same question, with the migrations that this request, of the key with that name, is drawn for."""
        moving = self.assignments.get(ask.workload)
        if moving is None:
            return ask
        of_it = (one.of(key) for one in moving)
        return msgspec.structs.replace(ask, assigned=tuple(one for one in of_it if one.takes(request_id)))

    def show(self, entry: Entry) -> None:
        """Show a settled entry to the observers; one that fails is counted and logged, not felt."""
        for observer in self.observers:
            try:
                observer(entry)
            except Exception as error:  # a sink must never fail a request
                self.observer_failures += 1
                _log.warning("an observer failed", kind=type(error).__name__)

    def swap(self, policy: Policy) -> None:
        """From now on this policy. Requests under way finish on the one they began with; targets that stay keep their state."""
        for name, before in self.policy.targets.items():
            after = policy.targets.get(name)
            if after is None or after.url != before.url:
                self.board.forget(name)
        self.policy = policy
