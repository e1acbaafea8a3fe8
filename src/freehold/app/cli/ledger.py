"""`freehold ledger`: what the ledger says, as people and machines want to read it."""

from pathlib import Path

from cyclopts import App
from rich.table import Table

from freehold.app.cli.output import emit_json, out
from freehold.core.errors import BadSettings
from freehold.core.money import show
from freehold.serve.stores.sqlite_reader import Slice, SqliteReader

app = App(name="ledger", help="Read the ledger.")


@app.command
def summary(*, ledger: Path = Path("freehold.db"), json: bool = False) -> int:
    """Requests, tokens and cost by workload and target.

    Parameters
    ----------
    ledger
        The ledger file.
    json
        Print one JSON list.
    """
    slices = SqliteReader(ledger).slices()
    if json:
        emit_json(slices)
    else:
        out.print(slices_table(slices))
    return 0


@app.command
def entries(*, ledger: Path = Path("freehold.db"), limit: int = 20, json: bool = False) -> int:
    """The newest entries, newest first.

    Parameters
    ----------
    ledger
        The ledger file.
    limit
        How many.
    json
        Print one JSON list.
    """
    if limit < 1:
        raise BadSettings(f"limit is {limit}; use 1 or more")
    rows = SqliteReader(ledger).recent(limit)
    if json:
        emit_json(rows)
        return 0
    table = Table("id", "workload", "class", "outcome", "target", "why there", "cost")
    for row in rows:
        names = ("id", "workload", "data_class", "outcome", "target", "reason")
        cost = row["cost_nanousd"] if row["basis"] == "rented" else None
        table.add_row(*(str(row[name] or "") for name in names), show(cost, 6) if isinstance(cost, int) else "-")
    out.print(table)
    return 0


def slices_table(slices: list[Slice]) -> Table:
    """The summary as a table with a closing line of totals."""
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
    for s in slices:
        counts = (s.requests, s.answered, s.spilled, s.input_tokens, s.output_tokens)
        cost = "-" if s.basis == "owned" else show(s.cost_nanousd, 4)
        table.add_row(s.workload, s.target or "none", s.basis or "", *(f"{n:,}" for n in counts), cost)
    return table
