"""Each grader on answers that are right, wrong and strange; bounds, symmetry and totality on any."""

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.conversation import Call, Refusal, Text, Thinking
from freehold.core.errors import BadSettings
from freehold.core.said import Choice, Whole
from freehold.move.evaluate.kinds import KINDS
from freehold.move.evaluate.sample import Grader, Reply, Sample, ToolCall, reply_of
from freehold.move.evaluate.text_graders import Answered, Length, Match, Pattern, normalised
from freehold.move.evaluate.text_graders import Refusal as Declined
from freehold.move.evaluate.value_graders import JsonFields, Number, ToolCalls, Valid

REQUEST = msgspec.Raw(b"{}")
texts = st.one_of(st.text(max_size=30), st.floats().map(str), st.integers().map(str))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
calls = st.lists(st.builds(ToolCall, st.sampled_from(["find", "book"]), values.map(json.dumps) | st.text(max_size=4)), max_size=4)
replies = st.builds(Reply, texts | values.map(json.dumps), calls.map(tuple), st.booleans())


def value(grader: Grader, reference: str | Reply, reply: str | Reply) -> float:
    wanted, given_ = (Reply(one) if isinstance(one, str) else one for one in (reference, reply))
    return grader.grade(Sample(request=REQUEST, reference=wanted), given_).value


@pytest.mark.parametrize(
    ("how", "reference", "reply", "score"),
    [
        ("exact", "Billing", "Billing", 1), ("exact", "Billing", "billing", 0), ("exact", "a", "a\n", 0),
        ("normalised", "Billing", ' "billing".\n', 1), ("normalised", "a  b", "A\tB", 1), ("normalised", "Straße", "STRASSE", 1),
        ("normalised", "ﬁne", "fine", 1), ("normalised", "-5", "5", 0), ("normalised", "5%", "5", 0),
        ("normalised", "", "...", 0),
        ("normalised", "yes", "yes, it is", 0),
    ],
)  # fmt: skip
def test_match(how: Any, reference: str, reply: str, score: float) -> None:
    assert value(Match(how), reference, reply) == score


