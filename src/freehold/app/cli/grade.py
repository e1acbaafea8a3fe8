"""`freehold grade`: run a suite over pairs of answers, and write the scores that `freehold gate` reads."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from cyclopts import App, Parameter
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from freehold.app import config_file
from freehold.app.cli.output import emit_json, notes, out
from freehold.app.credentials import secret_at
from freehold.app.grading import Grading, Task, ids, mark_pair, with_judge, without_judge
from freehold.app.judge_dispatcher import GatewayDispatcher
from freehold.app.review_desk import keep_pairs
from freehold.core.data import Handling
from freehold.core.errors import BadSettings
from freehold.core.money import show
from freehold.move.evaluate.judge import Judge
from freehold.move.evaluate.pair_file import read_answered
from freehold.move.evaluate.suite import JUDGE, Suite
from freehold.move.evaluate.suite_file import read_suite
from freehold.serve.transport.direct import DirectOutbound
from freehold.serve.transport.ways import is_loopback

app = App(name="grade", help="Run a suite of graders over pairs of answers, and write the scores that the gate reads.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Asking:
    """How the judge is asked, where the suite has one, and what is kept for review."""

    gateway: str = "http://127.0.0.1:8400"
    "The gateway through which the judge is asked; it keeps the constraints."
    key: str = "env:FREEHOLD_KEY"
    "The key for it, as env:NAME or file:PATH."
    data: str = "restricted"
    "The data class of the pairs, with regions and labels, as in the header x-freehold-data."
    at_once: int = 4
    "Pairs that the judge is asked about at once."
    keep_days: float | None = None
    "Keep the pairs in the content store for so many days, so that they can be reviewed."
    config: Annotated[Path, Parameter(alias="-c")] = Path("freehold.yaml")
    "The configuration, for its content store."

    def handling(self) -> Handling:
        """Raises BadSettings."""
        try:
            return Handling.parse(self.data)
        except ValueError as error:
            raise BadSettings(f"--data: {error}") from None


_USUAL = Asking()


@app.default
def grade(
    suite: Path,
    *,
    pairs: Path,
    out_file: Annotated[Path | None, Parameter(name="--out")] = None,
    asking: Asking = _USUAL,
    json: bool = False,
) -> int:
    """Score both answers of every pair. Exit code 0: done, 1: the judge is not to be trusted or nothing was scored, 2: bad input.

    Parameters
    ----------
    suite
        The suite, YAML.
    pairs
        JSONL, one request a line: {"request": ..., "owned": "...", "rented": "...", "reference": "..."}.
    out_file
        Where the scores go; else beside the pairs, with .scores.jsonl for its ending.
    json
        Print one JSON object.
    """
    read = read_suite(suite)
    handling = asking.handling()
    tasks = _tasks(read, pairs)
    target = out_file or pairs.with_suffix(".scores.jsonl")
    if asking.keep_days is not None:
        _keep(asking, tasks, read, handling)
    graded, cost_nanousd = (without_judge(read, tasks), 0) if read.judge is None else _judged(read, tasks, asking)
    if graded.lines:
        _write(target, graded)
    if json:
        emit_json(_summary(read, graded, cost_nanousd, target))
    else:
        _print(read, graded, cost_nanousd, target)
    return 0 if graded.lines else 1


def _tasks(suite: Suite, path: Path) -> list[Task]:
    """Every pair with the graders' marks. Raises BadSettings with the line."""
    numbered = list(read_answered(path))
    try:
        names = ids(numbered)
    except ValueError as error:
        raise BadSettings(f"{path}: {error}") from None
    tasks: list[Task] = []
    with _bar("graders", len(numbered)) as done:
        for number, pair in numbered:
            try:
                tasks.append(mark_pair(suite, names[number], pair))
            except ValueError as error:
                raise BadSettings(f"{path}:{number}: {error}") from None
            done()
    return tasks


