"""JSON in answers: read as values, compared as JSON Schema compares them."""

from typing import Any

import msgspec

_FENCE = "```"


class NotJson(ValueError):
    """The text is no JSON document."""


def read_json(text: str, *, fenced: bool = False) -> Any:
    """The value of a text that is one JSON document and nothing else; `fenced`: a Markdown code fence around it is taken off.

    Raises NotJson.
    """
    body = _inside_fence(text.strip()) if fenced else text
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        raise NotJson("not JSON") from None


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal as JSON: 1 is 1.0, but true is not 1; the order of an object's members is nothing."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _inside_fence(text: str) -> str:
    lines = text.splitlines()
    if len(lines) < 2 or not lines[0].startswith(_FENCE) or lines[-1] != _FENCE:
        return text
    return "\n".join(lines[1:-1])
