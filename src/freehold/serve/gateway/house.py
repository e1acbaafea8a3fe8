"""What the request line works with: one immutable policy (swapped whole on reload), its bounds, and the live parts."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Protocol

import msgspec

from freehold.core.entry import Entry
from freehold.core.ports import Codec, Engine, Ledger, Outbound
from freehold.core.price import PriceCard
from freehold.core.target import Target, Workload
from freehold.serve.access.keys import Keyring
from freehold.serve.gateway.board import Board
from freehold.serve.gateway.clock import Clock, SystemClock


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Every limit of the data plane, explicit. Seconds and bytes."""

    body_bytes: int = 32 * 1024 * 1024
    reply_bytes: int = 32 * 1024 * 1024
    in_flight: int = 4096
    attempts: int = 4
    connect_s: float = 5.0
    first_token_s: float = 60.0
    idle_s: float = 60.0
    total_s: float = 900.0


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """One validated configuration; codecs and engines by target.

    `version` names it in every entry; `price(target, day)` is None for owned targets.
    """

    version: str
    targets: Mapping[str, Target]
    workloads: Mapping[str, Workload]
    codecs: Mapping[str, Codec]
    engines: Mapping[str, Engine]
    keys: Keyring
    bounds: Bounds
    price: Callable[[Target, date], PriceCard | None]


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
