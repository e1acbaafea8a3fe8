"""What entries cost their budgets, booked in the very transaction that makes them durable: neither is ever without the other."""

from collections import Counter
from collections.abc import Sequence

from freehold.core.entry import Entry

SPEND = """INSERT INTO budget_spent (owner, period, spent_nanousd) VALUES (?, ?, ?)
    ON CONFLICT (owner, period) DO UPDATE SET spent_nanousd = budget_spent.spent_nanousd + excluded.spent_nanousd"""
# A lease that expired meanwhile is not there any more: its money is spent all the same.
TAKE = """UPDATE budget_leases SET amount_nanousd = CASE WHEN amount_nanousd > ? THEN amount_nanousd - ? ELSE 0 END
    WHERE id = ?"""


def spent_rows(entries: Sequence[Entry]) -> list[tuple[str, str, int]]:
    """Values for SPEND, in one order for all gateways, or else two could wait for each other."""
    spent: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        for charge in entry.charges if entry.cost_nanousd else ():
            spent[charge.owner, charge.period] += entry.cost_nanousd
    return [(owner, period, amount) for (owner, period), amount in sorted(spent.items())]


def lease_rows(entries: Sequence[Entry]) -> list[tuple[int, int, str]]:
    """Values for TAKE, by lease."""
    taken: Counter[str] = Counter()
    for entry in entries:
        for charge in entry.charges if entry.cost_nanousd else ():
            if charge.lease is not None:
                taken[charge.lease] += entry.cost_nanousd
    return [(amount, amount, lease) for lease, amount in sorted(taken.items())]
