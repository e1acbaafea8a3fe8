"""`freehold ledger`: what the ledger says, as people and machines want to read it."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import msgspec
from cyclopts import App
from rich.table import Table

from freehold.app.cli.handled_tables import findings_table, groups_table, refusals_table, removals_table
from freehold.app.cli.ledger_flag import LedgerFlag
from freehold.app.cli.output import emit_json, out
from freehold.app.handled import found, kind_labels
from freehold.app.spending import MachineUse, Spent, recent_entries, spending
from freehold.core.errors import BadSettings
from freehold.core.money import show
from freehold.serve.stores.handling import By, HandlingReader
from freehold.serve.stores.reader import Slice

app = App(name="ledger", help="Read the ledger.")


@app.command
def summary(*, ledger: LedgerFlag = Path("freehold.db"), by: By | None = None, json: bool = False) -> int:
    """Requests, tokens and every cost by workload and target, and how busy each owned machine was.

    Owned cost divides each machine hour by slot-seconds. Elsewhere is what the same tokens would have cost at another target: a
    comparison, part of no sum.

    Parameters
    ----------
    ledger
        The ledger: a file, postgresql://user@host/database, or postgresql+env:NAME.
    by
        Totals by this alone, with the rented cost, and without the machines.
    json
        Print one JSON object.
    """
    if by is not None:
        groups = HandlingReader(ledger).groups(by)
        if json:
            emit_json({"by": by, "groups": groups})
        else:
            out.print(groups_table(by, groups))
        return 0
    spent = spending(ledger)
    if json:
        emit_json(spent)
        return 0
    out.print(slices_table(spent.slices, spent.machines))
    if spent.machines:
        out.print(_machines_table(spent.machines))
    return 0


@app.command
def removed(*, ledger: LedgerFlag = Path("freehold.db"), json: bool = False) -> int:
    """Which constraint removed which target how often, and what callers were refused.

    Parameters
    ----------
    ledger
        The ledger: a file, postgresql://user@host/database, or postgresql+env:NAME.
    json
        Print one JSON object.
    """
    reader = HandlingReader(ledger)
    removals, refusals = reader.removals(), reader.refusals()
    if json:
        emit_json({"removals": removals, "refusals": refusals})
        return 0
    out.print(removals_table(removals) if removals else "No constraint removed a target.")
    out.print(refusals_table(refusals) if refusals else "No request was refused.")
    return 0


@app.command
def findings(*, ledger: LedgerFlag = Path("freehold.db"), json: bool = False) -> int:
    """Sensitive values found in requests, by kind, and where those requests were sent. Values themselves are in no ledger.

    Parameters
    ----------
    ledger
        The ledger: a file, postgresql://user@host/database, or postgresql+env:NAME.
    json
        Print one JSON list.
    """
    kinds = found(HandlingReader(ledger), kind_labels())
    if json:
        emit_json(kinds)
        return 0
    out.print(findings_table(kinds) if kinds else "Nothing was found in any request.")
    return 0


@app.command
def entries(*, ledger: LedgerFlag = Path("freehold.db"), limit: int = 20, json: bool = False) -> int:
    """The newest entries, newest first.

    Parameters
    ----------
    ledger
        The ledger: a file, postgresql://user@host/database, or postgresql+env:NAME.
    limit
        How many.
    json
        Print one JSON list.
    """
    if limit < 1:
        raise BadSettings(f"limit is {limit}; use 1 or more")
    rows = recent_entries(ledger, limit)
    if json:
        emit_json(rows)
        return 0
    prompts = ["prompt"] if any(row["prompt"] for row in rows) else []  # most workloads have no variants
    names = ["id", "workload", "data_class", "outcome", "target", *prompts, "reason"]
    table = Table("id", "workload", "class", "outcome", "target", *prompts, "why there", "rented cost", "owned cost", "elsewhere")
    for row in rows:
        words = [str(row[name] or "") for name in names]
        words[4] = _named(words[4], bool(row["lab"]))
        rented = row["cost_nanousd"] if row["basis"] == "rented" or row["cost_nanousd"] else None
        costs = (cast("int | None", nano) for nano in (rented, row["owned_nanousd"], row["shadow_nanousd"]))
        table.add_row(*words, *(_money(nano, 6) for nano in costs))
    out.print(table)
    return 0


def slices_table(slices: Sequence[Slice], machines: Sequence[MachineUse] = ()) -> Table:
    """The summary as a table with a closing line of totals. Machine hours nobody used stand in lines of their own."""
    spent = [s if isinstance(s, Spent) else Spent(**msgspec.structs.asdict(s)) for s in slices]
    idle = [m for m in machines if m.idle_nanousd]
    table = Table("workload", "target", "kind", show_footer=True)
    for name, total in (
        ("requests", sum(s.requests for s in slices)),
        ("answered", sum(s.answered for s in slices)),
        ("spilled", sum(s.spilled for s in slices)),
        ("tokens in", sum(s.input_tokens for s in slices)),
        ("tokens out", sum(s.output_tokens for s in slices)),
    ):
        table.add_column(name, footer=f"{total:,}", justify="right")
    table.add_column("rented cost", footer=show(sum(s.cost_nanousd for s in slices), 4), justify="right")
    known = [s.owned_nanousd for s in spent if s.owned_nanousd is not None] + [m.idle_nanousd for m in idle]
    table.add_column("owned cost", footer=_money(sum(known) if known else None, 4), justify="right")
    table.add_column("elsewhere", justify="right")
    for s in spent:
        counts = (s.requests, s.answered, s.spilled, s.input_tokens, s.output_tokens)
        rented = None if s.basis == "owned" and not s.cost_nanousd else s.cost_nanousd
        costs = (_money(nano, 4) for nano in (rented, s.owned_nanousd, s.shadow_nanousd))
        table.add_row(s.workload, _named(s.target or "none", bool(s.lab)), s.basis or "", *(f"{n:,}" for n in counts), *costs)
    for m in idle:
        table.add_row("idle", _named(m.target, m.lab), "owned", *[""] * 5, "-", show(m.idle_nanousd, 4), "-")
    return table


def _machines_table(machines: Sequence[MachineUse]) -> Table:
    """How long each stood there, how much of it was used, what it cost; where slots are not declared, how many ran on average."""
    table = Table("target", "machine", "an hour", "hours up", "in use", "owned cost", "of it idle")
    for m in machines:
        use = f"{m.busy_slot_s / m.up_s:.2f} at once" if m.utilisation is None else f"{m.utilisation:.1%} of its slots"
        table.add_row(
            _named(m.target, m.lab), f"{m.gpu_count} x {m.gpu} at {m.provider}, {m.hire_plan}", show(m.price_nanousd_h, 4),
            f"{m.up_s / 3600:,.2f}", use, show(m.cost_nanousd, 4), show(m.idle_nanousd, 4),
        )  # fmt: skip
    return table


def _named(target: str, lab: bool) -> str:
    return f"{target} (lab)" if lab else target


def _money(nano: int | None, places: int) -> str:
    return "-" if nano is None else show(nano, places)