@given(st.text())
def test_what_is_normalised_is_so(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


@pytest.mark.parametrize(
    ("grader", "reply", "score"),
    [
        (Pattern(r"^\d+$"), "42", 1), (Pattern("b"), "abc", 1), (Pattern("b", whole=True), "abc", 0),
        (Pattern("abc", whole=True), "abc", 1), (Pattern("b", occurs=False), "abc", 0), (Pattern("x", occurs=False), "abc", 1),
        (Length(at_most=3), "abc", 1), (Length(at_most=3), "abcd", 0), (Length(2, 3, "words"), "one two", 1),
        (Length(2, 3, "words"), "one", 0), (Length(at_least=1), "", 0),
        (Answered(), "", 0), (Answered(), " \n", 0), (Answered(), "x", 1), (Answered(), Reply("x", stop="length"), 0),
        (Answered(), Reply(calls=(ToolCall("f"),)), 1),
        (Declined(), "Sure: 4", 1), (Declined(), "I’m sorry, but I can't help with that.", 0),
        (Declined(), "I cannot do that.", 0),
        (Declined(), "Unfortunately, I am unable to say.", 0), (Declined(), "Sorry to hear that! Your refund is on its way.", 1),
        (Declined(), "Tell them 'I cannot come' and leave.", 1), (Declined(), Reply("no", refused=True), 0),
        (Declined(), Reply("", stop="refused"), 0), (Declined(wanted=True), "I won't.", 1), (Declined(wanted=True), "Sure", 0),
        (Declined(), Reply("I can't see it, looking.", (ToolCall("find"),)), 1),
        (Declined(phrases=("Das kann ich nicht",)), "Das kann ich nicht.", 0),
        (Valid({"type": "integer"}), "3", 1), (Valid({"type": "integer"}), "3.5", 0), (Valid({}), "no", 0),
        (Valid({}), "```json\n{}\n```", 0), (Valid({}, fenced=True), "```json\n{}\n```", 1),
    ],
)  # fmt: skip
def test_graders_that_need_no_reference(grader: Grader, reply: str | Reply, score: float) -> None:
    answer = Reply(reply) if isinstance(reply, str) else reply
    assert grader.grade(Sample(request=REQUEST), answer).value == score


@pytest.mark.parametrize(
    ("grader", "reference", "reply", "score", "why"),
    [
        (JsonFields(), '{"a":1,"b":2}', '{"b":2.0,"a":1}', 1, "2 of 2"), (JsonFields(), '{"a":1}', '{"a":true}', 0, "0 of 1"),
        (JsonFields(), '{"a":1}', '{"a":1,"b":0}', 0.5, "1 of 2"), (JsonFields(), "{}", "{}", 1, "0 of 0"),
        (JsonFields(), "[1,2]", "[1, 2.0]", 1, "same"), (JsonFields(), "[1,2]", "[2,1]", 0, "other"),
        (JsonFields(), '{"a":1}', 'The answer: {"a":1}', 0, "not JSON"), (JsonFields(), "{}", '{"a":NaN}', 0, "not JSON"),
        (JsonFields({"a": 3, "b": 1}), '{"a":1,"b":2}', '{"a":1}', 0.75, "differ: b"),
        (JsonFields({"a": 3, "b": 1}), '{"a":1}', '{"a":1,"z":5}', 1, "all 2"),
        (JsonFields({"a.b": 1}), '{"a":{"b":[1]}}', '{"a":{"b":[1.0],"c":2}}', 1, "all 1"),
        (JsonFields({"a": 0.1, "b": 0.2, "c": 0.3}), '{"a":1,"b":1,"c":1}', "{}", 0, "differ: a, b, c"),
        (JsonFields(schema={"required": ["b"]}), '{"a":1}', '{"a":1}', 0, "schema: b is missing"),
        (JsonFields(fenced=True), '{"a":1}', '```json\n{"a":1}\n```\n', 1, "1 of 1"),
    ],
)  # fmt: skip
def test_json_fields(grader: JsonFields, reference: str, reply: str, score: float, why: str) -> None:
    found = grader.grade(Sample(request=REQUEST, reference=Reply(reference)), Reply(reply))
    assert found.value == pytest.approx(score, abs=1e-12)
    assert why in found.evidence


@pytest.mark.parametrize(
    ("grader", "reference", "reply", "score"),
    [
        (Number(), "42", "The answer is 42.", 1), (Number(), "42", "first 41, so 42", 1), (Number(), "42", "42 of 50", 0),
        (Number(), "1234.5", "$1,234.50", 1), (Number(), "-3", "−3", 1), (Number(), "5", "-5", 0), (Number(), "1", "none", 0),
        (Number(absolute=0.5), "10", "10.5", 1), (Number(absolute=0.5), "10", "10.6", 0), (Number(relative=0.1), "100", "91", 1),
        (Number(relative=0.1), "100", "89", 0), (Number(where="whole"), "7", "7", 1), (Number(where="whole"), "7", "it is 7", 0),
        (Number(), "1e3", "1000", 1), (Number(), "1", "1" * 500, 0), (Number(), "12", "1,2", 0),
    ],
)  # fmt: skip
def test_numbers(grader: Number, reference: str, reply: str, score: float) -> None:
    assert value(grader, reference, reply) == score


FIND, BOOK = ToolCall("find", '{"city":"Oslo","n":1}'), ToolCall("book", "{}")


@pytest.mark.parametrize(
    ("grader", "given_", "score"),
    [
        (ToolCalls(), (BOOK, FIND), 1), (ToolCalls(), (ToolCall("find", '{"n": 1.0, "city": "Oslo"}'), BOOK), 1),
        (ToolCalls(), (FIND, ToolCall("book")), 1), (ToolCalls(), (FIND,), 0), (ToolCalls(), (FIND, FIND), 0), (ToolCalls(),
        (), 0),
        (ToolCalls(), (FIND, BOOK, BOOK), 0), (ToolCalls(ordered=True), (BOOK, FIND), 0), (ToolCalls(ordered=True),
        (FIND, BOOK), 1),
        (ToolCalls(partial=True), (FIND,), 0.5), (ToolCalls(partial=True), (FIND, BOOK, BOOK), 2 / 3),
        (ToolCalls(), (FIND, ToolCall("book", "{")), 0),
    ],
)  # fmt: skip
def test_tool_calls(grader: ToolCalls, given_: tuple[ToolCall, ...], score: float) -> None:
    assert value(grader, Reply(calls=(FIND, BOOK)), Reply("words do not count", given_)) == pytest.approx(score)


def test_no_call_is_the_same_as_no_call() -> None:
    assert value(ToolCalls(), "a", "b") == 1
    assert value(ToolCalls(), "a", Reply(calls=(BOOK,))) == 0


SYMMETRIC = [
    Match("exact"),
    Match(),
    Number(),
    Number(0.3),
    Number(relative=0.2),
    ToolCalls(),
    ToolCalls(partial=True),
    JsonFields(),
]


@pytest.mark.parametrize("grader", SYMMETRIC, ids=lambda grader: type(grader).__name__)
@given(replies, replies)
def test_reference_and_answer_may_change_places(grader: Grader, one: Reply, other: Reply) -> None:
    try:
        there, back = value(grader, one, other), value(grader, other, one)
    except ValueError:  # a reference that the grader cannot use
        return
    assert there == back
    assert 0 <= there <= 1


ALL = [*SYMMETRIC, JsonFields({"a": 2, "b.c": 1}), Valid({"type": "object"}), Pattern("a+"), Length(1, 5), Declined(), Answered(),
       Number(where="whole"), ToolCalls(ordered=True, partial=True)]  # fmt: skip


@pytest.mark.parametrize("grader", ALL, ids=lambda grader: type(grader).__name__)
@given(replies)
def test_an_answer_is_as_good_as_itself_and_no_answer_breaks_a_grader(grader: Grader, reply: Reply) -> None:
    found = grader.grade(Sample(request=REQUEST, reference=Reply("1")), reply)
    assert 0 <= found.value <= 1
    if grader.needs_reference:
        try:
            itself = value(grader, reply, reply)
        except ValueError:
            return
        unreadable = [call for call in reply.calls if value(ToolCalls(), Reply(calls=(call,)), Reply(calls=(call,))) < 1]
        assert itself == 1 or (isinstance(grader, ToolCalls) and unreadable)


def test_every_kind_is_a_grader_and_known_by_one_name() -> None:
    assert {type(grader).__name__ for grader in ALL} == {kind.__name__ for kind in KINDS.values()}
    assert len(set(KINDS.values())) == len(KINDS)


@pytest.mark.parametrize("grader", [Match(), JsonFields(), Number(), ToolCalls()])
def test_a_missing_reference_is_an_error_not_a_score(grader: Grader) -> None:
    with pytest.raises(ValueError, match="no reference"):
        grader.grade(Sample(request=REQUEST), Reply("x"))


@pytest.mark.parametrize(("grader", "said"), [(JsonFields(), "not JSON"), (Number(), "no number")])
def test_a_reference_that_cannot_be_used_is_an_error(grader: Grader, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        value(grader, "words", "words")


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        (Length, {}, "give one of them"), (Length, {"at_least": 5, "at_most": 2}, "give a range"),
        (Pattern, {"pattern": "("}, "RE2"),
        (JsonFields, {"fields": {"a": 0}}, "weight above 0"), (Number, {"relative": 1.0}, "tolerances"),
        (Number, {"absolute": float("inf")}, "tolerances"), (Valid, {"schema": {"typ": "object"}}, "this keyword is not known"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(kind: Any, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        kind(**fields)


def test_an_answer_in_no_dialect_is_read_without_its_thinking() -> None:
    parts = (Thinking("hm"), Text("Two "), Text("texts"), Call("1", "find", "{}"))
    whole = Whole(id="", model="m", choices=(Choice(parts=parts, stop="calls"),))
    assert reply_of(whole) == Reply("Two texts", (ToolCall("find", "{}"),), False, "calls")
    declined = Whole(id="", model="m", choices=(Choice(parts=(Refusal("No."),), stop="refused"),))
    assert reply_of(declined) == Reply("No.", (), True, "refused")
    assert reply_of(Whole(id="", model="m", choices=())) == Reply()


@pytest.mark.parametrize("sign", [".", ". "])
def test_an_answer_of_nothing_but_signs_is_read_at_once(sign: str) -> None:
    text = sign * (2**22 // len(sign))
    begun = time.process_time()
    assert normalised(f"{text}a{text}").strip() == "a"
    assert time.process_time() - begun < 2
