"""What to do about each label: raise the request's class, refuse it, redact it, or only note it."""

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

import msgspec

from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.rules.sensitivity.kinds import Label
from freehold.rules.sensitivity.scanner import Findings

Deed: TypeAlias = Literal["raise", "block", "redact", "note"]
_LABELS: tuple[Label, ...] = get_args(Label)


class Action(msgspec.Struct, frozen=True):
    """`to` is the class that `raise` raises to; None means the class that the kinds found name themselves."""

    deed: Deed = "raise"
    to: DataClass | None = None


class Demand(msgspec.Struct, frozen=True):
    """What the findings demand: a class and the labels that raise it, and those that refuse the request or leave it only as
    placeholders."""

    data_class: DataClass = DataClass.public
    raised: frozenset[Label] = frozenset()
    blocked: frozenset[Label] = frozenset()
    redacted: frozenset[Label] = frozenset()


class Actions:
    """One action for each label; a label that is not named raises to what its kinds say, so nothing found is ever nothing."""

    def __init__(self, by_label: Mapping[Label, Action]) -> None:
        self._by_label = dict(by_label)

    def __getitem__(self, label: Label) -> Action:
        return self._by_label.get(label, Action())

    @classmethod
    def note_all(cls) -> "Actions":
        """Nothing but evidence, for those who have not said what to do."""
        return cls(dict.fromkeys(_LABELS, Action("note")))

    @classmethod
    def read(cls, given: Mapping[str, str], field: str = "sensitivity") -> "Actions":
        """From settings such as `{pii: redact, pci: block, phi: raise restricted}`. Raises BadSettings."""
        by_label: dict[Label, Action] = {}
        for name, text in given.items():
            label = next((known for known in _LABELS if known == name), None)
            if label is None:
                raise BadSettings(f"{field}.{name} is not a label; use one of {', '.join(_LABELS)}")
            by_label[label] = _action(text, f"{field}.{name}")
        return cls(by_label)

    def demand(self, findings: Findings) -> Demand:
        """What these findings ask for. Redacted labels raise nothing: their values do not leave. Where not every value's place is
        known there is nothing to redact, and they raise; so does all that an opinion which is missing might have said."""
        found = findings.labels
        raised = {label: self[label].to or own for label, own in found.items() if self[label].deed == "raise"}
        hidden = {label: own for label, own in findings.unplaced.items() if self[label].deed == "redact"}
        feared = {label: self[label].to or own for label, own in findings.feared.items() if self[label].deed != "note"}
        return Demand(
            data_class=max((*raised.values(), *hidden.values(), *feared.values()), default=DataClass.public),
            raised=frozenset((*raised, *hidden, *feared)),
            blocked=frozenset(label for label in found if self[label].deed == "block"),
            redacted=frozenset(label for label in found if self[label].deed == "redact"),
        )


def _action(text: str, field: str) -> Action:
    word, _, rest = text.strip().partition(" ")
    deed = next((known for known in get_args(Deed) if known == word), None)
    if deed is None or (rest and deed != "raise"):
        raise BadSettings(f"{field} is {text!r}; use raise, raise CLASS, block, redact or note")
    try:
        return Action(deed, DataClass.parse(rest) if rest else None)
    except ValueError as error:
        raise BadSettings(f"{field}: {error}") from None
