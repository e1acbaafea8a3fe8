"""A conversation's turns as the messages and the system prompt of a Messages body.

All results of one assistant turn stand in one user turn, results first; system turns are hoisted, wherever they stood, as
Anthropic's own OpenAI-compatible endpoint does. Empty text says nothing and is not allowed there, so it is left out.
"""

import base64
import binascii
import hashlib
import itertools
import re
from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from freehold.core.conversation import CacheMark, Call, Media, Part, Refusal, Result, Text, Thinking, Turn, Untranslatable
from freehold.wire.anthropic_messages.signatures import DIALECT

Block: TypeAlias = dict[str, Any]

_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_PLAIN_DETAILS = (None, "auto", "high")


def system_blocks(turns: Iterable[Turn]) -> list[Block]:
    """Text blocks of every system turn."""
    blocks: list[Block] = []
    for turn in turns:
        if turn.role == "system":
            for part in turn.parts:
                if not isinstance(part, Text):
                    raise Untranslatable("messages", "a system prompt holds nothing but text")
                blocks += _text(part)
    return blocks


def messages(turns: Iterable[Turn]) -> list[Block]:
    """Alternating messages. Raises Untranslatable for what they cannot hold."""
    spoken = [turn for turn in turns if turn.role != "system"]
    found: list[Block] = []
    for role, group in itertools.groupby(spoken, key=lambda turn: turn.role):
        together = list(group)
        if any(turn.name is not None for turn in together):
            raise Untranslatable("name", "a turn has no name in this dialect")
        parts = [part for turn in together for part in turn.parts]
        parts.sort(key=lambda part: not isinstance(part, Result))  # stable: results first, all else in its order
        blocks = [block for part in parts for block in _blocks(part, role == "assistant")]
        if blocks:
            found.append({"role": role, "content": blocks})
    if not found or found[-1]["role"] != "user":
        raise Untranslatable("messages", "an answer is only given to a user's turn")
    return found


def marked(block: Block, cache: CacheMark | None) -> Block:
    """The block with its cache breakpoint, where it has one."""
    if cache is None:
        return block
    if cache.ttl not in (None, "5m", "1h"):
        raise Untranslatable("cache_control", f"a cache lives 5m or 1h, not {cache.ttl}")
    return block | {"cache_control": {"type": "ephemeral"} | ({} if cache.ttl is None else {"ttl": cache.ttl})}


def call_id(identity: str) -> str:
    """The same id where Anthropic takes it, else one made from it, the same each time."""
    return identity if _ID.fullmatch(identity) else "call_" + hashlib.sha256(identity.encode(errors="replace")).hexdigest()[:24]


def _blocks(part: Part, assistant: bool) -> list[Block]:
    match part:
        case Text():
            return _text(part)
        case Refusal():
            return _text(Text(part.text))
        case Thinking():
            return _thinking(part)
        case Media() if assistant:
            raise Untranslatable("messages", "an assistant's turn holds no media here")
        case Media():
            return [_media(part)]
        case Call():
            return [
                marked({"type": "tool_use", "id": call_id(part.id), "name": part.name, "input": _arguments(part)}, part.cache)
            ]
        case Result():
            inner = [block for one in part.parts for block in _blocks(one, assistant)]
            block: Block = {"type": "tool_result", "tool_use_id": call_id(part.id)}
            block |= {"content": inner} if inner else {}
            return [marked(block | ({"is_error": True} if part.failed else {}), part.cache)]


def _text(part: Text) -> list[Block]:
    return [marked({"type": "text", "text": part.text}, part.cache)] if part.text else []


def _thinking(part: Thinking) -> list[Block]:
    """What another maker signed, or nobody, would be rejected; earlier thinking may be left out."""
    if part.maker != DIALECT or part.signature is None:
        return []
    if part.redacted:
        return [{"type": "redacted_thinking", "data": part.signature}]
    return [{"type": "thinking", "thinking": part.text, "signature": part.signature}]


def _arguments(call: Call) -> Any:
    try:
        value = msgspec.json.decode(call.arguments or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Untranslatable("tool_calls", f"the arguments of call {call_id(call.id)} are no JSON object")
    return msgspec.Raw((call.arguments or "{}").encode())


def _media(part: Media) -> Block:
    if part.detail not in _PLAIN_DETAILS:
        raise Untranslatable("detail", f"how closely to look cannot be said here, least of all {part.detail!r}")
    if part.file_id is not None:
        raise Untranslatable("file_id", "a file kept at one provider is not known to another")
    if part.kind == "image":
        if part.data is not None and part.media_type not in _IMAGES:
            raise Untranslatable("image_url", f"an image is jpeg, png, gif or webp here, not {part.media_type}")
        return marked({"type": "image", "source": _source(part)}, part.cache)
    if part.kind == "file":
        title = {} if part.name is None else {"title": part.name}
        return marked({"type": "document", "source": _document(part), **title}, part.cache)
    raise Untranslatable("input_audio", "this dialect has no sound")


def _document(part: Media) -> Block:
    if part.media_type == "text/plain" and part.data is not None:
        try:
            text = base64.b64decode(part.data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise Untranslatable("file", "a text/plain document is not base64 of UTF-8") from None
        return {"type": "text", "media_type": "text/plain", "data": text}
    if part.media_type not in (None, "application/pdf") or (part.data is not None and part.media_type is None):
        raise Untranslatable("file", f"a document is a PDF or plain text here, not {part.media_type}")
    return _source(part)


def _source(part: Media) -> Block:
    if part.data is not None:
        return {"type": "base64", "media_type": part.media_type, "data": part.data}
    if part.url is None:
        raise Untranslatable("messages", f"a part of kind {part.kind} has neither data nor a URL")
    return {"type": "url", "url": part.url}
