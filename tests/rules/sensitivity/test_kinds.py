"""The shipped kinds are whole, and an operator's own are read or refused in one clear line."""

import msgspec
import pytest

from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.rules.sensitivity.checks import CHECKS
from freehold.rules.sensitivity.kinds import read_kinds, shipped_kinds, with_own
from freehold.rules.sensitivity.patterns import Prefilter
from freehold.rules.sensitivity.scanner import Scanner
from freehold.wire.content import Piece

OWN = (
    "kinds: [{name: staff_id, title: staff number, label: pii, data_class: internal, source: our HR, patterns: ['ST-[0-9]{4}']}]"
)


def test_every_validator_is_used_and_every_class_is_one() -> None:
    kinds = shipped_kinds()
    assert {kind.check for kind in kinds} - {None} == set(CHECKS)
    assert all(kind.raises_to() >= DataClass.internal for kind in kinds)
    assert {kind.label for kind in kinds} == {"pii", "phi", "pci", "secret"}


def test_an_operators_kind_is_found() -> None:
    scanner = Scanner(with_own(shipped_kinds(), read_kinds(OWN, "own.yaml")))
    found = scanner.scan([Piece("", "ask ST-1234 or ada@mail.com")])
    assert found.counts == {"staff_id": 1, "email": 1}


def test_an_operators_kind_of_a_shipped_name_takes_its_place() -> None:
    own = read_kinds(OWN.replace("staff_id", "email"), "own.yaml")
    assert Scanner(with_own(shipped_kinds(), own)).scan([Piece("", "ada@mail.com ST-1234")]).counts == {"email": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kinds: [", ["own.yaml", "not YAML"]),
        ("[]", ["own.yaml", "kinds:"]),
        ("kinds: {a: 1}", ["own.yaml", "kinds:"]),
        (OWN.replace("[0-9]{4}", "[0-9"), ["own.yaml: staff_id", "'ST-[0-9'", "missing ]"]),
        (OWN.replace("ST-[0-9]{4}", "(?=x)y"), ["own.yaml: staff_id", "RE2"]),
        (OWN.replace("ST-[0-9]{4}", "(a)(b)"), ["own.yaml: staff_id", "2 groups"]),
        (OWN.replace("ST-[0-9]{4}", "a*"), ["own.yaml: staff_id", "matches nothing"]),
        (OWN.replace("patterns: ['ST-[0-9]{4}']", "patterns: []"), ["own.yaml: staff_id", "no patterns"]),
        (OWN.replace("patterns", "near"), ["own.yaml: staff_id", "near and context need each other"]),
        (OWN.replace("source: our HR", "source: our HR, check: lunh"), ["own.yaml: staff_id", "'lunh'", "payment_card"]),
        (OWN.replace("label: pii", "label: private"), ["own.yaml: staff_id", "private"]),
        (OWN.replace("internal", "secret"), ["own.yaml: staff_id", "secret"]),
        (OWN.replace("staff_id", "Staff-ID"), ["own.yaml: Staff-ID", "name"]),
        (OWN.replace("title: staff number, ", ""), ["own.yaml: staff_id", "title"]),
        (OWN.replace("title:", "titel:"), ["own.yaml: staff_id", "titel"]),
        (OWN[:-1] + ", " + OWN[8:], ["own.yaml: staff_id", "twice"]),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(text: str, words: list[str]) -> None:
    with pytest.raises(BadSettings) as refused:
        read_kinds(text, "own.yaml")
    assert "\n" not in refused.value.message
    assert all(word in refused.value.message for word in words), refused.value.message


def test_patterns_too_large_together_are_refused() -> None:
    (own,) = read_kinds(OWN.replace("ST-[0-9]{4}", r"\pL{1,60}"), "own.yaml")
    many = [msgspec.structs.replace(own, name=f"kind_{at}") for at in range(200)]
    with pytest.raises(BadSettings, match="together are too large"):
        Prefilter(many)
