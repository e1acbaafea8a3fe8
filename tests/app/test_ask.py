"""The checklist's questions to people: as options, and at a real pseudo-terminal."""

import datetime as dt
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest
from cyclopts import App
from rich.console import Console

from freehold.app.cli.ask import Asked, ask_missing, check_named, evidence_of, operator_of
from freehold.core.errors import BadSettings
from freehold.plan.verdict.checklist import Operator

TODAY = dt.date(2026, 11, 21)
UNASKED, NOTHING = Asked(), Operator()
ALL_KNOWN = Operator(hard_constraint=False, pinned_months=0, operations=True, ship_this_week=False, product_market_fit=True)


def parsed(*options: str) -> Asked:
    """The options as the command line reads them."""
    app = App()

    @app.default
    def command(asked: Asked = UNASKED) -> Asked:
        return asked

    found = app(options, exit_on_error=False, print_error=False, result_action="return_value")
    assert isinstance(found, Asked)
    return found


@contextmanager
def terminal(typed: str) -> Iterator[TextIO]:
    """Standard input as a terminal on which this was typed."""
    keyboard, screen = os.openpty()
    try:
        os.write(keyboard, typed.encode())
        with os.fdopen(screen, encoding="utf-8") as stream:
            yield stream
    finally:
        os.close(keyboard)


def asked_at_terminal(typed: str, operator: Operator = NOTHING, *, bound: bool = False) -> tuple[Operator, str]:
    shown = Console(file=io.StringIO(), width=200)
    with terminal(typed) as stdin:
        answered = ask_missing(operator, stdin, shown, bound=bound)
    assert isinstance(shown.file, io.StringIO)
    return answered, shown.file.getvalue()


def test_options_answer_and_what_is_not_given_stays_open() -> None:
    assert operator_of(parsed()) == Operator()
    asked = parsed("--no-hard-constraint", "--pinned-months", "0", "--operations", "--no-ship-this-week", "--product-market-fit")
    assert operator_of(asked) == ALL_KNOWN
    assert operator_of(parsed("--hard-constraint", "--no-operations")) == Operator(hard_constraint=True, operations=False)
    assert not parsed().ask
    assert parsed("--ask").ask


@pytest.mark.parametrize("months", [-1, 601])
def test_months_that_cannot_be_are_refused(months: int) -> None:
    with pytest.raises(BadSettings, match=f"--pinned-months is {months}; give a number from 0 to 600"):
        operator_of(Asked(pinned_months=months))


def test_evidence_is_stated_for_all_or_for_one_workload_and_the_name_goes_first() -> None:
    asked = parsed("--evidence", "held", "--evidence", "chat=failed:2026-11-02", "--evidence", "a=b=held")
    chat, other, odd = (evidence_of(asked, name, TODAY) for name in ("chat", "other", "a=b"))
    assert chat is not None
    assert other is not None
    assert odd is not None
    assert (chat.holds, chat.on, chat.source, chat.samples) == (False, "2026-11-02", "user", None)
    assert (other.holds, other.on) == (True, "2026-11-21")
    assert "without the day" in other.origin
    assert odd.holds
    assert evidence_of(parsed("--evidence", "chat=held"), "other", TODAY) is None
    assert evidence_of(parsed(), "chat", TODAY) is None


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (("good",), "--evidence is 'good'; give held, failed"),
        (("",), "--evidence is ''; give held, failed"),
        (("=held",), "--evidence is '=held'; give held, failed"),
        (("chat=Held",), "--evidence is 'chat=Held'; give held"),
        (("chat=held:yesterday",), "'yesterday' is no date"),
        (("held:",), "'' is no date"),
        (("held:2026-11-22",), "2026-11-22 is still to come"),
        (("held", "failed"), "speaks twice about every workload"),
        (("a=held", "a=failed"), "speaks twice about workload a"),
    ],
)
def test_evidence_that_cannot_be_used_is_refused_in_one_line(texts: tuple[str, ...], words: str) -> None:
    with pytest.raises(BadSettings) as raised:
        evidence_of(Asked(evidence=texts), "anything", TODAY)
    assert words in raised.value.message
    assert "\n" not in raised.value.message


def test_evidence_about_a_workload_that_is_not_planned_is_refused() -> None:
    asked = Asked(evidence=("held", "chta=held"))
    with pytest.raises(BadSettings, match="no workload 'chta' is planned; name one of chat, mail"):
        check_named(asked, ["mail", "chat"])
    check_named(asked, ["chta"])


def test_the_terminal_asks_everything_that_is_open_once_with_its_reason() -> None:
    answered, shown = asked_at_terminal("n\n0\nY\nno\nyes\n")
    assert answered == ALL_KNOWN
    assert shown.count("?") == 5
    assert "It would settle the answer whatever the money says." in shown


def test_the_terminal_asks_only_what_neither_options_nor_data_answer() -> None:
    given = Operator(operations=False, ship_this_week=False)
    answered, shown = asked_at_terminal("18\ny\n", given, bound=True)
    assert answered == Operator(pinned_months=18, operations=False, ship_this_week=False, product_market_fit=True)
    assert shown.count("?") == 2
    assert "contract" not in shown


def test_enter_leaves_a_question_open_and_nonsense_is_asked_again() -> None:
    answered, shown = asked_at_terminal("\nforever\n601\nn\n maybe [b]\ny\n\n\n")
    assert answered == Operator(pinned_months=0, operations=True)
    assert "'forever' is no answer here; a number from 0 to 600" in shown
    assert "'maybe [b]' is no answer here; y, n, or Enter" in shown


def test_the_end_of_input_leaves_the_rest_open() -> None:
    answered, _ = asked_at_terminal("y\n\x04")
    assert answered == Operator(hard_constraint=True)
    answered, _ = asked_at_terminal("y\nforever\n\x04")
    assert answered == Operator(hard_constraint=True)


def test_without_a_terminal_it_refuses_instead_of_waiting() -> None:
    with pytest.raises(BadSettings) as raised:
        ask_missing(Operator(hard_constraint=False, operations=True), io.StringIO("y\n"), Console(file=io.StringIO()))
    assert raised.value.message == (
        "--ask needs a terminal, and standard input is none; answer with --pinned-months, --ship-this-week, --product-market-fit"
    )


def test_nothing_open_needs_no_terminal() -> None:
    assert ask_missing(ALL_KNOWN, io.StringIO(), Console(file=io.StringIO())) == ALL_KNOWN
    bound = Operator(pinned_months=0, operations=True, ship_this_week=False, product_market_fit=True)
    assert ask_missing(bound, io.StringIO(), Console(file=io.StringIO()), bound=True) == bound
