"""The lab on OpenAI's Responses wire: a request as the lab reads it, and its answer. Text only, no tools."""

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from freehold.lab.chat import Chat, Message, decoded, sound
from freehold.lab.chunks import Chunks
from freehold.lab.generation import Generation

_REASONS: Mapping[str, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}


class _Request(msgspec.Struct):
    model: str
    input: str | list[Message]
    stream: bool | None = None
    max_output_tokens: int | None = None


_requests = msgspec.json.Decoder(_Request)


def read_responses(body: bytes) -> Chat:
    """A request from its body, its input as messages. Raises Refusal with 400."""
    request = decoded(_requests, body)
    said = [Message(content=request.input)] if isinstance(request.input, str) else request.input
    return sound(Chat(model=request.model, messages=said, stream=request.stream, max_tokens=request.max_output_tokens))


class ResponseScript:
    """Writes one answer: typed events, of which the last holds all of it again."""

    counts = True
    error = Chunks.error

    def __init__(self, answer_id: str, chat: Chat, generation: Generation, *, wrong_usage: bool = False) -> None:
        self._tokens = generation.choices[0]
        self._number = 0
        reason = _REASONS.get(generation.finish_reason)
        self._status = "completed" if reason is None else "incomplete"
        self._ended = {"status": self._status, "incomplete_details": None if reason is None else {"reason": reason}}
        self._head = {"id": answer_id, "object": "response", "created_at": int(time.time()), "model": chat.model, "error": None}
        self._head |= {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
        self._item = {"id": f"msg_{answer_id}", "type": "message", "role": "assistant"}
        self._at = {"item_id": self._item["id"], "output_index": 0, "content_index": 0}
        given, made = generation.prompt_tokens, -1 if wrong_usage else generation.completion_tokens()
        self._usage = {
            "input_tokens": given, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": made,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": given + made,
        }  # fmt: skip

    def opening(self, *, with_usage: bool) -> bytes:
        """The response, its item and the item's part, all begun and empty."""
        begun = self._head | {"status": "in_progress", "incomplete_details": None, "output": []}
        item = self._item | {"status": "in_progress", "content": []}
        return (
            self._event("response.created", {"response": begun})
            + self._event("response.output_item.added", {"output_index": 0, "item": item})
            + self._event("response.content_part.added", self._at | {"part": _part("")})
        )

    def content(self, start: int, end: int) -> bytes:
        """Tokens `start` to `end`."""
        return self._event("response.output_text.delta", self._at | {"delta": "".join(self._tokens[start:end]), "logprobs": []})

    def finish(self, *, with_usage: bool) -> bytes:
        """Text, part and item, each said once more in whole."""
        text = "".join(self._tokens)
        return (
            self._event("response.output_text.done", self._at | {"text": text, "logprobs": []})
            + self._event("response.content_part.done", self._at | {"part": _part(text)})
            + self._event("response.output_item.done", {"output_index": 0, "item": self._whole_item()})
        )

    def usage(self) -> bytes:
        """Nothing: the last event tells the counts."""
        return b""

    def end(self, *, with_usage: bool) -> bytes:
        """The event with the whole answer."""
        return self._event(f"response.{self._status}", {"response": self._body(with_usage=with_usage)})

    def whole(self, *, with_usage: bool) -> bytes:
        """The response as one body."""
        return msgspec.json.encode(self._body(with_usage=with_usage))

    def error_event(self) -> bytes:
        """An error inside the stream."""
        return self._event("error", {"code": "server_error", "message": "The server had an error (lab fault).", "param": None})

    def _body(self, *, with_usage: bool) -> dict[str, Any]:
        return self._head | self._ended | {"output": [self._whole_item()], "usage": self._usage if with_usage else None}

    def _whole_item(self) -> dict[str, Any]:
        return self._item | {"status": self._status, "content": [_part("".join(self._tokens))]}

    def _event(self, kind: str, fields: Mapping[str, Any]) -> bytes:
        data = msgspec.json.encode({"type": kind, "sequence_number": self._number, **fields})
        self._number += 1
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}
