"""JSON Schema, draft 2020-12, as far as structured output needs it: every other keyword that could decide is refused by name.

A schema is checked once, when a suite is read; then any value can be asked of it, in linear time for patterns (RE2), without
fetching anything. docs/decisions/2026-11-21-json-schema.md says why not a library.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, TypeAlias

from freehold.core.errors import BadSettings
from freehold.move.evaluate.json_values import same
from freehold.rules.sensitivity.expression import Expression

Schema: TypeAlias = "dict[str, Any] | bool"
Problem: TypeAlias = str
_Check: TypeAlias = Callable[[Any, Any], bool]

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_DEEPEST = 64
_SAID_ONLY = frozenset(
    "$schema $id $comment $defs title description default examples deprecated readOnly writeOnly format".split()
)
_TYPES: Mapping[str, Callable[[Any], bool]] = MappingProxyType(
    {
        "null": lambda value: value is None,
        "boolean": lambda value: isinstance(value, bool),
        "object": lambda value: isinstance(value, dict),
        "array": lambda value: isinstance(value, list),
        "string": lambda value: isinstance(value, str),
        "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value),
        "integer": lambda value: _is_number(value) and (isinstance(value, int) or value.is_integer()),
    }
)
_NUMBERS: Mapping[str, _Check] = MappingProxyType(
    {
        "minimum": lambda value, limit: value >= limit,
        "maximum": lambda value, limit: value <= limit,
        "exclusiveMinimum": lambda value, limit: value > limit,
        "exclusiveMaximum": lambda value, limit: value < limit,
        "multipleOf": lambda value, unit: (Fraction(repr(value)) / Fraction(repr(unit))).denominator == 1,
    }
)
_SIZES: Mapping[str, tuple[type, _Check]] = MappingProxyType(
    {
        "minLength": (str, lambda value, limit: len(value) >= limit),
        "maxLength": (str, lambda value, limit: len(value) <= limit),
        "minItems": (list, lambda value, limit: len(value) >= limit),
        "maxItems": (list, lambda value, limit: len(value) <= limit),
        "minProperties": (dict, lambda value, limit: len(value) >= limit),
        "maxProperties": (dict, lambda value, limit: len(value) <= limit),
    }
)
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SINGLE = frozenset({"not", "items", "additionalProperties", "propertyNames"})
_MAPS = frozenset({"properties", "$defs"})
_VALUES = frozenset({"type", "const", "enum", "required", "pattern", "uniqueItems", "$ref"})
KEYWORDS = _SAID_ONLY | _NUMBERS.keys() | _SIZES.keys() | _LISTS | _SINGLE | _MAPS | _VALUES


class JsonSchema:
    """One schema, found usable."""

    def __init__(self, schema: Any, where: str) -> None:
        """Raises BadSettings naming the place and the keyword that is unknown or has a value it cannot have."""
        self._root = schema
        for place, inner in _schemas(schema, where):
            _check_keywords(inner, place)
            if isinstance(inner, dict) and inner.get("$schema", _DRAFT) != _DRAFT:
                raise BadSettings(f"{place}.$schema is {inner['$schema']!r}; what is known here is {_DRAFT}")
            if isinstance(inner, dict) and "$id" in inner and place != where:
                raise BadSettings(f"{place}.$id gives a part of the schema a name of its own; put it under $defs")
            if isinstance(inner, dict) and "$ref" in inner:
                self._followed(inner, place)
        for place, inner in _schemas(schema, where):
            self._refuse_loop(inner, place, ())

    def problem(self, value: Any) -> Problem | None:
        """The keyword that the value breaks first, as the schema's own words; None where it is valid."""
        return self._problem(self._root, value, 0)

    def _problem(self, schema: Schema, value: Any, depth: int) -> Problem | None:
        if isinstance(schema, bool):
            return None if schema else "nothing is allowed there"
        if depth > _DEEPEST:
            return "nested too deeply"
        if "$ref" in schema and (broken := self._problem(self._followed(schema, ""), value, depth + 1)):
            return broken
        return _broken_by_itself(schema, value) or next(self._broken_inside(schema, value, depth + 1), None)

    def _refuse_loop(self, schema: Schema, place: str, outer: tuple[int, ...]) -> None:
        """A schema that asks itself about the same value would never end."""
        if isinstance(schema, bool):
            return
        if id(schema) in outer:
            raise BadSettings(f"{place} refers to itself without going into the value; refer from inside properties or items")
        inner = [one for name in ("allOf", "anyOf", "oneOf") for one in schema.get(name, ())]
        inner += [schema["not"]] if "not" in schema else []
        inner += [self._followed(schema, place)] if "$ref" in schema else []
        for one in inner:
            self._refuse_loop(one, place, (*outer, id(schema)))

    def _broken_inside(self, schema: dict[str, Any], value: Any, depth: int) -> Iterator[Problem]:
        """Keywords that hold schemas."""
        for one in schema.get("allOf", ()):
            yield from self._told(one, value, depth)
        if "anyOf" in schema and all(self._problem(one, value, depth) for one in schema["anyOf"]):
            yield "anyOf"
        if "oneOf" in schema and sum(self._problem(one, value, depth) is None for one in schema["oneOf"]) != 1:
            yield "oneOf"
        if "not" in schema and self._problem(schema["not"], value, depth) is None:
            yield "not"
        if isinstance(value, dict):
            known = schema.get("properties", {})
            for name, inner in value.items():
                yield from self._told(schema.get("propertyNames", True), name, depth)
                yield from self._told(known[name] if name in known else schema.get("additionalProperties", True), inner, depth)
        if isinstance(value, list):
            first = schema.get("prefixItems", ())
            for at, inner in enumerate(value):
                yield from self._told(first[at] if at < len(first) else schema.get("items", True), inner, depth)

    def _told(self, schema: Schema, value: Any, depth: int) -> Iterator[Problem]:
        broken = self._problem(schema, value, depth)
        if broken is not None:
            yield broken

    def _followed(self, schema: dict[str, Any], where: str) -> Schema:
        """What a `$ref` names inside this document. Raises BadSettings for any other place."""
        reference = schema["$ref"]
        found: Any = self._root
        steps = reference.split("/")[1:] if isinstance(reference, str) else []
        for step in steps:
            found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        local = reference == "#" or (isinstance(reference, str) and reference.startswith("#/$defs/"))
        if not local or not isinstance(found, dict | bool):
            raise BadSettings(f"{where}.$ref is {reference!r}; refer to the schema itself ('#') or to '#/$defs/NAME'")
        return found


