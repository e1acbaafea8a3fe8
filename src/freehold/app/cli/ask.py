"""What `freehold plan` has to ask people: the answers of the checklist that no data holds, as options or at the terminal."""

import datetime as dt
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TextIO

import msgspec
from cyclopts import Parameter
from rich.console import Console

from freehold.core.errors import BadSettings
from freehold.plan.verdict.checklist import PINNED_MONTHS, Evidence, Operator

_LONGEST_PIN = 600
_FORMS = "give held, failed, WORKLOAD=held or WORKLOAD=failed, each with :YYYY-MM-DD where the day is known"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Asked:
    """What only people know. Unset, it is an open question of the checklist, and the answer says so."""

    hard_constraint: bool | None = None
    "A contract or a rule forbids renting anything of this."
    pinned_months: int | None = None
    "For how many months one model must stay the same; 0 for none."
    operations: bool | None = None
    "There are people who can run machines of your own."
    ship_this_week: bool | None = None
    "It has to ship this week."
    product_market_fit: bool | None = None
    "The product has found its market."
    evidence: tuple[str, ...] = ()
    "How the owned model did: held, failed, WORKLOAD=held[:date], WORKLOAD=failed[:date]. May be repeated."
    ask: bool = False
    "Ask at the terminal for what is not answered."


def operator_of(asked: Asked) -> Operator:
    """The answers given as options. Raises BadSettings on months that cannot be."""
    months = asked.pinned_months
    if months is not None and not 0 <= months <= _LONGEST_PIN:
        raise BadSettings(f"--pinned-months is {months}; give a number from 0 to {_LONGEST_PIN}")
    return Operator(
        hard_constraint=asked.hard_constraint,
        pinned_months=months,
        operations=asked.operations,
        ship_this_week=asked.ship_this_week,
        product_market_fit=asked.product_market_fit,
    )


def evidence_of(asked: Asked, workload: str, today: dt.date) -> Evidence | None:
    """What was stated of this workload; a word about it by name goes before one about all. Raises BadSettings."""
    stated: dict[str | None, Evidence] = {}
    for text in asked.evidence:
        about, found = _evidence(text, today)
        if about in stated:
            whose = "every workload" if about is None else f"workload {about}"
            raise BadSettings(f"--evidence speaks twice about {whose}; give one of them")
        stated[about] = found
    return stated.get(workload, stated.get(None))


def check_named(asked: Asked, workloads: Collection[str]) -> None:
    """Raises BadSettings where evidence names a workload that is not planned: it would count for nothing."""
    for text in asked.evidence:
        about, _ = _split(text)
        if about is not None and about not in workloads:
            raise BadSettings(f"--evidence {text}: no workload {about!r} is planned; name one of {', '.join(sorted(workloads))}")


def ask_missing(operator: Operator, stdin: TextIO, console: Console, *, bound: bool = False) -> Operator:
    """Ask what is still open, a question a line; Enter means do not know, end of input leaves the rest open.

    `bound`: the data themselves answer the hard constraint. Raises BadSettings where stdin is no terminal to ask at.
    """
    open_names = [name for name in operator.__struct_fields__ if getattr(operator, name) is None]
    missing = [question for question in _QUESTIONS if question.field in open_names and not (bound and question.of_data)]
    if not missing:
        return operator
    if not stdin.isatty():
        options = ", ".join(f"--{question.field.replace('_', '-')}" for question in missing)
        raise BadSettings(f"--ask needs a terminal, and standard input is none; answer with {options}")
    answers: dict[str, bool | int | None] = {}
    for question in missing:
        line = _line(question, stdin, console)
        while line is not None and line.strip():
            answer = question.read(line)
            if answer is not None:
                answers[question.field] = answer
                break
            console.print(
                f"  {line.strip()!r} is no answer here; {question.hint}.", markup=False, highlight=False, soft_wrap=True
            )
            line = _line(question, stdin, console)
        if line is None:
            break
    return msgspec.structs.replace(operator, **answers)


def _split(text: str) -> tuple[str | None, str]:
    """The workload (None: all) and the word about it. Names may hold '=' themselves."""
    about, equals, word = text.rpartition("=")
    return (about if equals else None), word


def _evidence(text: str, today: dt.date) -> tuple[str | None, Evidence]:
    about, said = _split(text)
    word, colon, day = said.partition(":")
    if word not in ("held", "failed") or about == "":
        raise BadSettings(f"--evidence is {text!r}; {_FORMS}")
    try:
        on = dt.date.fromisoformat(day) if colon else today
    except ValueError:
        raise BadSettings(f"--evidence {text}: {day!r} is no date; {_FORMS}") from None
    if on > today:
        raise BadSettings(f"--evidence {text}: {on} is still to come; give the day on which it was measured")
    origin = "stated with --evidence" if colon else "stated with --evidence, without the day it was measured"
    return about, Evidence(holds=word == "held", samples=None, on=on.isoformat(), source="user", origin=origin)


def _yes_or_no(line: str) -> bool | None:
    return {"y": True, "yes": True, "n": False, "no": False}.get(line.strip().lower())


def _months(line: str) -> int | None:
    text = line.strip().lower()
    if text in ("n", "no"):
        return 0
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= _LONGEST_PIN else None


@dataclass(frozen=True)
class _Question:
    """One question at the terminal. `read` gives None where a line is no answer; `of_data`: the data can answer it."""

    field: str
    words: str
    why: str
    read: Callable[[str], bool | int | None] = _yes_or_no
    hint: str = "y, n, or Enter if you do not know"
    of_data: bool = False


_QUESTIONS = (
    _Question(
        "hard_constraint",
        "Does a contract or a rule forbid renting any of this?",
        "It would settle the answer whatever the money says.",
        of_data=True,
    ),
    _Question(
        "pinned_months",
        "For how many months must one model stay the same?",
        f"From {PINNED_MONTHS} on it tips an undecided answer towards owning.",
        _months,
        f"a number from 0 to {_LONGEST_PIN}, n for none, or Enter if you do not know",
    ),
    _Question("operations", "Are there people who can run machines of your own?", "Without them the answer is rent."),
    _Question("ship_this_week", "Does it have to ship this week?", "Owning takes longer to set up than that."),
    _Question("product_market_fit", "Has the product found its market?", "Before that, volume and task may still change."),
)


def _line(question: _Question, stdin: TextIO, console: Console) -> str | None:
    """What is typed, None at the end of input. Asked on the console, never on standard output's own stream."""
    said = f"{question.words} {question.why} [{question.hint}] "
    console.print(said, end="", markup=False, highlight=False, soft_wrap=True)
    return stdin.readline() or None
