"""A stream of the dialect, in and out: events to steps and steps to events."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from freehold.core.said import Began, Broke, Closed, Ended, Opened, Piece, Signed, Step, Stopped, Used
from freehold.core.usage import Usage, UsageSource
from freehold.wire.anthropic_messages.answer import Block, Message, reason_of, stop_of
from freehold.wire.anthropic_messages.signatures import marked, unmarked
from freehold.wire.anthropic_messages.usage import merged, written
from freehold.wire.anthropic_messages.verdict import error_names
from freehold.wire.sse import data_of

_NULL = msgspec.Raw(b"null")
_OfPart: TypeAlias = Began | Piece | Signed | Ended


class DeltaOf(msgspec.Struct):
    """What is new, of a block or of the message."""

    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    signature: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class Event(msgspec.Struct):
    """One event's data. `type` is empty on what is no event of this dialect, such as a bare error object."""

    type: str = ""
    index: int = 0
    message: Message | None = None
    content_block: Block | None = None
    delta: DeltaOf | None = None
    usage: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL


_events = msgspec.json.Decoder(Event)


def read_event(event: bytes) -> Event | None:
    """Its data; None where it has none. An error that is not of this dialect's shape is one all the same. Raises ValueError."""
    data = data_of(event)
    if data is None or data.strip() == b"[DONE]":  # which some servers send here too
        return None
    read = _events.decode(data)
    if bytes(read.error) != b"null":
        read.type = "error"
    return read


def error_code(event: bytes) -> str:
    """The names of an error event; its message may echo the prompt and is kept nowhere."""
    return " ".join(error_names(data_of(event) or b"")) or "no error code"


class MessagesReader:
    """Events of one stream in, steps out. A part's number is the order in which it began, whatever index it came with."""

    def __init__(self, source: UsageSource = "provider") -> None:
        self._source: UsageSource = source
        self._start = _NULL
        self._parts: dict[int, int] = {}
        self._silent: set[int] = set()  # calls whose arguments have not begun

    def read(self, event: bytes) -> Sequence[Step]:
        """One complete event. Raises ValueError on malformed data, and on blocks that no request of ours asks for."""
        read = read_event(event)
        if read is None:
            return ()
        match read.type:
            case "message_start" if read.message is not None:
                self._start = read.message.usage
                begun = merged((self._start,), self._source)
                return [Opened(id=read.message.id, model=read.message.model, usage=begun.usage)]
            case "content_block_start" if read.content_block is not None:
                return self._began(read.index, read.content_block)
            case "content_block_delta" if read.delta is not None:
                return self._piece(self._part(read.index), read.delta)
            case "content_block_stop":
                part = self._part(read.index)
                nothing = [Piece(0, part, "{}")] if part in self._silent else []
                return [*nothing, Ended(0, part)]
            case "message_delta":
                return self._message_delta(read)
            case "message_stop":
                return [Closed()]
            case "error":
                return [Broke(error_code(event))]
            case "message_start" | "content_block_start" | "content_block_delta" | "":
                raise ValueError("a stream event lacks what its type says it holds")
        return ()  # ping, and what later versions add: to be ignored, as the dialect's own pages say

    def close(self) -> Sequence[Step]:
        """Nothing is held back here, and the dialect ends a stream with an event of its own."""
        return ()

    def _part(self, index: int) -> int:
        if index not in self._parts:
            raise ValueError(f"content block {index} goes on without having begun")
        return self._parts[index]

    def _began(self, index: int, block: Block) -> list[Step]:
        if index in self._parts:
            raise ValueError(f"content block {index} begins twice")
        part = self._parts[index] = len(self._parts)
        match block.type:
            case "text":
                return [Began(choice=0, part=part, kind="text"), *_pieces(part, block.text)]
            case "thinking":
                return [
                    Began(choice=0, part=part, kind="thinking"),
                    *_pieces(part, block.thinking),
                    *_signed(part, block.signature),
                ]
            case "redacted_thinking":
                return [Began(choice=0, part=part, kind="thinking", redacted=True), *_signed(part, block.data)]
            case "tool_use":
                begun = "" if bytes(block.input) in (b"{}", b"null") else bytes(block.input).decode()
                if not begun:
                    self._silent.add(part)
                return [Began(choice=0, part=part, kind="call", id=block.id, name=block.name), *_pieces(part, begun)]
        raise ValueError(f"an answer holds a block of type {block.type!r}, which was not asked for")

    def _piece(self, part: int, delta: DeltaOf) -> list[Step]:
        if delta.type == "signature_delta":
            return _signed(part, delta.signature)
        text = {"text_delta": delta.text, "thinking_delta": delta.thinking, "input_json_delta": delta.partial_json}.get(
            delta.type, ""
        )
        if text:
            self._silent.discard(part)
        return _pieces(part, text)

    def _message_delta(self, event: Event) -> list[Step]:
        steps: list[Step] = []
        if event.delta is not None:
            stop = stop_of(event.delta.stop_reason, event.delta.stop_sequence)
            steps += [] if stop is None else [Stopped(0, stop, event.delta.stop_sequence)]
        if bytes(event.usage) != b"null":
            counted = merged((self._start, event.usage), self._source)
            steps.append(Used(counted.usage, counted.raw, counted.service_tier))
        return steps


