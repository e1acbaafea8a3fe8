"""A sizing for people and for machines: the table, the what-ifs, the JSON document, the picture on disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from freehold.app.whole_file import write_whole
from freehold.plan.amounts import money
from freehold.plan.capacity.measured import Measured
from freehold.plan.capacity.sizing.promises import Promised
from freehold.plan.capacity.sizing.size import Configuration, Sizing
from freehold.plan.capacity.sizing.whatif import WhatIf
from freehold.plan.report.sizing_picture import sizing_picture

_TIMES = ("ttft_s", "tpot_s")


def show_sizing(made: Sizing, doubts: Sequence[str], console: Console) -> None:
    """The answer in a line, then the cheapest layout of each GPU and precision, the cheapest first."""
    asked, best = made.asked, made.cheapest
    promise = (
        f"{100 * asked.promise.level:g} % of requests within {1000 * asked.promise.ttft_s:g} ms to the first token, and "
        f"{100 * asked.promise.level:g} % within {1000 * asked.promise.tpot_s:g} ms a token after it"
    )
    if best is None:
        nothing = "nothing with a price" if made.measured is None else "it never"
        answer = f"{nothing} keeps {promise} with {asked.replicas_max} replicas or fewer"
    else:
        answer = f"{_what(best)}{_hired(best)}. It keeps {promise}"
    subject = asked.model if made.measured is None else f"{asked.model} as {made.measured.target} serves it"
    console.print(f"[bold]{subject}[/bold]: {answer}.", soft_wrap=True, highlight=False)
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
            _month(one),
            f"{1000 * one.trial.ttft_s:,.0f}",
            f"{1000 * one.trial.tpot_s:,.1f}",
            f"{one.trial.goodput_rps:,.2f}",
            f"{one.utilisation:.0%}",
            f"x{one.next_step:.2f}",
            f"{price.provider} {price.instance}" if price else "",
        )
    return table


def _notes(made: Sizing, doubts: Sequence[str]) -> list[str]:
    where = f"{made.tried} layouts; all that keep the promise are in --json" if made.measured is None else "the measured law"
    lines = [
        f"Simulated {made.requests:,} requests on {where}. Times are at the promised percentile; used: this traffic over the "
        "most that the replicas carry inside the promise; next step: the multiple of the traffic at which one more is needed. "
        "Money is machines by the hour; people and platform are in `freehold plan`."
    ]
    if made.measured is not None:
        lines += _measured_notes(made, made.measured)
    elif best := made.cheapest:
        lines.append(
            f"Step time: {best.basis}. Published throughput checks it; latency is checked once `freehold calibrate` was run on a "
            "machine of yours (--target)."
        )
    if made.without:
        lines.append(f"No layout keeps the promise on {', '.join(made.without)}.")
    return [*lines, *(f"Note: {doubt}." for doubt in doubts)]


def _measured_notes(made: Sizing, measured: Measured) -> list[str]:
    """The interval of the times, and whether the promise stands at its far end."""
    lines = [f"Step time: {measured.words}."]
    if (best := made.cheapest) is None:
        return lines
    held = f"{made.cautious_replicas} replicas" if made.cautious_replicas else f"not even {made.asked.replicas_max} replicas"
    (ttft_low, ttft_high), (tpot_low, tpot_high) = _intervals(best, measured)
    return [
        *lines,
        f"So the 80 % intervals are {1000 * ttft_low:,.0f} to {1000 * ttft_high:,.0f} ms to the first token and "
        f"{1000 * tpot_low:,.1f} to {1000 * tpot_high:,.1f} ms a token; with both at their far end {held} keep the promise.",
    ]


def _intervals(one: Configuration, measured: Measured) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of the times to the first token and per token, in seconds."""
    trial, missed = one.trial, measured.missed
    return measured.interval(trial.ttft_s, missed.ttft), measured.interval(trial.tpot_s, missed.tpot)


def show_what_ifs(made: Sizing, compared: Sequence[WhatIf], console: Console) -> None:
    """One row for each change against the base."""
    table = Table("what if", "then", title="One thing changed at a time, on the cheapest answer's GPU", title_justify="left")
    for column in ("a month", "against the base", "next step"):
        table.add_column(column, justify="right")
    best = made.cheapest
    if best is not None:
        table.add_row("nothing", _what(best), _month(best), "", f"x{best.next_step or 1:.2f}")
    for case in compared:
        one, more = case.cheapest, case.more_nanousd_month
        if one is None:
            table.add_row(case.change, "nothing keeps the promise", "", "", "")
        else:
            added = "" if more is None else f"{'+' if more >= 0 else '-'}{money(abs(more))}"
            table.add_row(case.change, _what(one), _month(one), added, f"x{one.next_step or 1:.2f}")
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
        "measured": _spelt_measured(made),
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


def _spelt_measured(made: Sizing) -> dict[str, Any] | None:
    """The calibration that stood in for the catalogue, the 80 % intervals of the answer, the replicas at their far end."""
    if made.measured is None:
        return None
    intervals = None if made.cheapest is None else dict(zip(_TIMES, _intervals(made.cheapest, made.measured), strict=True))
    told = {
        "missed": made.measured.missed._asdict(),
        "basis": made.measured.words,
        "interval80": intervals,
        "cautious_replicas": made.cautious_replicas,
    }
    return {**msgspec.structs.asdict(made.measured), **told}


def _hired(one: Configuration) -> str:
    if not one.prices:
        return "; state its cost: in the configuration, and this says what it costs a month"
    price = one.prices[0]
    return f" at {price.provider}, {money(price.nanousd_month)} a month: {price.machines}x {price.instance}"


def _month(one: Configuration) -> str:
    return "no price" if one.nanousd_month is None else money(one.nanousd_month)


def _what(one: Configuration) -> str:
    precision = f" at {one.precision}" if one.precision else ""
    return f"{one.trial.replicas}x {one.gpu} {one.layout}{precision}"
