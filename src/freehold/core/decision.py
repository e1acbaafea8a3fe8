"""The decision: which targets may serve a request, in which order, and why the others may not."""

from typing import Literal, TypeAlias

import msgspec

from freehold.core.request import Ask
from freehold.core.target import Target

Phase: TypeAlias = Literal["closed", "open", "half_open"]
Constraint: TypeAlias = Literal[
    "data_class",
    "label",
    "region",
    "provider",
    "terms",
    "pinned",
    "egress",
    "capability",
    "context",
    "dialect",
    "key",
    "budget",
    "named",
    "hint",
]


class Removed(msgspec.Struct, frozen=True):
    """A target that may not see this request, and which constraint says so."""

    target: str
    constraint: Constraint
    detail: str


class Candidate(msgspec.Struct, frozen=True):
    """A target that may serve, and why it stands where it stands. `spill`: it is here because owned capacity is full.

    `held_s`: it should be sent nothing for so many seconds; 0: it may be tried now.
    """

    target: Target
    reason: str
    spill: bool = False
    held_s: float = 0.0


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Computed once per request and carried; whatever could move data asks it. `spill`: full owned capacity may be left.

    A copy for any other target is judged by the same constraints over `ask`; what keeps data reads `ask.handling`.
    """

    ask: Ask
    candidates: tuple[Candidate, ...]
    removed: tuple[Removed, ...]
    spill: bool = False

    def why_not(self) -> str:
        """Every removed target with the constraint that removed it, in one line."""
        return "; ".join(f"{r.target}: {r.constraint} ({r.detail})" for r in self.removed) or "no target configured"


class Load(msgspec.Struct, frozen=True):
    """An engine's own reading: requests running and queued, KV cache use 0-1 where it reports one."""

    running: int
    waiting: int
    kv_usage: float | None = None


class TargetState(msgspec.Struct, frozen=True):
    """What is known about a target right now: our requests in flight, how many it ran for others and its load when it was last
    read (fresh readings only), and its health, in seconds from now.

    `cooling_s`: the whole cool-down; `asked_s`: as much of it as the target itself asked for. `phase` is its breaker's, `open_s`
    how long that stays open, `failures` how many in a row; `probing`: one request tries it now. `share`: of its requests, 0-1,
    while it recovers. `quota_s`: until what it lets us ask has room.
    """

    in_flight: int = 0
    foreign: int = 0
    load: Load | None = None
    cooling_s: float = 0.0
    asked_s: float = 0.0
    phase: Phase = "closed"
    open_s: float = 0.0
    failures: int = 0
    probing: bool = False
    share: float = 1.0
    quota_s: float = 0.0
