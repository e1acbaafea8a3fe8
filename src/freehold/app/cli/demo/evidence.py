"""What the demo shows of its constraints, from its own ledger: findings, targets removed, refusals, budgets, residency."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from freehold.app import config_file
from freehold.app.access import configured_budgets
from freehold.app.budget_states import BudgetState, budget_states
from freehold.app.cli.demo.world import TEAMS, World
from freehold.app.handled import Handled, handled, kind_labels
from freehold.app.residency.document import Asked, Residency
from freehold.app.residency.report import residency
from freehold.serve.stores.handling import Finding, HandlingReader, Refusal

_REDACTED = "pii"  # as the demo's configuration says


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """`labels` has the findings by label; `meant` are the refusals that the demo is made to show, by code."""

    handled: Handled
    labels: list[Finding]
    budgets: list[BudgetState]
    residency: Residency
    meant: dict[str, int]

    @property
    def redacted(self) -> int:
        """Requests that left with placeholders: the rented target never sees a value of that label."""
        return sum(to.requests for one in self.labels if one.kind == _REDACTED for to in one.sent if to.kind == "rented")

    @property
    def lab_targets(self) -> list[str]:
        """By name, as the policies on record say."""
        return sorted({facts.target for policy in self.residency.policies for facts in policy.targets or () if facts.lab})

    def figures(self) -> dict[str, Any]:
        """For the demo's JSON. Violations are judged by what was recorded with each entry, and count requests."""
        return {
            "refused_as_meant": self.meant,
            "findings_by_label": self.labels,
            "findings": self.handled.findings,
            "removed": self.handled.removals,
            "refusals": self.handled.refusals,
            "redacted_requests": self.redacted,
            "budgets": self.budgets,
            "constraint_violations": self.residency.violating,
            "unproven": self.residency.unproven,
            "residency": self.residency,
        }


def evidence(world: World) -> Evidence:
    """Of the ledger as it is now. Raises BadSettings, LedgerUnavailable."""
    now, labels = time.time(), kind_labels()
    seen = handled(world.ledger, labels)
    return Evidence(
        handled=seen,
        labels=HandlingReader(world.ledger).findings(labels),
        budgets=budget_states(configured_budgets(config_file.load(world.config)), world.ledger, now),
        residency=residency(world.ledger, Asked(until=now), now),
        meant=_meant(seen.refusals),
    )


def unmeant(errors: Mapping[str, int], meant: Mapping[str, int]) -> int:
    """How many of the clients' errors, such as `429 insufficient_quota`, are none of those that are meant, or are missing."""
    by_code: Counter[str] = Counter()
    for name, count in errors.items():
        by_code[name.partition(" ")[2] or name] += count
    return sum(abs(by_code[code] - meant.get(code, 0)) for code in {*by_code, *meant})


def _meant(refusals: Iterable[Refusal]) -> dict[str, int]:
    """A spent trial budget, a secret, and what nobody may serve. Anything else that was refused is an error of the demo."""
    meant: Counter[str] = Counter()
    for one in refusals:
        spent = one.code == "insufficient_quota" and one.team == TEAMS["trial"]
        if spent or (one.sensitive and one.code in {"content_blocked", "no_target_allowed"}):
            meant[str(one.code)] += one.requests
    return dict(meant)
