"""What a residency report says, as `freehold report residency --json` prints it. Times are Unix seconds."""

from typing import Literal, TypeAlias

import msgspec

from freehold.core.policy_facts import TargetFacts
from freehold.serve.stores.residency import Handled

FORMAT = "freehold.residency/1"

Rule: TypeAlias = Literal[
    "data_class", "region", "baa", "label", "retention", "training", "provider", "pinned", "egress", "target"
]
Verdict: TypeAlias = Literal["allowed", "violation", "not_provable"]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Of which requests the report is: all of the period (the end is no part of it), or those of a class, label or workload."""

    since: float | None = None
    until: float
    data_class: str | None = None
    label: str | None = None
    workload: str | None = None

    def holds(self, handled: Handled) -> bool:
        """Whether requests handled like this are among them. Where labels were not kept, none is known to have the label."""
        return (
            self.data_class in (None, handled.data_class)
            and self.workload in (None, handled.workload)
            and (self.label is None or self.label in (handled.labels or ()))
        )


class ClassCount(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of a class: `owned` were sent to owned targets only, `rented` at least once to one that is not known to be owned,
    `nowhere` to none. `violating` broke a rule, `unproven` cannot be judged."""

    data_class: str
    requests: int
    owned: int
    rented: int
    nowhere: int
    violating: int
    unproven: int


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Data of one class and labels at one place. `codec`, `provider`, `host` and `regions` are as its policy had them; None where
    that is not on record. `labels` None: they were not kept then."""

    data_class: str
    labels: tuple[str, ...] | None
    target: str
    kind: str
    model: str
    codec: str | None = None
    provider: str | None = None
    host: str | None = None
    regions: tuple[str, ...] | None = None
    lab: bool
    verdict: Verdict
    requests: int = 0
    attempts: int = 0
    workloads: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that broke one rule at one target, in words, with the first of their ids."""

    rule: Rule
    told: str
    target: str
    policy: str
    requests: int
    evidence: tuple[str, ...]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that were sent nowhere, because no target was allowed. `because`: target and constraint."""

    data_class: str
    labels: tuple[str, ...] | None
    workload: str
    because: tuple[tuple[str, str], ...]
    requests: int
    evidence: tuple[str, ...]


class RuledOut(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests of a class a constraint kept away from a target, served elsewhere or refused."""

    data_class: str
    target: str
    constraint: str
    requests: int


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """Something this report cannot prove, in words; `requests` are those it is about, where they can be counted."""

    kind: str
    told: str
    requests: int | None = None
    evidence: tuple[str, ...] = ()


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy version that served requests of the report, and its targets' terms; None: they are not on record."""

    version: str
    loaded_at: float | None
    requests: int
    targets: tuple[TargetFacts, ...] | None


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """What was read: everything the ledger has of the period, whatever part of it the report is of."""

    sha256: str
    entries: int
    attempts: int


class Residency(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report. `classes` and `destinations` have the most sensitive data first; `rules` says in words what was checked;
    `first_at` is when the first request of the period was received, `beyond` what no ledger can prove."""

    format: str = FORMAT
    made_at: float
    ledger: str
    asked: Asked
    first_at: float | None
    answer: str
    requests: int
    attempts: int
    violating: int
    unproven: int
    rented: int
    classes: tuple[ClassCount, ...]
    destinations: tuple[Destination, ...]
    violations: tuple[Violation, ...]
    refusals: tuple[Refusal, ...]
    ruled_out: tuple[RuledOut, ...]
    policies: tuple[Policy, ...]
    rules: dict[Rule, str]
    not_provable: tuple[Doubt, ...]
    beyond: tuple[str, ...]
    seal: Seal
    command: str
