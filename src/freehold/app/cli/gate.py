"""`freehold gate`: the verdict of the migration gate on any file of paired scores."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.markup import escape
from rich.table import Table

from freehold.app.cli.gate_chart import chart
from freehold.app.cli.output import emit_json, notes, out
from freehold.app.gate_page import render_gate
from freehold.app.whole_file import write_whole
from freehold.core.errors import BadSettings
from freehold.move.migration.gate import Gate, open_gate
from freehold.move.migration.pair import GateSettings, Guardrail, Held
from freehold.move.migration.score_file import read_pairs
from freehold.move.migration.verdict import Verdict, named, points

app = App(name="gate", help="May the owned model take over? A verdict on paired scores that may be asked after every pair.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of the pairs."""

    margin: float = 0.03
    "By how much the owned model's mean score may be lower."
    alpha: float = 0.05
    "How often each wrong decision may happen, over all looks together."
    min_samples: int = 100
    "Pairs without which nothing is promoted."
    worse_by: Annotated[tuple[str, ...], Parameter(negative=())] = ()
    "A guardrail held against the rented model: NAME=LIMIT, the mean harm it may have more. May be repeated."
    at_most: Annotated[tuple[str, ...], Parameter(negative=())] = ()
    "A guardrail of the owned model alone: NAME=LIMIT, the mean harm it may have. May be repeated."

    def settings(self) -> GateSettings:
        """As the gate takes it. Raises BadSettings."""
        guardrails = [guardrail_flag("worse_by", text) for text in self.worse_by] + [
            guardrail_flag("at_most", text) for text in self.at_most
        ]
        return GateSettings(self.margin, self.alpha, self.min_samples, tuple(guardrails))


_USUAL = Asked()


@app.default
def gate(file: Path, *, asked: Asked = _USUAL, html: Path | None = None, json: bool = False) -> int:
    """Whether the owned model is at most a margin worse than the rented one. Exit code 0: promote, 1: not, 2: bad input.

    Pairs are taken in the order of the file, with a look after each one, and the first decision stands.

    Parameters
    ----------
    file
        JSONL, one request a line: {"owned": 0.9, "rented": 1}, scores from 0 to 1. Optional: "slice": a name, and "guardrails":
        {"errors": {"owned": 0, "rented": 0}}, harms from 0 to 1.
    html
        Write the picture and the evidence as one page to this file.
    json
        Print one JSON object.
    """
    looking = open_gate(asked.settings())
    pairs = _run(looking, file)
    verdict = looking.verdict()
    if html is not None:
        write_whole(html, render_gate(verdict))
        notes.print(f"Written: {html}", soft_wrap=True, highlight=False, markup=False)
    if json:
        emit_json(verdict)
    else:
        _show(verdict, pairs - verdict.samples)
    return 0 if verdict.decision == "promote" else 1


def _run(gate: Gate, file: Path) -> int:
    """How many pairs the file has; it is read to its end, so that a bad line is told wherever it stands."""
    pairs = 0
    for number, pair in read_pairs(file):
        pairs += 1
        try:
            gate.add(pair)
        except BadSettings as error:
            raise BadSettings(f"{file} line {number}: {error.message}") from None
    return pairs


def guardrail_flag(held: Held, text: str) -> Guardrail:
    """A guardrail as a flag states it, NAME=LIMIT. Raises BadSettings."""
    name, _, limit = text.partition("=")
    with suppress(ValueError):
        if name:
            return Guardrail(name, held, float(limit))
    raise BadSettings(f"--{held.replace('_', '-')} is {text!r}; give NAME=LIMIT, such as errors=0.01")


def _show(verdict: Verdict, unused: int) -> None:
    out.print(verdict.reason, style="bold", soft_wrap=True, highlight=False, markup=False)
    if unused:
        out.print(f"The {unused:,} pairs after that were not needed.", highlight=False)
    out.print(chart(verdict))
    table = Table()
    for name in ("question", "found"):
        table.add_column(name, overflow="fold")
    for name in ("pairs", "owned better by", "at least", "at most", "limit"):
        table.add_column(name, justify="right")
    for one in verdict.evidence:
        figures = (points(figure) for figure in (one.mean, one.low, one.high, one.threshold))
        table.add_row(escape(named(one)), one.finding, f"{one.samples:,}", *figures)
    out.print(table)
    out.print(
        f"In points of 100; each end is wrong with probability {verdict.settings.alpha:g} at most, however often one looks."
    )
