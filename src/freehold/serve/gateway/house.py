"""What the request line works with: the current policy, and the live parts around it."""

from collections.abc import Mapping
from typing import Protocol

from freehold.core.entry import Entry
from freehold.core.ports import Ledger, Outbound
from freehold.serve.access.admission import Admission
from freehold.serve.access.keys import Key
from freehold.serve.gateway.board import Board
from freehold.serve.gateway.clock import Clock, SystemClock
from freehold.serve.gateway.keeping import Keeper
from freehold.serve.gateway.policy import Policy


class Observer(Protocol):
    """Is shown every settled entry. What it raises is counted, never felt by a request."""

    def __call__(self, entry: Entry) -> None: ...


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
        self.in_flight = 0
        self.observer_failures = 0

    def admit(self, headers: Mapping[str, str]) -> Key:
        """Whose request it is: every route of the data plane begins here. Raises Unauthenticated, Forbidden."""
        return self.admission.caller(headers, self.policy.keys, self.clock.now())

    def swap(self, policy: Policy) -> None:
        """From now on this policy. Requests under way finish on the one they began with; targets that stay keep their state."""
        for name, before in self.policy.targets.items():
            after = policy.targets.get(name)
            if after is None or after.url != before.url:
                self.board.forget(name)
        self.policy = policy
