"""Typed values out of a caller's raw body, with errors that name the place: for every dialect of OpenAI's."""

from typing import Any, TypeVar

import msgspec

from freehold.core.conversation import Untranslatable
from freehold.core.errors import BadRequest

T = TypeVar("T", bound=msgspec.Struct)
NULL = msgspec.Raw(b"null")
_SAYS_NOTHING = (b"null", b"[]", b"{}", b'""')
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def field(fields: dict[str, msgspec.Raw], name: str, decoder: "msgspec.json.Decoder[Any]", expected: str) -> Any:
    """A top-level field; null where it is absent. Raises BadRequest naming it."""
    try:
        return decoder.decode(fields.get(name, NULL))
    except msgspec.DecodeError as error:
        problem = "is missing" if name not in fields else f"is not {expected}: {error}"
        raise BadRequest(f"{name} {problem}", param=name) from None


def strictly(raw: msgspec.Raw, kind: type[T], place: str) -> T:
    """`raw` as that struct. Raises BadRequest on another shape, Untranslatable on a key the struct does not know that says
    something: nothing of a request may be lost on its way into another dialect."""
    try:
        given = _object.decode(raw)
        value = msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise BadRequest(f"{place} is not in the dialect's shape: {error}", param=place) from None
    for name in sorted(given.keys() - set(kind.__struct_encode_fields__)):
        if bytes(given[name]) not in _SAYS_NOTHING:
            raise Untranslatable(f"{place}.{name}", "no other dialect is known to have it")
    return value
