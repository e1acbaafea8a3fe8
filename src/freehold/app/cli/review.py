"""`freehold review`: people compare answers without knowing whose they are, and what that says of graders and models."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TextIO

from cyclopts import App, Parameter
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from freehold.app import config_file
from freehold.app.cli.output import emit_json, notes, out
from freehold.app.review_desk import Desk, opened_desk
from freehold.core.errors import BadSettings
from freehold.move.evaluate.pair_file import AnsweredPair, ScoredPair, read_scored
from freehold.move.evaluate.review_file import Review, ReviewFile, ReviewPlan, Said, digest_of, read_reviews
from freehold.move.evaluate.review_plan import Item, choose, left_arm
from freehold.move.evaluate.review_report import ReviewReport, report
from freehold.move.evaluate.sample import Reply

app = App(name="review", help="Compare answers without knowing whose they are, and see how far the graders can be trusted.")

_KEYS = "a: left is better · b: right is better · t: tie · s: skip · q: stop here"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Reading:
    """Who reads, where and why."""

    key: str = "env:FREEHOLD_READER_KEY"
    "Your reader's key, as env:NAME or file:PATH; content.readers has its hash."
    reason: str = "review of graded pairs"
    "Stands in the record of who looked at what."
    config: Annotated[Path, Parameter(alias="-c")] = Path("freehold.yaml")
    "The configuration, for its content store."


_USUAL = Reading()


@app.default
def review(scores: Path, *, size: int = 100, seed: str = "1", reading: Reading = _USUAL) -> int:
    """Show chosen pairs one after the other and write down each verdict; given again, it goes on where it was.

    Pairs come from the content store (`freehold grade --keep-days`); nothing of them is written anywhere else.

    Parameters
    ----------
    scores
        What `freehold grade` wrote. The verdicts go into a file beside it, with .reviews.jsonl for its ending.
    size
        About how many pairs to look at.
    seed
        Of the draws; reviewers with the same one see the same pairs.
    """
    pairs = _unique(scores)
    file = ReviewFile(_reviews_of(scores), ReviewPlan(digest_of(scores), size, seed))
    items = choose(pairs, size, seed)
    with opened_desk(config_file.load(reading.config), reading.key, reading.reason) as desk:
        left = _queue(desk, file, items, sys.stdin)
    out.print(f"{left} left of {len(items)}. Verdicts: {file.path}", highlight=False, soft_wrap=True, markup=False)
    return 0


@app.command(name="report")
def report_(scores: Path, /, *, json: bool = False) -> int:
    """How far reviewers, and graders and reviewers, agree; and how often the owned model wins, with an interval.

    Exit code 1 where a kappa is under 0.6: then the one is no stand-in for the other.

    Parameters
    ----------
    scores
        What `freehold grade` wrote, with its reviews beside it.
    json
        Print one JSON object.
    """
    pairs = _unique(scores)
    plan, reviews = read_reviews(_reviews_of(scores))
    if plan.scores != digest_of(scores):
        raise BadSettings(f"{_reviews_of(scores)} is a review of other scores than {scores} has now")
    found = report(pairs, choose(pairs, plan.size, plan.seed), reviews)
    if json:
        emit_json(found)
    else:
        _print(found)
    return 1 if any(kappa.low for kappa in found.kappas) else 0


def _queue(desk: Desk, file: ReviewFile, items: list[Item], stdin: TextIO) -> int:
    """Ask about each item that this reader has not had; how many are left."""
    reviewer = desk.reader.name
    waiting = [item for item in items if item.id not in file.done(reviewer)]
    for at, item in enumerate(waiting):
        kept = desk.pair(item.content)
        if isinstance(kept, str):
            notes.print(f"{item.id} is passed over: {kept}", highlight=False, soft_wrap=True, markup=False)
            said: Said | None = "skip"
        else:
            left = left_arm(file.plan.seed, item.id, reviewer)
            _show(out, kept, left == "owned", f"{len(items) - len(waiting) + at + 1} of {len(items)}")
            said = _verdict(stdin, left == "owned")
        if said is None:
            return len(waiting) - at
        place = left_arm(file.plan.seed, item.id, reviewer)
        file.add(Review(item.id, reviewer, said, item.probability, place, time.time()))
    return 0


def _verdict(stdin: TextIO, owned_left: bool) -> Said | None:
    """What the next line of input says; None: to stop, as does its end."""
    words: dict[str, Said] = {
        "a": "owned" if owned_left else "rented", "b": "rented" if owned_left else "owned", "t": "tie", "tie": "tie", "s": "skip",
        "skip": "skip",
    }  # fmt: skip
    while True:
        out.print(_KEYS, style="bold", highlight=False)
        line = stdin.readline()
        word = line.strip().lower()
        if not line or word in ("q", "quit"):
            return None
        if word in words:
            return words[word]
        out.print(f"{word!r} is no answer here.", highlight=False, markup=False)


def _show(console: Console, pair: AnsweredPair, owned_left: bool, place: str) -> None:
    """The request, then both answers side by side, without a word of whose they are."""
    owned, rented, reference = pair.replies()
    left, right = (owned, rented) if owned_left else (rented, owned)
    console.rule(place)
    console.print(Panel(escape(_plain(bytes(pair.request).decode(errors="replace"))), title="request", title_align="left"))
    if reference is not None:
        console.print(Panel(escape(_told(reference)), title="known to be right", title_align="left"))
    table = Table("a", "b", expand=True, show_lines=True)
    for column in table.columns:
        column.ratio, column.overflow = 1, "fold"
    table.add_row(escape(_told(left)), escape(_told(right)))
    console.print(table)


def _told(reply: Reply | None) -> str:
    if reply is None:
        return "(no answer)"
    calls = [f"{call.name}({call.arguments})" for call in reply.calls]
    return _plain("\n".join([*([reply.text] if reply.text else []), *calls]) or "(empty)")


def _plain(text: str) -> str:
    """Without signs that could steer a terminal: an answer must not hide or recolour what is beside it."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "\N{REPLACEMENT CHARACTER}" for sign in text)


