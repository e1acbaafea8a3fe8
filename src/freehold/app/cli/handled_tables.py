"""What the rules did about data, as tables: findings with where they went, targets that constraints removed, refusals,
budgets."""

from collections.abc import Sequence

from rich.table import Table

from freehold.app.budget_states import BudgetState
from freehold.app.handled import Found
from freehold.core.money import show
from freehold.serve.stores.handling import By, Group, Refusal, Removal


def groups_table(by: By, groups: Sequence[Group]) -> Table:
    """Totals by team, user, key, target, workload or class; requests that a stand-in answered are told apart."""
    table = Table(by)
    names = ("requests", "answered", "refused", "spilled", "tokens in", "tokens out", "rented cost", "at lab stand-ins")
    for name in names:
        table.add_column(name, justify="right")
    for g in groups:
        counts = (g.requests, g.answered, g.refused, g.spilled, g.input_tokens, g.output_tokens)
        lab = "all" if g.lab == g.requests else f"{g.lab:,}" if g.lab else "-"
        table.add_row(g.name or "none", *(f"{n:,}" for n in counts), show(g.cost_nanousd, 4), lab)
    return table


def findings_table(findings: Sequence[Found]) -> Table:
    """By kind: how many values in how many requests, and which targets those were sent to."""
    table = Table("kind", "label")
    for name in ("values", "requests", "refused"):
        table.add_column(name, justify="right")
    table.add_column("sent to, in requests")
    for f in findings:
        sent = ", ".join(f"{to.target}{' (lab)' if to.lab else ''}, {to.kind}: {to.requests:,}" for to in f.sent)
        table.add_row(f.kind, f.label or "-", f"{f.found:,}", f"{f.requests:,}", f"{f.refused:,}", sent or "nowhere")
    return table


def removals_table(removals: Sequence[Removal]) -> Table:
    """Which constraint removed which target, and why, how often."""
    table = Table("constraint", "removed", "because (# stands for a number)")
    for name in ("requests", "refused in the end"):
        table.add_column(name, justify="right")
    for r in removals:
        table.add_row(r.constraint, r.target, r.detail, f"{r.requests:,}", f"{r.refused:,}")
    return table


def refusals_table(refusals: Sequence[Refusal]) -> Table:
    """What callers were refused, and what they were told."""
    table = Table("status", "code", "workload", "team", "sensitive")
    table.add_column("requests", justify="right")
    for r in refusals:
        sensitive = "yes" if r.sensitive else "no"
        table.add_row(str(r.status), r.code or "-", r.workload, r.team or "-", sensitive, f"{r.requests:,}")
    return table


def budgets_table(budgets: Sequence[BudgetState]) -> Table:
    """What each owner may spend, has spent and set aside, and has left."""
    table = Table("budget", "whose", "period", "mode")
    for name in ("limit", "spent", "set aside", "left"):
        table.add_column(name, justify="right")
    for b in budgets:
        money = (show(nano, 4) for nano in (b.limit_nanousd, b.spent_nanousd, b.reserved_nanousd, b.left_nanousd))
        table.add_row(b.budget, b.who, b.period, b.mode, *money)
    return table
