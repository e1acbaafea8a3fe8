"""The lab on Anthropic's wire: a Messages request as the lab reads it, its answer, and its errors. Text only, no tools."""

from collections.abc import Mapping
from typing import Any

import msgspec

from freehold.lab.asgi import Refusal
from freehold.lab.chat import Chat, decoded, sound
from freehold.lab.generation import Generation

_REASONS: Mapping[str, str] = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
_TYPES: Mapping[int, str] = {
    400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 413: "request_too_large",
    429: "rate_limit_error", 503: "overloaded_error", 529: "overloaded_error",
}  # fmt: skip
_encode = msgspec.json.encode
_requests = msgspec.json.Decoder(Chat)


def read_messages(body: bytes) -> Chat:
    """A request from its body: a message has its blocks under the names that a chat message has its parts under, and a system
    prompt counts as no text. Raises Refusal with 400 where a real API would."""
    request = sound(decoded(_requests, body))
    if request.max_tokens is None or request.tools:
        raise Refusal(400, "invalid_request_error", None, "give max_tokens, and no tools: this stand-in calls none")
    return request


def messages_error(refused: Refusal) -> bytes:
    """The error as Anthropic writes it; money that ran out has a code of its own among the details."""
    details = {"details": {"error_code": "workspace_spend_limit_reached"}} if refused.code == "insufficient_quota" else {}
    error = {"type": _TYPES.get(refused.status, "api_error"), "message": refused.message, **details}
    return _encode({"type": "error", "error": error})


class MessageScript:
    """Writes one answer: message_start, one block of text, message_delta, message_stop."""

    counts = True
    error = _encode({"type": "error", "error": {"type": "api_error", "message": "The server had an error (lab fault)."}})

    def __init__(self, answer_id: str, chat: Chat, generation: Generation, *, wrong_usage: bool = False) -> None:
        self._tokens = generation.choices[0]
        self._stop = {"stop_reason": _REASONS[generation.finish_reason], "stop_sequence": None}
        self._message = {"id": answer_id, "type": "message", "role": "assistant", "model": chat.model}
        self._input = {"input_tokens": generation.prompt_tokens}
        self._usage = self._input | {"output_tokens": -1 if wrong_usage else generation.completion_tokens()}

    def opening(self, *, with_usage: bool) -> bytes:
        """message_start, which knows the input, and the start of the block."""
        nothing: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None}
        usage = {"usage": self._input | {"output_tokens": 1}} if with_usage else {}
        block = {"index": 0, "content_block": {"type": "text", "text": ""}}
        return _event("message_start", {"message": self._message | nothing | usage}) + _event("content_block_start", block)

    def content(self, start: int, end: int) -> bytes:
        """Tokens `start` to `end`; the last of them end the block."""
        delta = {"type": "text_delta", "text": "".join(self._tokens[start:end])}
        event = _event("content_block_delta", {"index": 0, "delta": delta})
        return event + _event("content_block_stop", {"index": 0}) if end >= len(self._tokens) else event

    def finish(self, *, with_usage: bool) -> bytes:
        """message_delta: why it ended, and the counts."""
        return _event("message_delta", {"delta": self._stop, **({"usage": self._usage} if with_usage else {})})

    def usage(self) -> bytes:
        """Nothing: message_delta has told them."""
        return b""

    def end(self, *, with_usage: bool) -> bytes:
        """message_stop."""
        return _event("message_stop", {})

    def whole(self, *, with_usage: bool) -> bytes:
        """The message as one body."""
        content = {"content": [{"type": "text", "text": "".join(self._tokens)}]}
        return _encode(self._message | content | self._stop | ({"usage": self._usage} if with_usage else {}))

    def error_event(self) -> bytes:
        """The error body as an event."""
        return b"event: error\ndata: " + self.error + b"\n\n"


def _event(kind: str, fields: dict[str, Any]) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + _encode({"type": kind, **fields}) + b"\n\n"
