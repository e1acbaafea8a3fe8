"""What chat and Responses say alike of tools: a schema that must be an object, and which tool is to be called."""

from collections.abc import Callable
from typing import Literal

import msgspec

from freehold.core.conversation import ToolChoice, Untranslatable
from freehold.core.errors import BadRequest
from freehold.wire.openai_chat.fields import NULL
from freehold.wire.openai_chat.params import Fields
from freehold.wire.openai_chat.parts import said_in

_MODES: dict[str, Literal["auto", "none", "any"]] = {"auto": "auto", "none": "none", "required": "any"}


def schema_of(raw: msgspec.Raw, place: str) -> msgspec.Raw | None:
    """The schema that stands there; None where null does. Raises BadRequest on anything that is not an object."""
    first = memoryview(raw)[0]
    if first not in b"{n":
        raise BadRequest(f"{place} is not an object", param=place)
    return raw if first == ord("{") else None


def choice_of(fields: Fields, named: Callable[[msgspec.Raw], str]) -> ToolChoice | None:
    """`tool_choice`; `named` reads the function's name out of the dialect's object. Raises BadRequest, Untranslatable."""
    raw = fields.get("tool_choice", NULL)
    first = memoryview(raw)[0]
    if first == ord("n"):
        return None
    if first == ord('"'):
        said = msgspec.json.decode(raw, type=str)
        if said not in _MODES:
            raise BadRequest("tool_choice is not auto, none, required or a function's name", param="tool_choice")
        return ToolChoice(_MODES[said])
    kind = said_in(raw, "type", "tool_choice")
    if kind != "function":
        raise Untranslatable("tool_choice", f"{kind or 'a choice without a type'} cannot be said in another dialect")
    return ToolChoice("named", named(raw))
