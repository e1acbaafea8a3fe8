"""What is kept for later proof: what a policy said of a target while it was in force, and what a request demanded of one."""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec


class TargetFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Where a target was, whose it was, what it was cleared for and on which terms. `codec` is the dialect or engine, `provider`
    the company that ran it, `host` the place its URL named. None in the terms: unknown, which satisfies no demand."""

    target: str
    kind: Literal["rented", "owned"]
    codec: str
    provider: str | None
    model: str
    pinned: bool
    host: str
    regions: tuple[str, ...]
    clearance: str
    retention_days: int | None
    trains_on_data: bool | None
    baa: bool
    labels: tuple[str, ...] | None
    egress: Mapping[str, str]
    lab: bool


class PolicyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All targets of one policy version, since it was first loaded (Unix seconds)."""

    version: str
    loaded_at: float
    targets: Mapping[str, TargetFacts]


class PolicySpan(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time in which a gateway that wrote this ledger served under a policy version. Unix seconds."""

    version: str
    began_at: float
    seen_until: float


def stretches(spans: Iterable[PolicySpan], slack_s: float) -> list[tuple[float, float]]:
    """The times in which at least one gateway was on record, in order; spans no further apart than the slack are one."""
    found: list[tuple[float, float]] = []
    for span in sorted(spans, key=lambda s: s.began_at):
        if found and span.began_at <= found[-1][1] + slack_s:
            found[-1] = (found[-1][0], max(found[-1][1], span.seen_until))
        else:
            found.append((span.began_at, span.seen_until))
    return found


class Demanded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a request's data demanded of its target besides class and regions: its labels, demands of the policy and hints of the
    caller together, and the kinds of egress it asked for. Names are sorted."""

    labels: tuple[str, ...] = ()
    egress: tuple[str, ...] = ()
    retention_days: int | None = None
    no_training: bool = False
    providers: tuple[str, ...] | None = None
    not_providers: tuple[str, ...] = ()
    pinned: bool = False