def _unique(scores: Path) -> list[ScoredPair]:
    """The score file, each id once. Raises BadSettings."""
    pairs: dict[str, ScoredPair] = {}
    for number, pair in read_scored(scores):
        if pairs.setdefault(pair.id, pair) is not pair:
            raise BadSettings(f"{scores}:{number}: the id {pair.id!r} stands here a second time; grade the pairs anew")
    return list(pairs.values())


def _reviews_of(scores: Path) -> Path:
    return scores.with_suffix(".reviews.jsonl")


def _print(found: ReviewReport) -> None:
    out.print(f"{found.reviewed} of {found.chosen} chosen pairs have a verdict, of {found.pairs} in all.", highlight=False)
    if found.skipped:
        out.print(f"{found.skipped} were only skipped; the figures take them to be like the others.", highlight=False)
    table = Table("between", "and", title="Cohen's kappa", title_justify="left")
    table.add_column("pairs", justify="right")
    table.add_column("kappa", justify="right")
    for kappa in found.kappas:
        figure = "-" if kappa.kappa is None else f"{kappa.kappa:.2f}"
        table.add_row(escape(kappa.one), escape(kappa.other), f"{kappa.pairs:,}", f"{figure} (low)" if kappa.low else figure)
    out.print(table)
    if any(kappa.low for kappa in found.kappas):
        out.print(
            "Under 0.6 one is no stand-in for the other: mend the rubric, or the suite, before its scores decide.", style="bold"
        )
    out.print(f"The owned model wins {found.graded_win_rate:.1%} by the graders alone (a tie is half a win).", highlight=False)
    rate = found.win_rate
    if rate is None:
        out.print("Too few verdicts for people's own win rate; give at least 20.", highlight=False)
        return
    out.print(
        f"By people, with the graders' help: {rate.mean:.1%}, from {max(0.0, rate.low):.1%} to {min(1.0, rate.high):.1%} (95 %); "
        f"each verdict counts as {rate.worth:.1f}.",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
