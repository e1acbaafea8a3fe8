"""What a schema refuses, what of a schema is refused, and that values are judged the same whatever their order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import BadSettings
from freehold.move.evaluate.json_schema import KEYWORDS, JsonSchema
from freehold.move.evaluate.json_values import same

TREE = {"$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}, "v": {"type": "integer"}}, "required": ["v"]}},
        "$ref": "#/$defs/node"}  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        ({"type": "integer"}, 1.0, None), ({"type": "integer"}, True, "type"), ({"type": ["null", "string"]}, None, None),
        ({"const": 1}, 1.0, None), ({"const": 1}, True, "const"), ({"enum": ["a", {"b": [1]}]}, {"b": [1.0]}, None),
        ({"enum": ["a"]}, "b", "enum"), ({"minimum": 3}, 3, None), ({"exclusiveMinimum": 3}, 3, "exclusiveMinimum"),
        ({"maximum": 3}, "text", None), ({"multipleOf": 0.1}, 0.3, None), ({"multipleOf": 0.1}, 0.35, "multipleOf"),
        ({"minimum": 0}, 10**400, None), ({"minLength": 2}, "ü", "minLength"), ({"maxItems": 1}, [1, 2], "maxItems"),
        ({"minProperties": 1}, {}, "minProperties"), ({"pattern": "^a"}, "ba", "pattern"), ({"pattern": "a"}, "ba", None),
        ({"uniqueItems": True}, [1, True], None), ({"uniqueItems": True}, [1, 1.0], "uniqueItems"),
        ({"required": ["a"]}, {}, "a is missing"), ({"properties": {"a": {"type": "null"}}}, {"a": 1}, "type"),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"b": 1}, "nothing is allowed there"),
        ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, "maxLength"), ({"items": {"type": "null"}}, [None, 1], "type"),
        ({"prefixItems": [{"type": "null"}], "items": False}, [None, 1], "nothing is allowed there"),
        ({"anyOf": [{"type": "null"}, {"minimum": 2}]}, 1, "anyOf"), ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 3, "oneOf"),
        ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, 3, "maximum"), ({"not": {"type": "null"}}, None, "not"),
        (TREE, {"v": 1, "next": {"v": 2}}, None), (TREE, {"v": 1, "next": {"v": "2"}}, "type"),
        (False, 1, "nothing is allowed there"),
        (True, 1, None), ({"description": "x", "format": "date", "title": "t"}, 1, None),
    ],
)  # fmt: skip
def test_values(schema: Any, value: Any, problem: str | None) -> None:
    assert JsonSchema(schema, "schema").problem(value) == problem


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"if": {}}, r"schema\.if: this keyword is not known"), ({"items": {"typ": 1}}, r"schema\.items\.typ"),
        ({"properties": {"a": {"minimum": "1"}}}, r"schema\.properties\.a\.minimum: give a number"),
        ({"type": "int"}, "give one of"),
        ({"type": []}, "give one of"), ({"required": "a"}, "a list of names"), ({"enum": 1}, "a list of values"),
        ({"multipleOf": 0}, "above 0"), ({"minLength": -1}, "from 0"), ({"uniqueItems": 1}, "true or false"),
        ({"pattern": 1}, "a text"),
        ({"pattern": "(?=a)"}, "RE2"), ({"anyOf": []}, "at least one"), ({"items": [{}]}, "no JSON schema"),
        (1, "no JSON schema"),
        ({"properties": []}, "by name"), ({"$ref": "https://example.org/s"}, r"\$defs"), ({"$ref": "#/$defs/none"}, r"\$defs"),
        ({"$ref": "#"}, "refers to itself"), ({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}}, "refers to itself"),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, r"\$schema"), ({"items": {"$id": "x"}}, r"\$id"),
    ],
)  # fmt: skip
def test_a_schema_that_could_be_misunderstood_is_refused(schema: Any, said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        JsonSchema(schema, "schema")


def test_a_value_nested_past_reason_is_refused_not_followed() -> None:
    value: Any = {"v": 1}
    for _ in range(200):
        value = {"v": 1, "next": value}
    assert JsonSchema(TREE, "schema").problem(value) == "nested too deeply"


def test_a_pattern_that_would_take_for_ever_elsewhere_does_not_here() -> None:
    assert JsonSchema({"pattern": "^(a+)+$"}, "schema").problem("a" * 50_000 + "b") == "pattern"


values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-2, 2) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(values, values, values)
def test_sameness_is_an_equivalence_and_const_is_sameness(one: Any, other: Any, third: Any) -> None:
    assert same(one, one)
    assert same(one, other) == same(other, one)
    if same(one, other) and same(other, third):
        assert same(one, third)
    assert (JsonSchema({"const": one}, "schema").problem(other) is None) == same(one, other)


@given(values)
def test_a_schema_and_its_opposite_never_agree(value: Any) -> None:
    for schema in ({"type": "object"}, {"minimum": 0}, {"items": {"type": "null"}}, {"enum": [0, "a"]}):
        opposite = JsonSchema({"not": schema}, "schema")
        assert (JsonSchema(schema, "schema").problem(value) is None) != (opposite.problem(value) is None)


def test_every_keyword_is_decided_or_only_said() -> None:
    assert {"type", "properties", "required", "enum", "items", "$ref", "anyOf"} <= KEYWORDS
    assert not {"if", "unevaluatedProperties", "patternProperties", "contains", "$dynamicRef"} & KEYWORDS
