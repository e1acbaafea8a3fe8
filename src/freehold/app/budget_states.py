"""What each budget's owners have spent, reserved and left in the running periods, from the ledger."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime

import msgspec

from freehold.rules.budget import Budget
from freehold.serve.stores.budget_leases import BudgetLeases
from freehold.serve.stores.place import LedgerPlace


class BudgetState(msgspec.Struct, frozen=True):
    """One owner's account in nano-dollars; `left` is below zero where it was overspent, as a budget that warns can be.

    `who` says whose it is, such as `team red`.
    """

    budget: str
    owner: str
    period: str
    mode: str
    limit_nanousd: int
    spent_nanousd: int
    reserved_nanousd: int
    left_nanousd: int
    who: str


def budget_states(budgets: Sequence[Budget], ledger: LedgerPlace, now: float) -> list[BudgetState]:
    """By budget and owner; owners that have not spent yet are not there. Raises LedgerUnavailable."""
    day = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")
    with closing(BudgetLeases(ledger)) as leases:
        totals = leases.totals(now, (day, day[:7]))
    by_name = {budget.name: budget for budget in budgets}
    found: list[BudgetState] = []
    for total in totals:
        name, _, each = total.owner.partition("/")
        budget = by_name.get(name)
        if budget is None or total.period != (day if budget.period == "day" else day[:7]):
            continue  # it is configured no more, or was for another period
        left = budget.limit_nanousd - total.spent_nanousd - total.reserved_nanousd
        found.append(
            BudgetState(name, total.owner, total.period, "hard" if budget.hard else "warn", budget.limit_nanousd,
                        total.spent_nanousd, total.reserved_nanousd, left, f"{budget.scope} {budget.match or each}")
        )  # fmt: skip
    return found
