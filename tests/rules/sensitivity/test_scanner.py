"""The scanner finds what is there, says how much and never what, and reads the whole request."""

import json
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.data import DataClass
from freehold.rules.sensitivity.kinds import read_kinds, shipped_kinds
from freehold.rules.sensitivity.scanner import Findings, Scanner
from freehold.wire.content import Piece, Unscannable, texts


@cache
def scanner() -> Scanner:
    return Scanner(shipped_kinds())


def found(text: str) -> dict[str, int]:
    return dict(scanner().scan([Piece("", text)]).counts)


def request(**values: Any) -> Findings:
    return scanner().scan(texts({name: msgspec.Raw(json.dumps(value).encode()) for name, value in values.items()}))


def test_counts_labels_class_and_what_could_not_be_read() -> None:
    findings = scanner().scan(
        [
            Piece("a", "jo@x.com, an@x.com and jo@x.com"),
            Piece("b", "card 4012 8888 8888 1881"),
            Unscannable("c", "image"),
            Unscannable("d", "image"),
        ]
    )
    assert findings.counts == {"email": 3, "payment_card": 1}
    assert findings.labels == {"pii": DataClass.confidential, "pci": DataClass.restricted}
    assert findings.data_class is DataClass.restricted
    assert findings.unscannable == {"image": 2}


def test_nothing_found_demands_nothing() -> None:
    assert request(messages=[{"role": "user", "content": "What is a monad?"}]) == Findings()


def test_no_finding_shows_what_was_found() -> None:
    findings = request(messages=[{"role": "user", "content": "mail ada@mail.com, card 4012 8888 8888 1881, password=hunter2!"}])
    assert sum(findings.counts.values()) == 3
    assert not any(word in repr(findings) for word in ("ada", "4012", "hunter"))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("2024 4012 8888 8888 1881", "payment_card"),  # a number before the card that fits its grouping
        ("4012 8888 8888 1881 123", "payment_card"),  # a security code after it
        ("4111111111111112 4012888888881881", "payment_card"),  # a card that fails before one that holds
        ("IBAN: DE89 3704 0044 0532 0130 00 BIC X", "iban"),
        ("IBAN DE89 3704 0044 0532 0130 00 IS MY ONE", "iban"),  # words that the pattern takes in
        ("see also 078-05-1120.", "us_ssn"),
        ("身份证11010519491231002X号", "cn_resident_id"),
    ],
)
def test_neighbours_hide_nothing(text: str, kind: str) -> None:
    assert found(text) == {kind: 1}


@pytest.mark.parametrize(
    "text",
    [
        "1.4012888888881881",  # a decimal
        "a4012-8888-8888-1881-7",  # a longer identifier
        "550e8400-e29b-41d4-a716-401288888888",
        "078-05-1120-4",
        "8.8.8.8.8",
        "U+49301234567",
    ],
)
def test_a_part_of_something_longer_is_nothing(text: str) -> None:
    assert found(text) == {}


def test_context_counts_within_its_window_and_not_beyond() -> None:
    assert found("ssn " + "x" * 60 + " 219099999") == {"us_ssn": 1}
    assert found("ssn " + "x" * 90 + " 219099999") == {}
    assert found("219099999 (SSN)") == {"us_ssn": 1}
    assert found("219099999") == {}


def test_context_after_many_words_is_still_read() -> None:
    assert found("ssn x\n" * 500 + "y" * 200 + " 219099999 " + "z" * 50 + " ssn 219099999") == {"us_ssn": 1}


@pytest.mark.parametrize("key", ["ssn", "social_security_number", "socialSecurityNumber", "SSN", "applicant-ssn"])
def test_a_key_is_context_for_its_value(key: str) -> None:
    assert request(metadata={key: "219099999"}).counts == {"us_ssn": 1}
    assert request(metadata={key: 219099999}).counts == {"us_ssn": 1}
    arguments = json.dumps({key: "219099999"})
    message = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}
    assert request(messages=[message]).counts == {"us_ssn": 1}


def test_the_question_is_context_for_the_answer() -> None:
    messages = [{"role": "assistant", "content": "What is your SSN?"}, {"role": "user", "content": "219099999"}]
    assert request(messages=messages).counts == {"us_ssn": 1}


