"""A migration in the terminal: one table of all, and one live picture with the bounds closing on the margin."""

import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from freehold.app.cli.gate_chart import chart
from freehold.app.cli.output import out
from freehold.app.migration_log import follow
from freehold.app.migration_view import Judging, Standing, standing
from freehold.core.assignment import Stage
from freehold.core.money import show
from freehold.move.migration.progress import Migration, Progress
from freehold.move.migration.verdict import named, points
from freehold.serve.stores.migrations import MigrationStore
from freehold.serve.stores.place import LedgerPlace

_EVERY_S = 1.0  # a gateway looks no oftener
_WAY: tuple[Stage, ...] = ("draft", "shadow", "canary", "live")
_STYLE: dict[Stage, str] = {"live": "bold green", "rolled_back": "bold red", "paused": "bold yellow"}


def status_table(found: Sequence[Standing]) -> Table:
    """A row for each."""
    table = Table("workload", "to", "stage", "share")
    for name in ("pairs", "candidate better by", "at least", "at most", "margin", "copies cost"):
        table.add_column(name, justify="right")
    table.add_column("expected")
    for one in found:
        last = one.verdict.sequence[-1] if one.verdict.sequence else None
        share = one.step_name if one.stage == "canary" and one.step_name is not None else f"{one.share:.0%}"
        bounds = ["-"] * 3 if last is None else [points(last.mean), points(last.low), points(last.high)]
        table.add_row(
            escape(one.workload), escape(one.target), Text(one.stage, _STYLE.get(one.stage, "")), share,
            f"{one.pairs:,}", *bounds, points(-one.settings.gate.margin), show(one.cost_nanousd, 4), _in(one.expected_s),
        )  # fmt: skip
    return table


def picture(one: Standing) -> RenderableType:
    """The way it goes, the chart, what was found of each guardrail, and money."""
    parts: list[RenderableType] = [_way(one), Text(one.reason)]
    if one.recorded is not None and one.recorded.total:
        bar = ProgressBar(total=one.recorded.total, completed=one.recorded.done, width=40)
        parts.append(Columns([Text("recorded requests"), bar, Text(f"{one.recorded.done:,} of {one.recorded.total:,}")]))
    if one.verdict.sequence:
        parts.append(chart(one.verdict))
    table = Table("question", "found", box=None)
    for name in ("seen", "candidate", "limit"):
        table.add_column(name, justify="right")
    for found in one.verdict.evidence:
        table.add_row(escape(named(found)), found.finding, f"{found.samples:,}", points(found.mean), points(found.threshold))
    for guarded in one.guard if one.step >= 0 else ():
        finding = "broken" if guarded.broken else "holds" if guarded.holds else "open"
        table.add_row(f"canary: {guarded.name}", finding, f"{guarded.requests:,}", points(-guarded.mean), points(-guarded.limit))
    parts.append(table)
    parts += [Text(line) for line in _graded(one)]
    parts.append(Text(f"Copies cost {show(one.cost_nanousd, 4)} so far, {show(one.settings.day_nanousd)} a day at most. "
                      f"Live in about: {_in(one.expected_s)}"))  # fmt: skip
    return Panel(Group(*parts), title=escape(f"{one.workload} to {one.target}"), title_align="left")


def _graded(one: Standing) -> Iterator[str]:
    """By what, and what could not be."""
    if one.suite is not None:
        yield f"Graded by suite {one.suite}."
    if one.judge is not None:
        yield _judged(one.judge)
    if one.unscored:
        yield f"Counted for neither: {', '.join(f'{count:,} {why}' for why, count in one.unscored.items())}."


def _judged(judge: Judging) -> str:
    checked = judge.checked
    if checked is None:
        return "The judge is being held to null answers."
    lost = checked.canaries - checked.won - checked.tied
    told = f"Judge {checked.target}: {lost} of {checked.canaries} null answers lost"
    if not checked.fit:
        return f"{told}, so it is asked nothing more."
    told += f" · {judge.pairs:,} pairs · {judge.turned:,} verdicts turned with the order · {show(judge.cost_nanousd, 4)}"
    if judge.longer_preferred is not None:
        told += f" · the longer answer won {judge.longer_preferred:.0%} of the decided"
    return told


def watch_live(ledger: LedgerPlace, one: Migration, *, until_over: bool, json: bool) -> int:
    """Look again and again until Ctrl-C, or until it is over where that is asked. The exit code: 1 where it was rolled back."""
    fold, store = Progress(one), MigrationStore(ledger)
    try:
        if json or not out.is_terminal:
            for now in _looks(fold, store, until_over=until_over):
                _print(now, json)
        else:
            with Live(console=out, auto_refresh=False) as live:
                for now in _looks(fold, store, until_over=until_over):
                    live.update(picture(now), refresh=True)
    except KeyboardInterrupt:
        pass  # how a person ends it
    return int(fold.state.stage == "rolled_back")


def _looks(fold: Progress, store: MigrationStore, *, until_over: bool) -> Iterator[Standing]:
    follow(fold, store)
    yield standing(fold)
    while not (until_over and fold.state.over):
        time.sleep(_EVERY_S)
        follow(fold, store)
        yield standing(fold)


def moment(unix_s: float) -> str:
    """In UTC, for people."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _print(now: Standing, json: bool) -> None:
    if json:
        sys.stdout.write(msgspec.json.encode(now).decode() + "\n")
        sys.stdout.flush()
    else:
        out.print(picture(now))


def _way(one: Standing) -> Text:
    text = Text()
    at = one.stage if one.stage in _WAY else None
    for place, stage in enumerate(_WAY):
        text.append(" → " if place else "")
        steps = ""
        if stage == "canary":
            names = [one.settings.step_name(n) for n in range(len(one.settings.shares))]
            steps = " " + " ".join(f"[{name}]" if at == "canary" and n == one.step else name for n, name in enumerate(names))
        text.append(f"{stage}{steps}", style="bold reverse" if stage == at else "dim")
    if at is None:
        text.append(f"   {one.stage.replace('_', ' ')}", style=_STYLE[one.stage])
    return text


def _in(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
