"""What leaves holds placeholders, never the values, and the answer gets every value back."""

import json
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.rules.sensitivity.kinds import shipped_kinds
from freehold.rules.sensitivity.redactor import Redactor
from freehold.rules.sensitivity.scanner import Scanner
from freehold.wire.content import Fields, texts

EVERY = ("pii", "phi", "pci", "secret")


@cache
def scanner() -> Scanner:
    return Scanner(shipped_kinds())


def said(*contents: str) -> Fields:
    messages = [{"role": "user", "content": content} for content in contents]
    return {"model": msgspec.Raw(b'"m"'), "messages": msgspec.Raw(json.dumps(messages).encode())}


def contents(fields: Fields) -> list[Any]:
    return [message["content"] for message in json.loads(bytes(fields["messages"]))]


def redacted(*texts: str, labels: tuple[str, ...] = EVERY) -> list[Any]:
    return contents(Redactor(scanner(), labels).redact(said(*texts)))


def test_the_same_value_has_the_same_placeholder_everywhere() -> None:
    assert redacted("jo@x.com and an@x.com", "an@x.com, card 4012 8888 8888 1881") == [
        "<EMAIL_1> and <EMAIL_2>",
        "<EMAIL_2>, card <PAYMENT_CARD_1>",
    ]


def test_only_the_labels_asked_for() -> None:
    assert redacted("jo@x.com 4012 8888 8888 1881", labels=("pci",)) == ["jo@x.com <PAYMENT_CARD_1>"]


def test_nothing_found_changes_no_byte() -> None:
    fields = said("What is a monad?")
    assert Redactor(scanner(), EVERY).redact(fields) == fields


def test_text_that_looks_like_a_placeholder_keeps_its_name() -> None:
    redactor = Redactor(scanner(), EVERY)
    assert contents(redactor.redact(said("jo@x.com", "<EMAIL_1> \\u003cEMAIL_2\\u003e"))) == [
        "<EMAIL_3>",
        "<EMAIL_1> \\u003cEMAIL_2\\u003e",
    ]
    assert redactor.restorer().text("<EMAIL_1> is not <EMAIL_3>") == "<EMAIL_1> is not jo@x.com"


def test_hidden_values_leave_too() -> None:
    assert redacted("a 4012\u200b8888\u200b8888\u200b1881 b", "x jo\uff20x.com y") == ["a <PAYMENT_CARD_1> b", "x <EMAIL_1> y"]


def test_arguments_stay_json_and_bare_numbers_become_strings() -> None:
    arguments = json.dumps({"card": 4012888888881881, "mail": 'jo@x.com "Jo"', "n": 1, "list": [4012888888881881]})
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": arguments}}],
    }
    fields = {"messages": msgspec.Raw(json.dumps([message]).encode())}
    after = json.loads(bytes(Redactor(scanner(), EVERY).redact(fields)["messages"]))
    assert json.loads(after[0]["tool_calls"][0]["function"]["arguments"]) == {
        "card": "<PAYMENT_CARD_1>", "mail": '<EMAIL_1> "Jo"', "n": 1, "list": ["<PAYMENT_CARD_1>"],
    }  # fmt: skip


def test_an_escaped_value_comes_back_as_what_it_says() -> None:
    redactor = Redactor(scanner(), EVERY)
    assert contents(redactor.redact(said('{"m": "jo\\u0040x.com"}'))) == ['{"m": "<EMAIL_1>"}']
    assert redactor.restorer().text("<EMAIL_1>") == "jo@x.com"


def test_keys_numbers_and_other_fields_are_redacted() -> None:
    fields = {
        "metadata": msgspec.Raw(b'{"jo@x.com":{"card":4012888888881881}}'),
        "user": msgspec.Raw(b'"an@x.com"'),
        "seed": msgspec.Raw(b"7"),
    }
    after = Redactor(scanner(), EVERY).redact(fields)
    assert json.loads(bytes(after["metadata"])) == {"<EMAIL_1>": {"card": "<PAYMENT_CARD_1>"}}
    assert bytes(after["user"]) == b'"<EMAIL_2>"'
    assert after["seed"] is fields["seed"]


def test_a_value_under_the_first_of_two_equal_keys_does_not_leave() -> None:
    fields = {"metadata": msgspec.Raw(b'{"a": "jo@x.com", "a": "nothing"}')}
    assert b"jo@x.com" not in bytes(Redactor(scanner(), EVERY).redact(fields)["metadata"])


def test_a_second_request_of_the_same_redactor_keeps_the_names() -> None:
    redactor = Redactor(scanner(), EVERY)
    assert contents(redactor.redact(said("jo@x.com"))) == contents(redactor.redact(said("jo@x.com")))


def test_neither_shows_a_value() -> None:
    redactor = Redactor(scanner(), EVERY)
    redactor.redact(said("jo@x.com"))
    assert repr(redactor) == "Redactor(1 values)"
    assert repr(redactor.restorer()) == "Restorer(1 values)"


@pytest.mark.parametrize("raw", [b"{", b'{"a": 1'])
def test_what_is_not_json_is_an_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match="Expecting"):
        Redactor(scanner(), EVERY).redact({"messages": msgspec.Raw(raw + b" " * 9)})


def test_a_text_that_was_not_read_whole_is_not_redacted() -> None:
    """Some of it may be a value still. Where only other kinds were given up, nothing is missing."""
    hostile = said("DE89 " * 12_000 + "4012 8888 8888 1881")
    with pytest.raises(ValueError, match=r"so much of it is almost a value \(iban, payment_card\) that not all of it was read"):
        Redactor(scanner(), EVERY).redact(hostile)
    assert Redactor(scanner(), {"pii"}).redact(hostile) == hostile


VALUES = (
    "jo@kunde.net",
    "an@kunde.net",
    "4012-8888-8888-1881",
    "219-09-9999",
    "+49 30 1234567",
    "ghp_" + "aB3" * 12,
    "<EMAIL_1>",
    "<EMAIL_",
    "<",
)
words = st.sampled_from([*VALUES, "the", "report", '"', "\n", "é", "{", "}", "名", ":", "(so)"])
sentences = st.lists(words, max_size=12).map(" ".join)


@given(st.lists(sentences, min_size=1, max_size=4))
def test_values_are_gone_and_come_back(sentences: list[str]) -> None:
    redactor = Redactor(scanner(), EVERY)
    sent = redactor.redact(said(*sentences))
    assert not scanner().scan(texts(sent)).counts
    back = [redactor.restorer().text(text, escaped=False) for text in contents(sent)]
    assert back == sentences