@pytest.mark.parametrize("times", [1, 2, 3])
def test_json_inside_json_hides_nothing(times: int) -> None:
    text = json.dumps({"contact": "jo\uff20kunde.net\ncard 4012888888881881"})
    for _ in range(times):
        text = json.dumps({"inner": text})
    assert found(text) == {"email": 1, "payment_card": 1}


def test_where_two_kinds_claim_the_same_text_the_higher_class_keeps_it() -> None:
    entry = "{{name: {0}, title: t, label: pii, data_class: {1}, source: s, patterns: ['{2}']}}"
    low, high = entry.format("low", "internal", "ab+"), entry.format("high", "restricted", "b+c")
    kinds = read_kinds(f"kinds: [{low}, {high}]", "own.yaml")
    assert Scanner(kinds).scan([Piece("", "abbbc ab")]).counts == {"high": 1, "low": 1}


def test_what_a_higher_kind_leaves_of_a_lower_one_still_counts() -> None:
    assert found("+49 30 1234567 4012-8888-8888-1881") == {"phone": 1, "payment_card": 1}


def test_a_kind_that_is_off_is_not_looked_for() -> None:
    assert found("host 10.1.2.3") == {}
    on = [msgspec.structs.replace(kind, enabled=True) for kind in shipped_kinds() if kind.name == "private_ip_address"]
    assert Scanner(on).scan([Piece("", "host 10.1.2.3")]).counts == {"private_ip_address": 1}


def test_counting_stops_at_a_thousand_a_kind() -> None:
    assert found("jo@x.com " * 1500) == {"email": 1000}


@pytest.mark.parametrize(
    ("near_miss", "kind", "label"),
    [
        ("DE89 ", "iban", "pci"),
        ("000-12-3456 ", "us_ssn", "pii"),
        ("10.1.2.3 ", "ip_address", "pii"),
        ("1 ", "payment_card", "pci"),
    ],
)
def test_a_text_made_of_near_misses_is_given_up_and_counts_as_found(near_miss: str, kind: str, label: Any) -> None:
    findings = scanner().scan([Piece("", near_miss * (60_000 // len(near_miss)) + " 4012 8888 8888 1881")])
    assert findings.unscannable[kind] == 1
    assert findings.labels[label] >= findings.unplaced[label] > DataClass.public
    assert findings.data_class >= findings.labels[label]


def test_what_comes_after_the_kind_that_was_given_up_was_not_read_either() -> None:
    """The card ranks before the address: the end of the effort is the end of the scan, and all that may still be there counts."""
    findings = scanner().scan([Piece("", "DE89 " * 12_000 + "jo@x.com")])
    assert findings.unscannable == {"iban": 1, "email": 1}
    assert findings.labels == {"pci": DataClass.restricted, "pii": DataClass.confidential}


def test_a_long_text_full_of_values_and_one_of_ordinary_tables_are_read_whole() -> None:
    values = "SSN 078-05-1121, card 4012 8888 8888 1881, jo@x.com\n" * 800
    table = "".join(f"2024-05-{day % 28 + 1:02},10.0.{day % 250}.7,{day * 7919 % 10**8:08},{day}.50\n" for day in range(1500))
    findings = scanner().scan([Piece("", values + table)])
    assert findings.unscannable == {}
    assert findings.counts == {"us_ssn": 800, "payment_card": 800, "email": 800}


@given(st.text(max_size=200))
def test_any_text_can_be_scanned(text: str) -> None:
    spans, unread = scanner().read(text.encode(errors="replace"))
    assert not unread
    assert all(one.end <= other.start for one, other in pairwise(spans))


words = st.sampled_from(
    "the report says that nothing of note happened in spring and all is well (so far) {x} [y] = ; \n".split(" ")
)
values = st.sampled_from(
    [
        ("jo@kunde.net", "email"),
        ("4012-8888-8888-1881", "payment_card"),
        ("219-09-9999", "us_ssn"),
        ("ghp_" + "aB3" * 12, "github_token"),
    ]
)


@given(st.lists(words), values, st.lists(words))
def test_a_value_is_found_in_any_company(before: list[str], value: tuple[str, str], after: list[str]) -> None:
    assert found(" ".join([*before, value[0], *after])) == {value[1]: 1}
