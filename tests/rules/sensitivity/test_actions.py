"""An action for each label: what is read from settings, and what findings then demand."""

import pytest

from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.rules.sensitivity.actions import Action, Actions, Demand
from freehold.rules.sensitivity.scanner import Findings

FINDINGS = Findings(
    counts={"email": 2, "payment_card": 1, "diagnosis": 1, "jwt": 1},
    labels={
        "pii": DataClass.confidential,
        "pci": DataClass.restricted,
        "phi": DataClass.restricted,
        "secret": DataClass.restricted,
    },
    data_class=DataClass.restricted,
)


def test_what_is_not_configured_raises_to_what_the_kinds_say() -> None:
    assert Actions({}).demand(FINDINGS) == Demand(DataClass.restricted, raised=frozenset({"pii", "pci", "phi", "secret"}))
    assert Actions({}).demand(Findings()) == Demand()


def test_each_label_goes_its_own_way() -> None:
    actions = Actions.read({"pii": "redact", "pci": "block", "phi": "raise confidential", "secret": "note"})
    assert actions["phi"] == Action("raise", DataClass.confidential)
    demand = actions.demand(FINDINGS)
    assert demand == Demand(
        DataClass.confidential, raised=frozenset({"phi"}), blocked=frozenset({"pci"}), redacted=frozenset({"pii"})
    )


def test_a_label_that_was_not_found_asks_for_nothing() -> None:
    actions = Actions.read({"pii": "redact", "secret": "block"})
    found = Findings(counts={"npi": 1}, labels={"phi": DataClass.restricted})
    assert actions.demand(found) == Demand(DataClass.restricted, raised=frozenset({"phi"}))


def test_where_not_every_place_is_known_redaction_is_not_enough() -> None:
    actions = Actions.read({"pii": "redact", "pci": "block", "secret": "note"})
    known = FINDINGS.with_unplaced({"pii": DataClass.confidential, "phi": DataClass.restricted, "secret": DataClass.restricted})
    demand = actions.demand(known)
    assert demand == Demand(
        DataClass.restricted,
        raised=frozenset({"pii", "phi"}),
        blocked=frozenset({"pci"}),
        redacted=frozenset({"pii"}),
    )


def test_what_an_opinion_might_have_said_raises_whatever_is_not_only_noted_and_blocks_nothing() -> None:
    feared = Findings(feared={"pii": DataClass.confidential, "pci": DataClass.restricted, "secret": DataClass.restricted})
    assert Actions.read({"pii": "redact", "pci": "block", "secret": "note"}).demand(feared) == Demand(
        DataClass.restricted, raised=frozenset({"pii", "pci"})
    )
    assert Actions.read({"pii": "raise restricted", "pci": "note", "secret": "note"}).demand(feared) == Demand(
        DataClass.restricted, raised=frozenset({"pii"})
    )
    assert Actions.note_all().demand(feared) == Demand()


def test_noting_all_demands_nothing() -> None:
    assert Actions.note_all().demand(FINDINGS) == Demand()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"pie": "redact"}, ["sensitivity.pie", "pii, phi, pci, secret"]),
        ({"pii": "hide"}, ["sensitivity.pii", "'hide'", "redact"]),
        ({"pii": "raise secret"}, ["sensitivity.pii", "'secret'", "restricted"]),
        ({"pii": "block confidential"}, ["sensitivity.pii", "'block confidential'"]),
        ({"pii": ""}, ["sensitivity.pii", "''"]),
    ],
)
def test_what_cannot_be_read_is_named(given: dict[str, str], words: list[str]) -> None:
    with pytest.raises(BadSettings) as refused:
        Actions.read(given)
    assert all(word in refused.value.message for word in words)
