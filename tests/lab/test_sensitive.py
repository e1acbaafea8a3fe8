"""Made-up sensitive values: the scanner finds each, under the label it was made for, and nothing else is found in prompts."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.trace import TracedRequest
from freehold.lab.asking import question_of
from freehold.lab.mix import parse_mix
from freehold.lab.prompts import prompt_of
from freehold.lab.sensitive import LABELS, Label, sensitive_of, sentence
from freehold.lab.tickets import ticket
from freehold.rules.sensitivity.kinds import shipped_kinds
from freehold.rules.sensitivity.scanner import Findings, Scanner
from freehold.wire.content import Piece

SCANNER = Scanner(shipped_kinds())


def found_in(text: str) -> Findings:
    return SCANNER.scan([Piece("", text)])


@given(st.sampled_from(LABELS), st.integers(0, 10**9), st.integers(0, 2000))
def test_every_sentence_is_found_under_its_label(label: Label, seed: int, index: int) -> None:
    text = sentence(random.Random(seed), label)
    assert set(found_in(f"{text} {prompt_of(index, TracedRequest(0.0, 50, 1))}").labels) == {label}


@given(st.integers(0, 10**6))
def test_other_prompts_hold_nothing(index: int) -> None:
    assert not found_in(prompt_of(index, TracedRequest(0.0, 300, 1))).counts
    assert not found_in(ticket(random.Random(index))[0]).counts


def test_all_kinds_come_up() -> None:
    texts = [sensitive_of(index, 1.0) for index in range(500)]
    kinds = {kind for text in texts if text is not None for kind in found_in(text).counts}
    assert kinds >= {"email", "phone", "payment_card", "iban", "diagnosis", "medical_record_number", "nhs_number", "password"}


@pytest.mark.parametrize("share", [0.0, 0.05, 1.0])
def test_so_many_of_the_prompts_and_always_the_same(share: float) -> None:
    texts = [sensitive_of(index, share) for index in range(20_000)]
    assert texts == [sensitive_of(index, share) for index in range(20_000)]
    assert sum(text is not None for text in texts) / 20_000 == pytest.approx(share, abs=0.005)


def test_a_question_carries_them_and_the_key_of_its_workload() -> None:
    mix = parse_mix("a=1:internal:words:100%", {"a": "fh_one"})
    question = question_of(3, TracedRequest(0.0, 20, 4), mix.share_of(3), stream=True)
    assert question.headers["authorization"] == "Bearer fh_one"
    text = msgspec.json.decode(question.body)["messages"][0]["content"]
    assert text == f"{sensitive_of(3, 1.0)} {prompt_of(3, TracedRequest(0.0, 20, 4))}"
    plain = question_of(3, TracedRequest(0.0, 20, 4), parse_mix("a=1").share_of(3), stream=True)
    assert "authorization" not in plain.headers
    assert not found_in(msgspec.json.decode(plain.body)["messages"][0]["content"]).counts
