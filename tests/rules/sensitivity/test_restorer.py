"""Placeholders become values again, whole or in pieces, plain or inside JSON, and what stands for nothing stays."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.rules.sensitivity.restorer import Restorer

ORIGINALS = {"<EMAIL_1>": "jo@x.com", "<EMAIL_2>": "an@x.com", "<PASSWORD_1>": 'p"a\\ss\n1', "<US_SSN_12>": "219-09-9999"}
RESTORER = Restorer(ORIGINALS)


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("<EMAIL_1>, <EMAIL_2>", "jo@x.com, an@x.com"),
        ("<EMAIL_3> <email_1> <EMAIL_1", "<EMAIL_3> <email_1> <EMAIL_1"),
        ("<<EMAIL_1>>", "<jo@x.com>"),
        ("<EMAIL_<EMAIL_1>", "<EMAIL_jo@x.com"),
        ("a < b > c <div> <EMAIL_11>", "a < b > c <div> <EMAIL_11>"),
        ("", ""),
    ],
)
def test_text(text: str, back: str) -> None:
    assert RESTORER.text(text) == back


def test_a_document_gets_values_as_json_has_them() -> None:
    assert json.loads(RESTORER.text('{"p": "<PASSWORD_1>"}')) == {"p": ORIGINALS["<PASSWORD_1>"]}
    assert json.loads(RESTORER.text('{"p": "\\u003cPASSWORD_1\\u003E"}')) == {"p": ORIGINALS["<PASSWORD_1>"]}
    assert RESTORER.text('{"p": "\\\\u003cEMAIL_1>"}') == '{"p": "\\\\u003cEMAIL_1>"}', "an escaped backslash, then text"
    assert RESTORER.text("say <PASSWORD_1>") == f"say {ORIGINALS['<PASSWORD_1>']}"


def test_a_whole_answer() -> None:
    call = {"function": {"name": "send", "arguments": '{"to":"<EMAIL_1>","p":"<PASSWORD_1>"}'}}
    message = {"role": "assistant", "content": "Sent to <EMAIL_1>.", "tool_calls": [call]}
    body = json.dumps({"id": "<EMAIL_2>", "choices": [{"index": 0, "message": message}]}).encode()
    after = json.loads(RESTORER.body(body))
    assert after["id"] == "<EMAIL_2>", "an id is no text"
    assert after["choices"][0]["message"]["content"] == "Sent to jo@x.com."
    arguments = json.loads(after["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
    assert arguments == {"to": "jo@x.com", "p": ORIGINALS["<PASSWORD_1>"]}


def test_an_answer_without_placeholders_keeps_its_bytes() -> None:
    body = b'{ "choices" : [ {"message": {"content": "a < b", "n": 1.10}} ] }'
    assert RESTORER.body(body) is body or RESTORER.body(body) == body


pieces = st.lists(
    st.sampled_from(
        [
            *ORIGINALS,
            "<",
            "<E",
            "<EMAIL_",
            ">",
            "\\",
            "\\\\",
            '\\"',
            "\\u",
            "\\u00",
            "\\u003c",
            "\\u003E",
            "EMAIL_1",
            "x",
            " ",
            "{",
            "1",
        ]
    ),
    max_size=14,
).map("".join)


@given(pieces, st.booleans(), st.data())
def test_however_it_is_cut_the_text_is_the_same(text: str, escaped: bool, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    one = RESTORER.piecewise(escaped)
    came = [one.feed(text[start:end]) for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert "".join(came) + one.end() == RESTORER.text(text, escaped)


@given(pieces)
def test_one_character_at_a_time_decides_by_itself(text: str) -> None:
    one = RESTORER.piecewise()
    assert "".join(one.feed(character) for character in text) + one.end() == RESTORER.text(text)


@given(st.text(st.sampled_from("<>EMAIL_1abc"), max_size=400))
def test_no_more_is_held_than_a_placeholder_can_be_long(text: str) -> None:
    one = RESTORER.piecewise()
    for character in text:
        one.feed(character)
        assert len(one.held) <= 80


def test_arguments_that_are_an_object_come_back_whole() -> None:
    """A Messages tool call: what its `input` holds is the model's own, whatever its keys are called."""
    call = {"type": "tool_use", "id": "<EMAIL_1>", "input": {"id": "<EMAIL_1>", "type": "<EMAIL_1>", "<EMAIL_1>": ["<EMAIL_1>"]}}
    restorer = Restorer({"<EMAIL_1>": "jo@clinic.org"})
    said = {"id": "jo@clinic.org", "type": "jo@clinic.org", "jo@clinic.org": ["jo@clinic.org"]}
    assert json.loads(restorer.body(json.dumps(call).encode())) == {"type": "tool_use", "id": "<EMAIL_1>", "input": said}
