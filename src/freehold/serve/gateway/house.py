"""What the request line works with: the current policy, and the live parts around it."""

from typing import Protocol

from freehold.core.entry import Entry
from freehold.core.ports import Ledger, Outbound
from freehold.serve.gateway.board import Board
from freehold.serve.gateway.clock import Clock, SystemClock
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
        self.in_flight = 0
        self.observer_failures = 0
