"""A finished message, in and out."""

from typing import Any

import msgspec

from freehold.core.conversation import Call, Refusal, Text, Thinking
from freehold.core.said import Choice, Said, StopReason, Whole
from freehold.core.usage import UsageSource
from freehold.wire.anthropic_messages.signatures import marked, unmarked
from freehold.wire.anthropic_messages.usage import merged, written
from freehold.wire.anthropic_messages.verdict import error_names

_STOPS: dict[str, StopReason] = {
    "end_turn": "end", "stop_sequence": "stop_sequence", "max_tokens": "length", "model_context_window_exceeded": "length",
    "tool_use": "calls", "refusal": "refused", "pause_turn": "paused",
}  # fmt: skip
_REASONS: dict[StopReason, str] = {
    "end": "end_turn", "stop_sequence": "stop_sequence", "length": "max_tokens", "calls": "tool_use", "refused": "refusal",
    "paused": "pause_turn",
}  # fmt: skip


class Message(msgspec.Struct):
    """A message as a target writes it; that of `message_start` has no content yet."""

    type: str
    id: str = ""
    model: str = ""
    content: list[msgspec.Raw] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")


class Block(msgspec.Struct):
    """A content block, whole or as it begins."""

    type: str
    text: str = ""
    thinking: str = ""
    signature: str | None = None  # an engine that does not sign says null, "" or nothing
    data: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


_messages = msgspec.json.Decoder(Message)
_blocks = msgspec.json.Decoder(Block)


def whole_of(body: bytes, source: UsageSource) -> Whole:
    """Raises ValueError on an error body, or anything else that is no message."""
    message = read_message(body)
    parts = tuple(_part(_blocks.decode(block)) for block in message.content or ())
    counted = merged((message.usage,), source)
    stop = stop_of(message.stop_reason, message.stop_sequence)
    return Whole(
        id=message.id, model=message.model, usage=counted.usage, raw_usage=counted.raw, service_tier=counted.service_tier,
        choices=(Choice(parts=parts, stop=stop, stop_sequence=message.stop_sequence),),
    )  # fmt: skip


def read_message(body: bytes) -> Message:
    """Raises ValueError on an error body, or anything else that is no message."""
    message = _messages.decode(body)
    if message.type != "message" or message.content is None:
        raise ValueError(f"200 with no message in it ({' '.join(error_names(body)) or 'no error code'})")
    return message


def stop_of(reason: str | None, sequence: str | None) -> StopReason | None:
    """llama.cpp names the sequence and still says end_turn. A reason that is not known here is an end like any other."""
    if reason is None:
        return None
    if reason == "end_turn" and sequence is not None:
        return "stop_sequence"
    return _STOPS.get(reason, "end")


def reason_of(stop: StopReason | None) -> str:
    """As callers of this dialect read it."""
    return "end_turn" if stop is None else _REASONS[stop]


def message_body(whole: Whole) -> bytes:
    """A whole answer as its caller reads it. Raises ValueError on media, which no message holds."""
    choice = whole.choices[0] if whole.choices else Choice(parts=(), stop=None)
    counts = written(whole.usage) | ({} if whole.service_tier is None else {"service_tier": whole.service_tier})
    message: dict[str, Any] = {
        "id": whole.id, "type": "message", "role": "assistant", "model": whole.model,
        "content": [_block(part) for part in choice.parts], "stop_reason": reason_of(choice.stop),
        "stop_sequence": choice.stop_sequence, "usage": counts,
    }  # fmt: skip
    return msgspec.json.encode(message)


def _part(block: Block) -> Said:
    match block.type:
        case "text":
            return Text(block.text)
        case "thinking":
            signature, maker = unmarked(block.signature)
            return Thinking(block.thinking, signature, maker=maker)
        case "redacted_thinking":
            signature, maker = unmarked(block.data)
            return Thinking("", signature, True, maker)
        case "tool_use":
            return Call(block.id, block.name, bytes(block.input).decode())
    raise ValueError(f"an answer holds a block of type {block.type!r}, which was not asked for")


def _block(part: Said) -> dict[str, Any]:
    match part:
        case Text() | Refusal():
            return {"type": "text", "text": part.text}
        case Thinking(redacted=True):
            return {"type": "redacted_thinking", "data": marked(part.signature, part.maker)}
        case Thinking():
            return {"type": "thinking", "thinking": part.text, "signature": marked(part.signature, part.maker)}
        case Call():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": _input(part.arguments)}
        case _:
            raise ValueError("an answer with media cannot be said in Anthropic Messages")


def _input(arguments: str) -> msgspec.Raw:
    """The arguments as an object. Raises ValueError where a model wrote none: the caller could not read it either."""
    if not isinstance(msgspec.json.decode(arguments or "{}"), dict):
        raise ValueError("a tool was called with arguments that are no JSON object")
    return msgspec.Raw((arguments or "{}").encode())
