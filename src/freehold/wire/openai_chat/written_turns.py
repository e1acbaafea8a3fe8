"""Turns in no dialect as the messages of a chat request."""

from collections.abc import Sequence
from typing import Any

import msgspec

from freehold.core.conversation import CacheMark, Call, Media, Part, Refusal, Result, Text, Thinking, Turn, Untranslatable
from freehold.wire.openai_chat.parts import SOUNDS
from freehold.wire.openai_chat.quirks import Quirks

_DETAILS = frozenset({"auto", "low", "high", "original"})
_SOUND_NAMES = {media_type: name for name, media_type in SOUNDS.items()} | {"audio/x-wav": "wav", "audio/mp3": "mp3"}


def messages_of(turns: Sequence[Turn], quirks: Quirks) -> list[dict[str, Any]]:
    """All messages. Raises Untranslatable by the field's name."""
    if not turns:
        raise Untranslatable("messages", "there is none")
    if turns[-1].role == "assistant":
        raise Untranslatable("messages", "the last is the assistant's own, to be continued; chat completions begin a new one")
    return [message for turn in turns for message in _of_turn(turn, quirks)]


def _of_turn(turn: Turn, quirks: Quirks) -> list[dict[str, Any]]:
    named = {} if turn.name is None else {"name": turn.name}
    if turn.role == "assistant":
        return [{"role": "assistant", **_answer(turn.parts, quirks), **named}]
    results = [_result(part, quirks) for part in turn.parts if isinstance(part, Result)]
    said = [part for part in turn.parts if not isinstance(part, Result)]
    if results and not said:
        return results
    return [*results, {"role": turn.role, "content": _content(said, turn.role, quirks), **named}]


def _answer(parts: Sequence[Part], quirks: Quirks) -> dict[str, Any]:
    """Words before calls, whatever their order was: the dialect has no other. Thinking that a maker signed is left out."""
    said = [part for part in parts if not isinstance(part, Thinking | Call | Refusal)]
    calls = [_call(part) for part in parts if isinstance(part, Call)]
    refused = "".join(part.text for part in parts if isinstance(part, Refusal))
    thought = "".join(part.text for part in parts if isinstance(part, Thinking) and part.maker is None)
    message: dict[str, Any] = {"content": _content(said, "assistant", quirks) if said or not (calls or refused) else None}
    if quirks.thinking_field is not None and thought:
        message[quirks.thinking_field] = thought
    if refused:
        message["refusal"] = refused
    if calls:
        message["tool_calls"] = calls
    return message


def _call(call: Call) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _result(result: Result, quirks: Quirks) -> dict[str, Any]:
    """That a tool failed can only be said in words here."""
    parts = list(result.parts)
    if result.failed:
        match parts:
            case [Text(text=text, cache=cache), *rest]:
                parts = [Text(f"Error: {text}", cache), *rest]
            case _:
                parts = [Text("Error: "), *parts]
    if result.cache is not None and parts:
        parts[-1] = msgspec.structs.replace(parts[-1], cache=result.cache)
    return {"role": "tool", "tool_call_id": result.id, "content": _content(parts, "tool", quirks)}


def _content(parts: Sequence[Part], role: str, quirks: Quirks) -> str | list[dict[str, Any]]:
    """Text alone where that says it all: not every server takes lists."""
    match parts:
        case []:
            return ""
        case [Text(text=text, cache=cache)] if cache is None or not quirks.cache_control:
            return text
    return [_part(part, role, quirks) for part in parts]


def _part(part: Part, role: str, quirks: Quirks) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "text", "text": part.text, **_mark(part.cache, quirks)}
        case Media() if role == "user":
            return {**_media(part), **_mark(part.cache, quirks)}
        case Media():
            raise Untranslatable(part.kind, f"a chat message of role {role} holds text only")
    raise Untranslatable(type(part).__name__.lower(), f"a chat message of role {role} cannot hold it")


def _media(media: Media) -> dict[str, Any]:
    if media.file_id is not None:
        raise Untranslatable("file_id", "a file kept at one provider is not at another")
    whole = None if media.data is None or media.media_type is None else f"data:{media.media_type};base64,{media.data}"
    match media.kind:
        case "image" if (url := whole or media.url) is not None:
            if media.detail is not None and media.detail not in _DETAILS:
                raise Untranslatable("detail", f"{media.detail} is not one of {', '.join(sorted(_DETAILS))}")
            return {"type": "image_url", "image_url": {"url": url} | ({"detail": media.detail} if media.detail else {})}
        case "audio" if media.data is not None and media.media_type in _SOUND_NAMES:
            return {"type": "input_audio", "input_audio": {"data": media.data, "format": _SOUND_NAMES[media.media_type]}}
        case "file" if whole is not None:
            return {"type": "file", "file": {"filename": media.name or "document", "file_data": whole}}
    how = "by URL" if media.url is not None else f"as {media.media_type or 'data of an unnamed type'}"
    raise Untranslatable(media.kind, f"chat completions take none {how}")


def _mark(cache: CacheMark | None, quirks: Quirks) -> dict[str, Any]:
    if cache is None or not quirks.cache_control:
        return {}
    return {"cache_control": {"type": "ephemeral"} | ({"ttl": cache.ttl} if cache.ttl else {})}
