"""The labelled texts, generated and written by hand: what is there is found, and nothing is found where there is nothing."""

import json
from collections import Counter
from pathlib import Path

import pytest

from freehold.rules.sensitivity.kinds import shipped_kinds
from freehold.rules.sensitivity.scanner import Scanner
from freehold.wire.content import Piece

DATA = Path(__file__).parents[2] / "data" / "sensitivity"
PAGE = Path(__file__).parents[3] / "docs" / "explain" / "sensitivity.md"
LARGE = (
    "payment_card iban us_ssn phone email ip_address date_of_birth medication diagnosis medical_record_number icd10_code".split()
)


@pytest.fixture(scope="module")
def labelled() -> list[tuple[str, set[str]]]:
    files = [DATA / "generated.jsonl", DATA / "handwritten.jsonl"]
    entries = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [(entry["text"], set(entry["kinds"])) for entry in entries]


@pytest.fixture(scope="module")
def found(labelled: list[tuple[str, set[str]]]) -> list[set[str]]:
    scanner = Scanner(shipped_kinds())
    return [set(scanner.scan([Piece("", text)]).counts) for text, _ in labelled]


def test_the_set_is_large_enough_to_say_something(labelled: list[tuple[str, set[str]]]) -> None:
    counts = Counter(kind for _, kinds in labelled for kind in kinds)
    assert all(counts[kind] >= 60 for kind in LARGE)
    assert sum(not kinds for _, kinds in labelled) >= 60 * len(LARGE)


def test_clean_code_prose_and_numbers_raise_nothing(labelled: list[tuple[str, set[str]]], found: list[set[str]]) -> None:
    flagged = [(text, kinds) for (text, there), kinds in zip(labelled, found, strict=True) if kinds and not there]
    assert flagged == []


def test_every_labelled_value_is_found_and_no_other(labelled: list[tuple[str, set[str]]], found: list[set[str]]) -> None:
    wrong = [(text, there, kinds) for (text, there), kinds in zip(labelled, found, strict=True) if there != kinds]
    assert wrong == []


def test_the_page_lists_every_kind_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for kind in shipped_kinds():
        near = "yes" if not kind.patterns else "some" if kind.near else "no"
        name = kind.name if kind.enabled else f"{kind.name} (off)"
        assert f"| {name} | {kind.title} | {kind.label} | {kind.data_class} | {kind.check or 'pattern'} | {near} |" in page
