"""The messages of a request as turns in no dialect. What only this dialect has is refused by the place where it stands."""

import base64
from functools import partial
from typing import Any, TypeAlias

import msgspec

from freehold.core.conversation import CacheMark, Call, Media, Part, Result, Text, Thinking, Turn, Untranslatable
from freehold.core.errors import BadRequest
from freehold.wire.anthropic_messages import blocks
from freehold.wire.anthropic_messages.blocks import BLOCKS, Cache, Source, Tagged
from freehold.wire.anthropic_messages.signatures import unmarked

Names: TypeAlias = dict[str, str]  # of the tools called so far, by the call's id


class _Message(msgspec.Struct):
    role: str
    content: msgspec.Raw


_messages = msgspec.json.Decoder(list[_Message])
_blocks = msgspec.json.Decoder(list[msgspec.Raw])
_tagged = msgspec.json.Decoder(Tagged)
_text = msgspec.json.Decoder(str)
_DEFAULT_SOURCES = {"image": None, "file": "application/pdf"}


def turns_of(raw: msgspec.Raw) -> tuple[Turn, ...]:
    """Every message in order. Raises BadRequest on a shape that the dialect has not, Untranslatable on one that only it has."""
    messages = _decoded(_messages, raw, "messages")
    names: Names = {}
    turns = [_turn(message, f"messages[{at}]", names) for at, message in enumerate(messages)]
    if turns and turns[-1].role == "assistant":
        raise Untranslatable("messages", "they end with the beginning of an answer to go on from")
    return tuple(turns)


def system_of(raw: msgspec.Raw) -> tuple[Turn, ...]:
    """The `system` field as a turn, none where it says nothing."""
    parts = _parts(raw, "system", {}, ("text",))
    return (Turn("system", parts),) if parts else ()


def mark(cache: Cache | None) -> CacheMark | None:
    """A cache breakpoint."""
    return None if cache is None else CacheMark(cache.ttl)


def _turn(message: _Message, place: str, names: Names) -> Turn:
    content = f"{place}.content"
    match message.role:
        case "system":
            return Turn("system", _parts(message.content, content, names, ("text",)))
        case "assistant":
            kinds: tuple[str, ...] = ("text", "thinking", "redacted_thinking", "tool_use")
            return Turn("assistant", _parts(message.content, content, names, kinds))
        case "user":
            parts = _parts(message.content, content, names, ("text", "image", "document", "tool_result"))
            results = sum(isinstance(part, Result) for part in parts)
            if not all(isinstance(part, Result) for part in parts[:results]):
                raise BadRequest(f"{content}: put tool_result blocks before all others", param=content)
            return Turn("user", parts)
        case _:
            raise BadRequest(f"{place}.role is {message.role!r}; use user, assistant or system", param=f"{place}.role")


def _parts(raw: msgspec.Raw, place: str, names: Names, allowed: tuple[str, ...]) -> tuple[Part, ...]:
    first = memoryview(raw)[0]
    if first == ord('"'):
        text = _decoded(_text, raw, place)
        return (Text(text),) if text else ()
    if first == ord("n"):
        return ()
    found = _decoded(_blocks, raw, place)
    return tuple(_part(block, f"{place}[{at}]", names, allowed) for at, block in enumerate(found))


def _part(raw: msgspec.Raw, place: str, names: Names, allowed: tuple[str, ...]) -> Part:
    kind = _decoded(_tagged, raw, place).type
    if kind not in BLOCKS:
        raise Untranslatable(place, f"no other dialect has blocks of type {kind!r}")
    if kind not in allowed:
        raise BadRequest(f"{place}: a {kind} block cannot stand here", param=place)
    block = _decoded(BLOCKS[kind], raw, place)
    match block:
        case blocks.TextBlock():
            _require_unsaid(place, citations=block.citations)
            return Text(block.text, mark(block.cache_control))
        case blocks.ImageBlock():
            _require_unsaid(place, transformations=block.transformations)
            return _media("image", block.source, f"{place}.source", cache=mark(block.cache_control))
        case blocks.DocumentBlock():
            cited = isinstance(block.citations, dict) and block.citations.get("enabled")
            _require_unsaid(place, citations=cited, context=block.context)
            return _media("file", block.source, f"{place}.source", name=block.title, cache=mark(block.cache_control))
        case blocks.ThinkingBlock():
            signature, maker = unmarked(block.signature)
            return Thinking(block.thinking, signature, maker=maker)
        case blocks.RedactedBlock():
            signature, maker = unmarked(block.data)
            return Thinking("", signature, True, maker)
        case blocks.ToolUseBlock():
            return _call(block, place, names)
        case _:
            assert isinstance(block, blocks.ToolResultBlock)
            _require_unsaid(place, toolset_name=block.toolset_name)
            parts = _parts(block.content, f"{place}.content", names, ("text", "image", "document"))
            media_or_text = tuple(part for part in parts if isinstance(part, Text | Media))
            name, failed = names.get(block.tool_use_id), bool(block.is_error)
            return Result(block.tool_use_id, media_or_text, failed, name, mark(block.cache_control))


def _call(block: blocks.ToolUseBlock, place: str, names: Names) -> Call:
    direct = block.caller is None or block.caller == {"type": "direct"}
    _require_unsaid(place, caller=None if direct else block.caller, toolset_name=block.toolset_name)
    if memoryview(block.input)[0] != ord("{"):
        raise BadRequest(f"{place}.input is not an object", param=f"{place}.input")
    names[block.id] = block.name
    return Call(block.id, block.name, bytes(block.input).decode(), cache=mark(block.cache_control))


def _media(kind: Any, source: Source, place: str, *, name: str | None = None, cache: CacheMark | None) -> Media:
    """Text of a document becomes base64 as all media is, of type text/plain."""
    make = partial(Media, kind=kind, name=name, cache=cache)
    match source.type:
        case "base64" if source.data is not None and source.media_type is not None:
            return make(media_type=source.media_type, data=source.data)
        case "url" if source.url is not None:
            return make(media_type=_DEFAULT_SOURCES[kind], url=source.url)
        case "file" if source.file_id is not None:
            return make(file_id=source.file_id)
        case "text" if source.data is not None and kind == "file":
            return make(media_type="text/plain", data=base64.b64encode(source.data.encode(errors="replace")).decode())
        case "content" if kind == "file":
            raise Untranslatable(place, "no other dialect has documents made of blocks")
    raise BadRequest(f"{place} is no source of this block, or lacks a field of its type {source.type!r}", param=place)


def _require_unsaid(place: str, **values: Any) -> None:
    for name, value in values.items():
        if value:
            raise Untranslatable(f"{place}.{name}", "no other dialect has this")


def _decoded(decoder: msgspec.json.Decoder[Any], raw: msgspec.Raw, place: str) -> Any:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"{place}: {error}", param=place) from None
