"""Rented targets behind a hard budget that say nothing which bounds a bill: requests without a bound are refused there."""

from collections.abc import Iterator

from freehold.app.config_file import Location
from freehold.app.floors import removed_at_floor
from freehold.core.target import Target, Workload
from freehold.rules.budget import Budget
from freehold.serve.gateway.policy import Policy


def unbounded_targets(policy: Policy) -> Iterator[tuple[Location, str]]:
    """Where it stands, and what is refused there for which budget, workload by workload."""
    for target in policy.targets.values():
        if not target.rented or target.context_tokens is not None:
            continue  # its context bounds what it reads and what it answers
        for workload in policy.workloads.values():
            budget = next((b for b in policy.budgets if b.hard and b.scope in _scopes(b, workload)), None)
            if budget is None or target.name not in workload.targets:
                continue
            if removed_at_floor(workload, target, policy.labels) is None:
                yield ("targets", target.name), _told(target, workload, budget)


def _scopes(budget: Budget, workload: Workload) -> frozenset[str]:
    """The scopes in which it may concern that workload. Whose a key is can be said in the ledger as well, so that a budget of a
    key, team or user may concern any."""
    others = frozenset({"key", "team", "user"})
    return others | {"workload"} if budget.match in {None, workload.name} else others


def _told(target: Target, workload: Workload, budget: Budget) -> str:
    behind = f"in workload {workload.name} behind the hard budget {budget.name!r}"
    if target.max_output_tokens is None:
        return f"{behind}, and nothing bounds its answers: requests without max_completion_tokens may be refused; " + (
            "give max_output_tokens (and context_tokens, for images and sound)"
        )
    return f"{behind}, and nothing bounds what it reads: requests with images or sound may be refused; give context_tokens"
