"""Typed values out of a caller's raw body, with errors that name the place: for every dialect of OpenAI's."""

from typing import Any, TypeVar

import msgspec

from freehold.core.conversation import Untranslatable
from freehold.core.errors import BadRequest
from freehold.core.request import Hints


class StreamOptions(msgspec.Struct):
    """What the gateway itself reads of them."""

    include_usage: bool | None = None


T = TypeVar("T", bound=msgspec.Struct)
NULL = msgspec.Raw(b"null")
_SAYS_NOTHING = (b"null", b"[]", b"{}", b'""')
FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
TEXT, WHOLE, FLAG = msgspec.json.Decoder(str), msgspec.json.Decoder(int | None), msgspec.json.Decoder(bool | None)
OPTIONS, HINTS = msgspec.json.Decoder(StreamOptions | None), msgspec.json.Decoder(Hints | None)


def field(fields: dict[str, msgspec.Raw], name: str, decoder: "msgspec.json.Decoder[Any]", expected: str) -> Any:
    """A top-level field; null where it is absent. Raises BadRequest naming it."""
    try:
        return decoder.decode(fields.get(name, NULL))
    except msgspec.DecodeError as error:
        problem = "is missing" if name not in fields else f"is not {expected}: {error}"
        raise BadRequest(f"{name} {problem}", param=name) from None


def strictly(raw: msgspec.Raw, kind: type[T], place: str) -> T:
    """`raw` as that struct. Raises BadRequest on another shape, Untranslatable on a key that says something and that the struct,
    or one inside it, does not know: nothing of a request may be lost on its way into another dialect."""
    try:
        given = FIELDS.decode(raw)
        value = msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise BadRequest(f"{place} is not in the dialect's shape: {error}", param=place) from None
    for name in sorted(given):
        if name in kind.__struct_fields__:
            inner = getattr(value, name)
            if isinstance(inner, msgspec.Struct):
                strictly(given[name], type(inner), f"{place}.{name}")
        elif bytes(given[name]) not in _SAYS_NOTHING:
            raise Untranslatable(f"{place}.{name}", "no other dialect is known to have it")
    return value
