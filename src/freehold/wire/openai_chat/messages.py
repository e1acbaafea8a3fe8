"""The messages of a chat request as turns in no dialect."""

from typing import Any, TypeAlias

import msgspec

from freehold.core.conversation import (
    Call,
    Media,
    Part,
    Refusal,
    Result,
    Role,
    Text,
    Thinking,
    Turn,
    Untranslatable,
)  # fmt: skip
from freehold.core.errors import BadRequest
from freehold.wire.openai_chat.fields import NULL, strictly
from freehold.wire.openai_chat.parts import CacheControl, mark_of, parts_of, said_in
from freehold.wire.openai_chat.reasoning_details import Detail, thinking_of


class _Function(msgspec.Struct):
    name: str
    arguments: str = ""


class _Google(msgspec.Struct):
    thought_signature: str | None = None


class _Extra(msgspec.Struct):
    google: _Google | None = None


class _ToolCall(msgspec.Struct):
    id: str
    function: _Function | None = None
    type: str = "function"
    extra_content: _Extra | None = None  # where Google's own endpoint of this dialect keeps the signature of a call
    index: int | None = None


class _Told(msgspec.Struct):
    role: str
    content: msgspec.Raw = NULL
    name: str | None = None
    cache_control: CacheControl | None = None


class _Answered(_Told):
    tool_calls: list[msgspec.Raw] | None = None
    refusal: str | None = None
    function_call: _Function | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Detail] | None = None
    annotations: msgspec.Raw = NULL  # citations of an answer sent back; they say nothing to a model


class _Returned(_Told):
    tool_call_id: str = ""


class _Kind(msgspec.Struct):
    role: str


class _Called:
    """The calls so far: the tool's name by the call's id, and the latest id by the name, which is all that older results say."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.ids: dict[str, str] = {}


_Shape: TypeAlias = type[_Told] | type[_Answered] | type[_Returned]
_SHAPES: dict[str, tuple[Role, _Shape]] = {
    "system": ("system", _Told), "developer": ("system", _Told), "user": ("user", _Told),
    "assistant": ("assistant", _Answered), "tool": ("user", _Returned), "function": ("user", _Told),
}  # fmt: skip
_kind = msgspec.json.Decoder(_Kind)


def turns_of(messages: list[msgspec.Raw]) -> tuple[Turn, ...]:
    """All turns in order; the results of neighbouring tool messages stand in one. Raises BadRequest, Untranslatable."""
    turns: list[Turn] = []
    called = _Called()
    results_stand_open = False
    for at, raw in enumerate(messages):
        place = f"messages[{at}]"
        role, message = _read(raw, place)
        if message.role in {"tool", "function"}:
            result = _result(message, called, place)
            if results_stand_open:
                turns[-1] = Turn("user", (*turns[-1].parts, result))
            else:
                turns.append(Turn("user", (result,)))
        elif isinstance(message, _Answered):
            turns.append(Turn(role, _answer(message, called, at), message.name))
        else:
            turns.append(Turn(role, _marked(_content(message, place), message.cache_control), message.name))
        results_stand_open = message.role in {"tool", "function"}
    return tuple(turns)


def _read(raw: msgspec.Raw, place: str) -> tuple[Role, _Told]:
    try:
        role = _kind.decode(raw).role
    except msgspec.DecodeError as error:
        raise BadRequest(f"{place} is no message: {error}", param=place) from None
    if role not in _SHAPES:
        raise BadRequest(f"{place}.role is not one of {', '.join(sorted(_SHAPES))}", param=f"{place}.role")
    turn, shape = _SHAPES[role]
    return turn, strictly(raw, shape, place)


def _result(message: _Told, called: _Called, place: str) -> Result:
    if isinstance(message, _Returned):
        call_id, named = message.tool_call_id, f"{place}.tool_call_id"
    else:
        call_id, named = called.ids.get(message.name or "", ""), f"{place}.name"
    if not call_id:
        raise BadRequest(f"{named} names no call that came before", param=named)
    return Result(call_id, _content(message, place), name=called.names.get(call_id), cache=mark_of(message.cache_control))


def _content(message: _Told, place: str) -> tuple[Text | Media, ...]:
    parts = parts_of(message.content, f"{place}.content")
    said = tuple(part for part in parts if isinstance(part, Text | Media))
    if len(said) < len(parts):
        raise BadRequest(f"{place}.content holds a refusal; only an assistant's message can", param=f"{place}.content")
    return said


def _answer(message: _Answered, called: _Called, at: int) -> tuple[Part, ...]:
    """In the order in which an assistant's turn has them: thinking, words, calls."""
    place = f"messages[{at}]"
    parts: list[Part] = list(_thinking(message, place))
    said = [part for part in parts_of(message.content, f"{place}.content") if part != Text("")]
    parts += _marked(tuple(said), message.cache_control)
    if message.refusal:
        parts.append(Refusal(message.refusal))
    parts += (_call(raw, f"{place}.tool_calls[{index}]") for index, raw in enumerate(message.tool_calls or ()))
    if message.function_call is not None:
        parts.append(Call(f"function_{at}", message.function_call.name, message.function_call.arguments))
    for part in parts:
        if isinstance(part, Call):
            called.names[part.id], called.ids[part.name] = part.name, part.id
    return tuple(parts)


def _thinking(message: _Answered, place: str) -> list[Thinking]:
    """Details say all that the plain field says, and whose it is."""
    if message.reasoning_details:
        try:
            return [thinking_of(detail) for detail in message.reasoning_details]
        except ValueError as error:
            raise BadRequest(f"{place}.reasoning_details: {error}", param=f"{place}.reasoning_details") from None
    text = message.reasoning_content or message.reasoning
    return [Thinking(text)] if text else []


def _call(raw: msgspec.Raw, place: str) -> Call:
    kind = said_in(raw, "type", place) or "function"
    if kind != "function":
        raise Untranslatable(f"{place}.type", "only calls of functions can be said in another dialect")
    call = strictly(raw, _ToolCall, place)
    if call.function is None or not call.id:
        raise BadRequest(f"{place} lacks its {'id' if call.function else 'function'}", param=place)
    google = call.extra_content.google if call.extra_content else None
    return Call(call.id, call.function.name, call.function.arguments, google.thought_signature if google else None)


def _marked(parts: tuple[Any, ...], control: CacheControl | None) -> tuple[Any, ...]:
    """A mark on a message is a mark on its last part."""
    mark = mark_of(control)
    if mark is None or not parts or isinstance(parts[-1], Refusal):
        return parts
    return (*parts[:-1], msgspec.structs.replace(parts[-1], cache=mark))