def _pieces(part: int, text: str) -> list[Step]:
    return [Piece(0, part, text)] if text else []


def _signed(part: int, text: str | None) -> list[Step]:
    signature, maker = unmarked(text)
    return [] if signature is None or maker is None else [Signed(0, part, signature, maker)]


class MessagesWriter:
    """Steps of one stream in, events out: message_start, each block from its start to its stop, message_delta, message_stop.

    Blocks follow one another in this dialect: what is said of a later part while an earlier one is open waits for its turn.
    There is one choice, as every request of it asks for.
    """

    def __init__(self) -> None:
        self._open: Began | None = None
        self._index = -1
        self._started = False  # whether the open block's start is out; redacted thinking has its data in it
        self._waiting: list[_OfPart] = []
        self._used: Usage | None = None
        self._stopped: Stopped | None = None

    def write(self, step: Step) -> bytes:
        """Whole events; nothing where this step says nothing yet. Raises ValueError on media, which no message holds."""
        match step:
            case Opened():
                self._used = step.usage
                return _message_start(step)
            case Began() | Piece() | Signed() | Ended():
                return self._block(step)
            case Stopped():
                self._stopped = step
                return self._end_blocks()
            case Used():
                self._used = step.usage or self._used
                return b""
            case Closed():
                return self._end_blocks() + self._message_end()
            case _:
                return b""  # the error event is written where it is known what our caller is told

    def _block(self, step: _OfPart) -> bytes:
        if self._open is not None and step.part != self._open.part:
            self._waiting.append(step)
            return b""
        match step:
            case Began():
                return self._begin(step)
            case Piece():
                return self._say(_DELTAS[self._kind()], step.text) if step.text else b""
            case Signed() if self._kind() == "thinking":
                return self._sign(marked(step.signature, step.maker))
            case Ended():
                return self._end()
            case _:
                return b""  # a call has no place for a signature here

    def _kind(self) -> str:
        if self._open is None:
            raise ValueError("a part goes on that has not begun")
        return self._open.kind

    def _begin(self, step: Began) -> bytes:
        if step.kind == "media":
            raise ValueError("an answer with media cannot be said in Anthropic Messages")
        self._open = step
        self._index += 1
        self._started = False
        return b"" if step.redacted else self._start(_start_block(step))

    def _start(self, block: dict[str, Any]) -> bytes:
        self._started = True
        return _event("content_block_start", index=self._index, content_block=block)

    def _say(self, names: tuple[str, str], text: str) -> bytes:
        return _event("content_block_delta", index=self._index, delta={"type": names[0], names[1]: text})

    def _sign(self, signature: str) -> bytes:
        assert self._open is not None
        if self._open.redacted:
            return self._start({"type": "redacted_thinking", "data": signature}) if not self._started else b""
        return self._say(("signature_delta", "signature"), signature)

    def _end(self) -> bytes:
        if self._open is None:
            return b""
        begun = b"" if self._started else self._start({"type": "redacted_thinking", "data": ""})
        self._open = None
        stop = begun + _event("content_block_stop", index=self._index)
        waiting, self._waiting = self._waiting, []
        return stop + b"".join(self._block(step) for step in waiting)

    def _end_blocks(self) -> bytes:
        events = b""
        while self._open is not None:
            events += self._end()
        return events

    def _message_end(self) -> bytes:
        stop, sequence = (None, None) if self._stopped is None else (self._stopped.stop, self._stopped.stop_sequence)
        delta = {"stop_reason": reason_of(stop), "stop_sequence": sequence}
        return _event("message_delta", delta=delta, usage=written(self._used)) + MESSAGE_STOP


_DELTAS = {
    "text": ("text_delta", "text"), "refusal": ("text_delta", "text"), "thinking": ("thinking_delta", "thinking"),
    "call": ("input_json_delta", "partial_json"),
}  # fmt: skip


def _start_block(step: Began) -> dict[str, Any]:
    if step.kind == "thinking":
        return {"type": "thinking", "thinking": "", "signature": ""}
    if step.kind == "call":
        return {"type": "tool_use", "id": step.id, "name": step.name, "input": {}}
    return {"type": "text", "text": ""}


def _message_start(step: Opened) -> bytes:
    message: dict[str, Any] = {
        "id": step.id, "type": "message", "role": "assistant", "model": step.model, "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": written(step.usage),
    }  # fmt: skip
    return _event("message_start", message=message)


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode({"type": kind, **fields}) + b"\n\n"


MESSAGE_STOP = _event("message_stop")
