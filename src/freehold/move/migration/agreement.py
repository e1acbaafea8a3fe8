"""The grader that needs no suite: how far the candidate's answer agrees with the incumbent's, which counts as right.

Where both are JSON objects, the share of their fields with equal values; tool calls by name and arguments; else the text, with
letter case and blanks evened out. It cannot find a candidate better than the incumbent: that takes references.
"""

from collections import Counter
from collections.abc import Hashable, Mapping

import msgspec

from freehold.core.conversation import Call, Refusal, Text
from freehold.core.ports import Graded
from freehold.core.request import Request
from freehold.core.said import Whole

_LONGEST_SLICE = 64


class Agreement(msgspec.Struct, frozen=True):
    """A PairGrader. `slice_by`: the field of the incumbent's JSON answer whose value names the slice."""

    slice_by: str | None = None

    def grade(self, request: Request, candidate: Whole, incumbent: Whole) -> Graded:
        """The incumbent scores 1, the candidate its agreement with it."""
        return Graded(agreement(candidate, incumbent), 1.0, slice_of(self.slice_by, incumbent))


def slice_of(field: str | None, incumbent: Whole) -> str | None:
    """The value of that field in the incumbent's JSON answer; None where it has none."""
    fields = None if field is None else _fields(text_of(incumbent))
    value = None if fields is None else fields.get(field or "")
    return value[:_LONGEST_SLICE] if isinstance(value, str) else None


def agreement(one: Whole, other: Whole) -> float:
    """0 (nothing in common) to 1 (they say the same). The same in both directions."""
    if refused(one) or refused(other):
        return float(refused(one) and refused(other))
    calls, theirs = _calls(one), _calls(other)
    if calls or theirs:
        return (calls & theirs).total() / max(calls.total(), theirs.total())
    said, heard = text_of(one), text_of(other)
    fields, others = _fields(said), _fields(heard)
    if fields is None or others is None:
        return float(_evened(said) == _evened(heard))
    names = fields.keys() | others.keys()
    if not names:
        return 1.0
    return sum(name in fields and name in others and _same(fields[name], others[name]) for name in names) / len(names)


def text_of(whole: Whole) -> str:
    """The prose of the first choice."""
    parts = whole.choices[0].parts if whole.choices else ()
    return "".join(part.text for part in parts if isinstance(part, Text))


def refused(whole: Whole) -> bool:
    """Whether the model or a filter declined."""
    return any(choice.stop == "refused" or any(isinstance(part, Refusal) for part in choice.parts) for choice in whole.choices)


def _calls(whole: Whole) -> Counter[Hashable]:
    """In whatever order they came, and whatever the blanks in their arguments."""
    parts = whole.choices[0].parts if whole.choices else ()
    return Counter((part.name, _canonical(part.arguments)) for part in parts if isinstance(part, Call))


def _canonical(text: str) -> bytes:
    try:
        return msgspec.json.encode(msgspec.json.decode(text), order="sorted")
    except (msgspec.DecodeError, RecursionError):
        return text.encode(errors="replace")


def _fields(text: str) -> Mapping[str, object] | None:
    try:
        return msgspec.json.decode(text.strip(), type=dict[str, object])
    except (msgspec.DecodeError, RecursionError):
        return None


def _same(one: object, other: object) -> bool:
    """Texts but for letter case and blanks; True is not 1."""
    if isinstance(one, str) and isinstance(other, str):
        return _evened(one) == _evened(other)
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _evened(text: str) -> str:
    return " ".join(text.split()).casefold()
