"""The input of a request, a text or items, as turns in no dialect. What only this dialect has is refused by its place."""

from typing import TypeAlias

import msgspec

from freehold.core.conversation import Call, Media, Part, Refusal, Result, Role, Text, Thinking, Turn, Untranslatable
from freehold.core.errors import BadRequest
from freehold.wire.openai_chat.fields import strictly
from freehold.wire.openai_chat.parts import said_in
from freehold.wire.openai_responses.parts import parts_of
from freehold.wire.openai_responses.signatures import unmarked


class _Item(msgspec.Struct):
    type: str | None = None
    id: str | None = None
    status: str | None = None


class _Message(_Item, kw_only=True):
    role: str
    content: msgspec.Raw
    phase: str | None = None  # of OpenAI's own earlier answers: a hint (see parse.py)


class _Caller(msgspec.Struct):
    type: str


class _Called(_Item):
    """A call, or what came back: both may say who called and out of which group of tools."""

    call_id: str = ""
    name: str | None = None
    namespace: str | None = None
    caller: _Caller | None = None


class _Call(_Called, kw_only=True):
    arguments: str


class _Output(_Called, kw_only=True):
    output: msgspec.Raw


class _Words(msgspec.Struct):
    text: str
    type: str = ""


class _Reasoning(_Item):
    summary: list[_Words] | None = None
    content: list[_Words] | None = None
    encrypted_content: str | None = None


_Names: TypeAlias = dict[str, str]  # of the tools called so far, by the call's id
_ROLES: dict[str, Role] = {"user": "user", "system": "system", "developer": "system", "assistant": "assistant"}
_list = msgspec.json.Decoder(list[msgspec.Raw])


def turns_of(raw: msgspec.Raw) -> tuple[Turn, ...]:
    """All turns in order. What the assistant said and called in a row is one turn; so are neighbouring results.

    Raises BadRequest on a shape that the dialect has not, Untranslatable on what no conversation holds.
    """
    if memoryview(raw)[0] != ord("["):
        return (Turn("user", parts_of(raw, "input")),)
    turns: list[Turn] = []
    names: _Names = {}
    results_stand_open = False
    for at, item in enumerate(_list.decode(raw)):
        role, parts = _read(item, f"input[{at}]", names)
        is_result = any(isinstance(part, Result) for part in parts)
        joins = role == "assistant" or (is_result and results_stand_open)
        if joins and turns and turns[-1].role == role:
            turns[-1] = Turn(role, (*turns[-1].parts, *parts))
        elif parts or role != "assistant":
            turns.append(Turn(role, parts))
        results_stand_open = is_result
    return tuple(turns)


def _read(raw: msgspec.Raw, place: str, names: _Names) -> tuple[Role, tuple[Part, ...]]:
    kind = said_in(raw, "type", place)
    match kind:
        case None if said_in(raw, "role", place) is not None:
            return _message(strictly(raw, _Message, place), place)
        case "message":
            return _message(strictly(raw, _Message, place), place)
        case "function_call":
            return "assistant", (_call(strictly(raw, _Call, place), place, names),)
        case "function_call_output":
            return "user", (_result(strictly(raw, _Output, place), place, names),)
        case "reasoning":
            return "assistant", _thinking(strictly(raw, _Reasoning, place))
    raise Untranslatable(place, f"no other dialect has items of type {kind or 'item_reference'}")


def _message(message: _Message, place: str) -> tuple[Role, tuple[Part, ...]]:
    if message.role not in _ROLES:
        raise BadRequest(f"{place}.role is not one of {', '.join(sorted(_ROLES))}", param=f"{place}.role")
    parts = parts_of(message.content, f"{place}.content")
    if message.role != "assistant" and any(isinstance(part, Refusal) for part in parts):
        raise BadRequest(f"{place}.content holds a refusal; only an assistant's message can", param=f"{place}.content")
    return _ROLES[message.role], parts


def _call(call: _Call, place: str, names: _Names) -> Call:
    _require_plain(call, place)
    if not call.name:
        raise BadRequest(f"{place}.name is missing", param=f"{place}.name")
    names[call.call_id] = call.name
    return Call(call.call_id, call.name, call.arguments)


def _result(output: _Output, place: str, names: _Names) -> Result:
    _require_plain(output, place)
    parts = parts_of(output.output, f"{place}.output")
    said = tuple(part for part in parts if isinstance(part, Text | Media))
    if len(said) < len(parts):
        raise BadRequest(f"{place}.output holds a refusal; only an assistant's message can", param=f"{place}.output")
    return Result(output.call_id, said, name=output.name or names.get(output.call_id))


def _require_plain(called: _Called, place: str) -> None:
    if not called.call_id:
        raise BadRequest(f"{place}.call_id is missing", param=f"{place}.call_id")
    if called.namespace is not None:
        raise Untranslatable(f"{place}.namespace", "no other dialect groups tools")
    if called.caller is not None and called.caller.type != "direct":
        raise Untranslatable(f"{place}.caller", "no other dialect has programs that call tools")


def _thinking(reasoning: _Reasoning) -> tuple[Part, ...]:
    """What the thinking says in full, else in its summary. An item that says and seals nothing is a reference and no thought."""
    signature, maker = unmarked(reasoning.encrypted_content)
    text = "\n\n".join(words.text for words in reasoning.content or reasoning.summary or ())
    if not text and signature is None:
        return ()
    return (Thinking(text, signature, redacted=not text, maker=maker),)