def _judged(suite: Suite, tasks: list[Task], asking: Asking) -> tuple[Grading, int]:
    """The scores, and what the judge cost."""
    if asking.at_once < 1:
        raise BadSettings(f"--at-once is {asking.at_once}; use 1 or more")
    parts = urlsplit(asking.gateway)
    if not (parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname)))):
        raise BadSettings(f"--gateway is {asking.gateway!r}; use https, or http to this machine, such as http://127.0.0.1:8400")
    try:
        key = secret_at(asking.key)
    except ValueError as error:
        raise BadSettings(f"--key: {error}") from None

    async def ask(done: Callable[[], None]) -> tuple[Grading, int]:
        async with DirectOutbound() as outbound:
            dispatcher = GatewayDispatcher(outbound, asking.gateway, key, asking.data)
            assert suite.judge is not None
            graded = await with_judge(suite, tasks, Judge(suite.judge, dispatcher), asking.at_once, done)
            return graded, dispatcher.cost_nanousd

    with _bar("judge", len(tasks)) as done:
        return asyncio.run(ask(done))


def _keep(asking: Asking, tasks: list[Task], suite: Suite, handling: Handling) -> None:
    assert asking.keep_days is not None
    if not 0 < asking.keep_days <= 36_500:
        raise BadSettings(f"--keep-days is {asking.keep_days:g}; give days above 0, up to 36500")
    kept = keep_pairs(config_file.load(asking.config), [task.pair for task in tasks], suite.workload, handling, asking.keep_days)
    notes.print(f"{kept:,} pairs kept for review, for {asking.keep_days:g} days", highlight=False)


def _write(path: Path, graded: Grading) -> None:
    """Whole or not at all. Raises BadSettings."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.writelines(msgspec.json.encode(line) + b"\n" for line in graded.lines)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise BadSettings(f"cannot write {path}: {error.strerror}; give a file in an existing folder with room") from None


def _summary(suite: Suite, graded: Grading, cost_nanousd: int, path: Path) -> dict[str, object]:
    owned, rented = graded.overall()
    return {
        "workload": suite.workload, "suite": suite.digest, "pairs": len(graded.lines), "left_out": graded.left_out,
        "owned": owned, "rented": rented,
        "graders": {name: {"owned": means[0], "rented": means[1]} for name, means in graded.means().items()},
        "judge": graded.judge, "judge_cost_nanousd": cost_nanousd, "scores": str(path) if graded.lines else None,
    }  # fmt: skip


def _print(suite: Suite, graded: Grading, cost_nanousd: int, path: Path) -> None:
    table = Table("grader", "weight", title=f"{escape(suite.workload)}, suite {suite.digest}", title_justify="left")
    for name in ("owned", "rented", "owned better by"):
        table.add_column(name, justify="right")
    weights = {one.name: "guardrail" if one.guardrail else f"{one.weight:g}" for one in suite.graders}
    if suite.judge is not None:
        weights[JUDGE] = f"{suite.judge.weight:g}"
    for name, (owned, rented) in graded.means().items():
        table.add_row(escape(name), weights[name], *_figures(owned, rented))
    table.add_section()
    table.add_row("all", "", *_figures(*graded.overall()))
    out.print(table)
    if graded.judge is not None:
        _print_judge(graded, cost_nanousd)
    for reason, count in graded.left_out.items():
        out.print(f"{count:,} left out: {escape(reason)}", highlight=False, soft_wrap=True)
    if graded.lines:
        told = f"{len(graded.lines):,} pairs scored: {path}\nNow: freehold gate {path}"
        out.print(told, highlight=False, soft_wrap=True, markup=False)


def _print_judge(graded: Grading, cost_nanousd: int) -> None:
    judge = graded.judge
    assert judge is not None
    told = f"Judge {judge.target}: {judge.canaries - judge.won - judge.tied} of {judge.canaries} null answers lost · "
    told += f"{judge.turned:,} verdicts turned with the order · {show(cost_nanousd, 6)}"
    if judge.longer_preferred is not None:
        told += f" · the longer answer won {judge.longer_preferred:.0%} of the decided"
    out.print(told, highlight=False, soft_wrap=True, markup=False)
    if not judge.fit:
        told = "A judge to whom an answer worth nothing does not lose is none: no scores were written."
        out.print(told, style="bold", highlight=False, soft_wrap=True)


def _figures(owned: float, rented: float) -> tuple[str, str, str]:
    return f"{owned:.4f}", f"{rented:.4f}", f"{owned - rented:+.4f}"


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr, where that is a terminal; what it gives counts one more as done."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes, disable=not notes.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)
