"""A sizing for people and for machines: the table, the what-ifs, the JSON document, the picture on disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from freehold.app.whole_file import write_whole
from freehold.plan.amounts import money
from freehold.plan.capacity.sizing.promises import Promised
from freehold.plan.capacity.sizing.size import Configuration, Sizing
from freehold.plan.capacity.sizing.whatif import WhatIf
from freehold.plan.report.sizing_picture import sizing_picture


def show_sizing(made: Sizing, doubts: Sequence[str], console: Console) -> None:
    """The answer in a line, then the cheapest layout of each GPU and precision, the cheapest first."""
    asked, best = made.asked, made.cheapest
    promise = (
        f"{100 * asked.promise.level:g} % of requests within {1000 * asked.promise.ttft_s:g} ms to the first token, and "
        f"{100 * asked.promise.level:g} % within {1000 * asked.promise.tpot_s:g} ms a token after it"
    )
    if best is None:
        answer = f"nothing with a price keeps {promise} with {asked.replicas_max} replicas or fewer"
    else:
        price = best.prices[0]
        answer = (
            f"{_what(best)} at {price.provider}, {money(price.nanousd_month)} a month: {price.machines}x {price.instance}. "
            f"It keeps {promise}"
        )
    console.print(f"[bold]{asked.model}[/bold]: {answer}.", soft_wrap=True, highlight=False)
    console.print(_table(made))
    for line in _notes(made, doubts):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _table(made: Sizing) -> Table:
    table = Table("GPU", "precision", "layout")
    for column in ("replicas", "GPUs", "a month", "TTFT ms", "TPOT ms", "good/s", "used", "next step"):
        table.add_column(column, justify="right")
    table.add_column("cheapest at")
    for one in made.configurations:
        if one.next_step is None or one.utilisation is None:
            continue
        price = one.prices[0] if one.prices else None
        table.add_row(
            one.gpu,
            one.precision,
            one.layout,
            f"{one.trial.replicas:,}",
            f"{one.gpus:,}",
            money(price.nanousd_month) if price else "no price",
            f"{1000 * one.trial.ttft_s:,.0f}",
            f"{1000 * one.trial.tpot_s:,.1f}",
            f"{one.trial.goodput_rps:,.2f}",
            f"{one.utilisation:.0%}",
            f"x{one.next_step:.2f}",
            f"{price.provider} {price.instance}" if price else "",
        )
    return table


def _notes(made: Sizing, doubts: Sequence[str]) -> list[str]:
    lines = [
        f"Simulated {made.requests:,} requests on {made.tried} layouts; all that keep the promise are in --json. Times are at "
        "the promised percentile; used: this traffic over the most that the replicas carry inside the promise; next step: the "
        "multiple of the traffic at which one more is needed. Money is machines at the listed price; people and platform are in "
        "`freehold plan`."
    ]
    if best := made.cheapest:
        lines.append(f"Step time: {best.basis}. Published throughput checks it, measured latency does not yet.")
    if made.without:
        lines.append(f"No layout keeps the promise on {', '.join(made.without)}.")
    return [*lines, *(f"Note: {doubt}." for doubt in doubts)]


def show_what_ifs(made: Sizing, compared: Sequence[WhatIf], console: Console) -> None:
    """One row for each change against the base."""
    table = Table("what if", "then", title="One thing changed at a time, on the cheapest answer's GPU", title_justify="left")
    for column in ("a month", "against the base", "next step"):
        table.add_column(column, justify="right")
    best = made.cheapest
    if best is not None and best.nanousd_month is not None:
        table.add_row("nothing", _what(best), money(best.nanousd_month), "", f"x{best.next_step or 1:.2f}")
    for case in compared:
        one = case.cheapest
        if one is None or one.nanousd_month is None or case.more_nanousd_month is None:
            table.add_row(case.change, "nothing keeps the promise", "", "", "")
        else:
            more = f"{'+' if case.more_nanousd_month >= 0 else '-'}{money(abs(case.more_nanousd_month))}"
            table.add_row(case.change, _what(one), money(one.nanousd_month), more, f"x{one.next_step or 1:.2f}")
    console.print(table)


def as_json(made: Sizing, compared: Sequence[WhatIf], doubts: Sequence[str]) -> dict[str, Any]:
    """The sizing as one document; what follows from the rest (GPUs, dollars, utilisation) is spelt out."""
    return {
        "asked": made.asked,
        "requests": made.requests,
        "layouts_tried": made.tried,
        "cheapest": _spelt(made.cheapest),
        "configurations": [_spelt(one) for one in made.configurations],
        "without": made.without,
        "what_if": [
            {"change": case.change, "cheapest": _spelt(case.cheapest), "more_nanousd_month": case.more_nanousd_month}
            for case in compared
        ],
        "notes": list(doubts),
    }


def write_picture(path: Path, made: Sizing, promised: Sequence[Promised]) -> None:
    """Whole or not at all. Raises BadSettings where the file cannot be written."""
    write_whole(path, sizing_picture(made, promised))


def _spelt(one: Configuration | None) -> dict[str, Any] | None:
    if one is None:
        return None
    own = {"replicas": one.trial.replicas, "gpus": one.gpus, "nanousd_month": one.nanousd_month, "utilisation": one.utilisation}
    return {**msgspec.structs.asdict(one), **own, "goodput_rps": one.trial.goodput_rps}


def _what(one: Configuration) -> str:
    return f"{one.trial.replicas}x {one.gpu} {one.layout} at {one.precision}"
