"""JSON Schema as far as Gemini follows it. It takes any other keyword too and passes over it, which enforces nothing.

The keywords are those of `responseJsonSchema` in the API reference, as of 2026-11-21; annotations change no answer and may stay.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from freehold.core.conversation import Untranslatable

_FOLLOWED = frozenset(
    "$id $defs $ref $anchor type format title description enum items prefixItems minItems maxItems minimum maximum anyOf oneOf"
    " properties additionalProperties required propertyOrdering".split()
)
_ANNOTATIONS = frozenset("$schema $comment default examples deprecated readOnly writeOnly".split())
_OF_ONE, _OF_LIST, _OF_NAMES = ("items", "additionalProperties"), ("prefixItems", "anyOf", "oneOf"), ("properties", "$defs")


def require_followed(schema: msgspec.Raw, field: str) -> dict[str, Any]:
    """The schema. Raises Untranslatable, naming the field and the keyword, where Gemini would not hold an answer to all of it."""
    root = msgspec.json.decode(schema)
    if not isinstance(root, dict):
        raise Untranslatable(field, "its schema is no object")
    waiting: list[Any] = [root]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict):
            if passed_over := sorted(inner.keys() - _FOLLOWED - _ANNOTATIONS):
                raise Untranslatable(field, f"the target takes a schema with {passed_over[0]} and does not follow it")
            waiting += _inside(inner)
    return root


def _inside(schema: dict[str, Any]) -> Iterator[Any]:
    for name in _OF_ONE:
        yield schema.get(name)
    for name in _OF_LIST:
        if isinstance(several := schema.get(name), list):
            yield from several
    for name in _OF_NAMES:
        if isinstance(named := schema.get(name), dict):
            yield from named.values()
