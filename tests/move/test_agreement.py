"""How far two answers agree: by fields, by calls, by words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.conversation import Call, Refusal, Text
from freehold.core.request import Request
from freehold.core.said import Choice, Whole
from freehold.move.migration.agreement import Agreement, agreement

REQUEST = Request(dialect="openai_chat", model="w", fields={})


def said(*parts: str | Text | Call | Refusal) -> Whole:
    choice = Choice(parts=tuple(Text(part) if isinstance(part, str) else part for part in parts), stop="end")
    return Whole(id="1", model="m", choices=(choice,))


def call(name: str, arguments: str) -> Call:
    return Call("id", name, arguments)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (said('{"label": "bug"}'), said('{"label":"Bug "}'), 1.0),
        (said('{"label": "bug"}'), said('{"label": "login"}'), 0.0),
        (said('{"a": 1, "b": 2}'), said('{"b": 2.0, "a": 3}'), 0.5),
        (said('{"a": 1}'), said('{"a": true}'), 0.0),
        (said('{"a": null}'), said("{}"), 0.0),
        (said("{}"), said("{ }"), 1.0),
        (said('{"a": 1, "b": 1, "c": 1}'), said('{"a": 1}'), 1 / 3),
        (said("The  answer"), said("the answer "), 1.0),
        (said('{"label": "bug"}'), said("bug"), 0.0),
        (said(call("f", '{"a": 1, "b": 2}')), said(call("f", '{"b":2,"a":1}')), 1.0),
        (said(call("f", "1"), call("g", "2")), said(call("g", "2"), call("f", "1")), 1.0),
        (said(call("f", "1")), said(call("f", "1"), call("f", "1")), 0.5),
        (said(call("f", "1")), said("f(1)"), 0.0),
        (said(Refusal("no")), said(Refusal("never")), 1.0),
        (said(Refusal("no")), said("yes"), 0.0),
        (Whole(id="", model="", choices=()), said("yes"), 0.0),
    ],
)
def test_agreement(one: Whole, other: Whole, expected: float) -> None:
    assert agreement(one, other) == agreement(other, one) == expected


@given(st.text() | st.dictionaries(st.text(), st.integers() | st.text()).map(str), st.text())
def test_it_is_symmetric_bounded_and_an_answer_agrees_with_itself(one: str, other: str) -> None:
    assert agreement(said(one), said(one)) == 1.0
    assert 0.0 <= agreement(said(one), said(other)) == agreement(said(other), said(one)) <= 1.0


def test_the_slice_is_the_incumbents_field() -> None:
    grader = Agreement("label")
    graded = grader.grade(REQUEST, said('{"label": "login"}'), said('{"label": "bug"}'))
    assert (graded.candidate, graded.incumbent, graded.slice) == (0.0, 1.0, "bug")
    assert grader.grade(REQUEST, said("x"), said('{"label": 3}')).slice is None
    assert Agreement().grade(REQUEST, said("x"), said('{"label": "bug"}')).slice is None