def _schemas(schema: Any, place: str) -> Iterator[tuple[str, Schema]]:
    """The schema and every one inside it, with where it stands. Raises BadSettings where there is none."""
    if not isinstance(schema, dict | bool):
        raise BadSettings(f"{place} is no JSON schema; give an object, true or false")
    if place.count(".") > _DEEPEST:
        raise BadSettings(f"{place} is nested too deeply; use $ref")
    yield place, schema
    if isinstance(schema, bool):
        return
    for name in _LISTS & schema.keys():
        if not isinstance(schema[name], list) or not schema[name]:
            raise BadSettings(f"{place}.{name} is no list of schemas; give at least one")
        for at, inner in enumerate(schema[name]):
            yield from _schemas(inner, f"{place}.{name}[{at}]")
    for name in _SINGLE & schema.keys():
        yield from _schemas(schema[name], f"{place}.{name}")
    for name in _MAPS & schema.keys():
        if not isinstance(schema[name], dict):
            raise BadSettings(f"{place}.{name} is no object; give schemas by name")
        for key, inner in schema[name].items():
            yield from _schemas(inner, f"{place}.{name}.{key}")


def _check_keywords(schema: Schema, place: str) -> None:
    for name, given in schema.items() if isinstance(schema, dict) else ():
        if name not in KEYWORDS:
            raise BadSettings(f"{place}.{name}: this keyword is not known here; known are {', '.join(sorted(KEYWORDS))}")
        if wanted := _wanted(name, given):
            raise BadSettings(f"{place}.{name}: give {wanted}")
        if name == "pattern":
            Expression(given, f"{place}.pattern")


def _wanted(name: str, given: Any) -> str | None:
    """What a keyword takes, where this is none of it."""
    if name == "type":
        names = given if isinstance(given, list) else [given]
        return None if names and all(isinstance(one, str) and one in _TYPES for one in names) else f"one of {', '.join(_TYPES)}"
    if name in _SIZES:
        return None if _TYPES["integer"](given) and given >= 0 else "a whole number from 0"
    if name == "multipleOf":
        return None if _is_number(given) and given > 0 else "a number above 0"
    if name in _NUMBERS:
        return None if _is_number(given) else "a number"
    if name == "required":
        return None if isinstance(given, list) and all(isinstance(one, str) for one in given) else "a list of names"
    if name == "enum":
        return None if isinstance(given, list) else "a list of values"
    if name == "uniqueItems":
        return None if isinstance(given, bool) else "true or false"
    return "a text" if name == "pattern" and not isinstance(given, str) else None


def _broken_by_itself(schema: dict[str, Any], value: Any) -> Problem | None:
    """The first keyword without schemas inside that the value breaks."""
    kinds = schema.get("type", ())
    if "type" in schema and not any(_TYPES[kind](value) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return "type"
    if "const" in schema and not same(schema["const"], value):
        return "const"
    if "enum" in schema and not any(same(one, value) for one in schema["enum"]):
        return "enum"
    if _is_number(value) and (
        broken := next((k for k, holds in _NUMBERS.items() if k in schema and not holds(value, schema[k])), None)
    ):
        return broken
    for name, (kind, holds) in _SIZES.items():
        if name in schema and isinstance(value, kind) and not holds(value, schema[name]):
            return name
    if "pattern" in schema and isinstance(value, str) and not _occurs(schema["pattern"], value):
        return "pattern"
    if isinstance(value, dict):
        return next((f"{name} is missing" for name in schema.get("required", ()) if name not in value), None)
    if schema.get("uniqueItems") and isinstance(value, list):
        return "uniqueItems" if any(same(one, other) for at, one in enumerate(value) for other in value[:at]) else None
    return None


def _occurs(pattern: str, text: str) -> bool:
    data = text.encode(errors="replace")
    return Expression(pattern, "pattern").occurs(data, 0, len(data))


def _is_number(value: Any) -> bool:
    return _TYPES["number"](value)


def _is_finite(value: float) -> bool:
    return isinstance(value, int) or math.isfinite(value)
