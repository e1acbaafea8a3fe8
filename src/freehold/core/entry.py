"""The ledger's row: one entry per request, with every attempt it took."""

from typing import Literal, TypeAlias

import msgspec

from freehold.core.decision import Removed
from freehold.core.policy_facts import Demanded
from freehold.core.price import PriceCard
from freehold.core.traceparent import Trace
from freehold.core.usage import Usage

Outcome: TypeAlias = Literal[
    "finished",  # the caller was sent a whole answer
    "refused",  # no target may serve it, or a target said no for good
    "failed",  # every target failed before a content token
    "cut",  # the answer broke off after its first content token
    "cancelled",  # the caller hung up
]
AttemptOutcome: TypeAlias = Literal[
    "finished", "unreachable", "timed_out", "rejected", "overloaded", "broken", "malformed", "cut", "stalled", "cancelled"
]
CostBasis: TypeAlias = Literal["rented", "owned"]
Purpose: TypeAlias = Literal["shadow", "judge"]  # why the gateway asked by itself
SHADOW = "freehold-shadow:"  # what the workload of such an entry begins with: its money counts, as traffic it does not


class Attempt(msgspec.Struct, kw_only=True):
    """One try at one target. Times in seconds since the request was received. `trace`: its own span; not kept in the ledger.

    `prompt`: the release of the prompt variant that it was asked in, `weights`: those it serves, where they are known.
    `service_tier`: the service that the reply says it bills, and `price` the card of that one once it is billed.
    """

    target: str
    model: str
    kind: Literal["rented", "owned"]
    reason: str
    started_s: float
    outcome: AttemptOutcome = "cancelled"
    status: int | None = None
    detail: str = ""
    first_token_s: float | None = None
    ended_s: float | None = None
    usage: Usage | None = None
    raw_usage: str | None = None
    service_tier: str | None = None
    cost_nanousd: int = 0
    price: PriceCard | None = None
    prompt: str | None = None
    weights: str | None = None
    trace: Trace | None = None


class Charge(msgspec.Struct, frozen=True):
    """One budget's account that an entry's cost is booked to, and the lease it was reserved under (None: under none)."""

    owner: str
    period: str
    lease: str | None = None


class Entry(msgspec.Struct, kw_only=True):
    """One request, from its first byte to its last. Times: Unix seconds, durations in seconds.

    `cost_nanousd` is the rented cost. `marginal_nanousd` is what an owned answer added to a bill (None: it was not owned); its
    part of the machine's hours is known when those are over, and derived from the ledger. `shadow_nanousd` is what the same
    tokens would have cost at `shadow_at`: a comparison, part of no cost. `lab`: a stand-in served it. `team` and `user` are the
    key's, never the caller's own words. `charges` are booked in the transaction that makes the entry durable. `findings`: how
    many values of each sensitive kind its content held; never a value. `trace`: its span, for observers; not kept in the ledger.
    `prompt` and `weights` are those of the last attempt, as target and model are. `purpose`: not a caller's request but the
    gateway's own, under a workload of its own; None: a caller's.
    """

    id: str
    received_at: float
    stands_for: float
    workload: str
    key: str
    data_class: str
    regions: tuple[str, ...] | None
    asked_model: str
    dialect: str
    stream: bool
    policy: str
    demanded: Demanded | None = None
    outcome: Outcome = "failed"
    status: int = 0
    error_code: str | None = None
    reason: str = ""
    spilled: bool = False
    target: str | None = None
    model: str | None = None
    basis: CostBasis | None = None
    usage: Usage | None = None
    cost_nanousd: int = 0
    marginal_nanousd: int | None = None
    shadow_nanousd: int | None = None
    shadow_at: str | None = None
    lab: bool = False
    team: str | None = None
    user: str | None = None
    charges: tuple[Charge, ...] = ()
    findings: dict[str, int] = {}
    prompt: str | None = None
    weights: str | None = None
    ttft_s: float | None = None
    total_s: float = 0.0
    purpose: Purpose | None = None
    removed: tuple[Removed, ...] = ()
    attempts: list[Attempt] = []
    trace: Trace | None = None
