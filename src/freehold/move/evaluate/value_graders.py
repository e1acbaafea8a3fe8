"""Graders of what an answer means to a program: fields of JSON, a schema, a number, tool calls."""

import math
import re
from typing import Any, ClassVar, Literal

import msgspec

from freehold.core.errors import BadSettings
from freehold.move.evaluate.json_schema import JsonSchema
from freehold.move.evaluate.json_values import NotJson, read_json, same
from freehold.move.evaluate.sample import Reply, Sample, Score, ToolCall, reference_of

_NUMBER = re.compile(r"[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,3})?|[-+−]?\.\d+")
_MOST_DIGITS = 400  # of a number; a longer one is none that anybody meant
_ABSENT = object()


class JsonFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The share of fields, by weight, that are equal in the answer's JSON and in the reference's.

    `fields`: weights by name, with dots into inner objects. Without any, every field that either has counts the same;
    JSON that is no object must be equal in whole. An answer that is no JSON, or breaks `schema`, has 0. `fenced`: a code fence
    around it is no fault.
    """

    fields: dict[str, float] = {}
    schema: Any = None
    fenced: bool = False
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.schema is not None:
            JsonSchema(self.schema, "schema")
        for name, weight in self.fields.items():
            if not (math.isfinite(weight) and weight > 0):
                raise BadSettings(f"fields.{name} is {weight:g}; give a weight above 0, such as 1")

    def grade(self, sample: Sample, reply: Reply) -> Score:
        try:
            wanted = read_json(reference_of(sample).text, fenced=True)
        except NotJson:
            raise ValueError("the reference is not JSON") from None
        try:
            given = read_json(reply.text, fenced=self.fenced)
        except NotJson:
            return Score(0.0, "not JSON")
        broken = None if self.schema is None else JsonSchema(self.schema, "schema").problem(given)
        if broken is not None:
            return Score(0.0, f"schema: {broken}")
        if self.fields:
            return self._by_weight(wanted, given)
        if not isinstance(wanted, dict) or not isinstance(given, dict):
            return Score(1.0, "the same JSON") if same(wanted, given) else Score(0.0, "other JSON")
        names = wanted.keys() | given.keys()
        agree = sum(name in wanted and name in given and same(wanted[name], given[name]) for name in names)
        return Score(agree / len(names) if names else 1.0, f"{agree} of {len(names)} fields agree")

    def _by_weight(self, wanted: Any, given: Any) -> Score:
        differ = [name for name in self.fields if not _agree(_at(wanted, name), _at(given, name))]
        lost = math.fsum(self.fields[name] for name in differ) / math.fsum(self.fields.values())
        told = f"differ: {', '.join(differ)}" if differ else f"all {len(self.fields)} fields agree"
        return Score(max(0.0, 1.0 - lost) if len(differ) < len(self.fields) else 0.0, told)


class Valid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer is JSON that follows the schema."""

    schema: Any
    fenced: bool = False
    needs_reference: ClassVar[bool] = False

    def __post_init__(self) -> None:
        JsonSchema(self.schema, "schema")

    def grade(self, sample: Sample, reply: Reply) -> Score:
        try:
            broken = JsonSchema(self.schema, "schema").problem(read_json(reply.text, fenced=self.fenced))
        except NotJson:
            return Score(0.0, "not JSON")
        return Score(1.0, "valid") if broken is None else Score(0.0, f"schema: {broken}")


class Number(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The number of the answer is near the reference's: by `absolute`, or by `relative` of the larger of both.

    `where`: the text is a number and nothing else (`whole`), or the last one in it counts (`last`). Commas part thousands.
    """

    absolute: float = 0.0
    relative: float = 0.0
    where: Literal["whole", "last"] = "last"
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (0 <= self.absolute < math.inf and 0 <= self.relative < 1):
            raise BadSettings("absolute is from 0, relative from 0 to below 1; give tolerances such as 0.01")

    def grade(self, sample: Sample, reply: Reply) -> Score:
        wanted, given = self._number(reference_of(sample).text), self._number(reply.text)
        if wanted is None:
            raise ValueError("the reference holds no number")
        if given is None:
            return Score(0.0, "no number")
        near = math.isclose(wanted, given, rel_tol=self.relative, abs_tol=self.absolute)
        return Score(float(near), "within the tolerance" if near else "beyond the tolerance")

    def _number(self, text: str) -> float | None:
        if self.where == "whole":
            found = _NUMBER.fullmatch(text.strip()[:_MOST_DIGITS])
        else:
            found = None
            for found in _NUMBER.finditer(text):  # noqa: B007  the last one is wanted
                pass
        if found is None or len(found.group()) > _MOST_DIGITS:
            return None
        number = float(found.group().replace(",", "").replace("−", "-"))
        return number if math.isfinite(number) else None


class ToolCalls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same tools are called with the same arguments, equal as JSON; in which order is nothing, unless `ordered`.

    `partial`: the share of calls that both have, of the larger number of calls; else it is all or nothing.
    """

    ordered: bool = False
    partial: bool = False
    needs_reference: ClassVar[bool] = True

    def grade(self, sample: Sample, reply: Reply) -> Score:
        wanted = [_call(call) for call in reference_of(sample).calls]
        given = [_call(call) for call in reply.calls]
        most = max(len(wanted), len(given))
        both = _common(wanted, given, ordered=self.ordered)
        share = both / most if most else 1.0
        return Score(share if self.partial else float(share == 1.0), f"{both} of {most} calls agree")


def _common(wanted: list[tuple[str, Any]], given: list[tuple[str, Any]], *, ordered: bool) -> int:
    if ordered:
        return sum(map(same_call, wanted, given))
    left = list(given)
    for call in wanted:
        at = next((at for at, other in enumerate(left) if same_call(call, other)), None)
        if at is not None:
            del left[at]
    return len(given) - len(left)


def same_call(one: tuple[str, Any], other: tuple[str, Any]) -> bool:
    """Whether name and arguments are the same; arguments that are no JSON are the same as nothing."""
    return one[0] == other[0] and one[1] is not _ABSENT and other[1] is not _ABSENT and same(one[1], other[1])


def _call(call: ToolCall) -> tuple[str, Any]:
    try:
        return call.name, read_json(call.arguments or "{}")
    except NotJson:
        return call.name, _ABSENT


def _agree(one: Any, other: Any) -> bool:
    """A field that neither has is agreed on."""
    if one is _ABSENT or other is _ABSENT:
        return one is other
    return same(one, other)


def _at(value: Any, name: str) -> Any:
    for step in name.split("."):
        value = value.get(step, _ABSENT) if isinstance(value, dict) else _ABSENT
    return value
