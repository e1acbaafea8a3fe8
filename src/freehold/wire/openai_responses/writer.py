"""Steps as the typed events of a Responses stream, for a caller whose answer comes in another dialect.

response.created, response.in_progress; of each part output_item.added, its deltas, what it said in whole, output_item.done; at
last response.completed or response.incomplete with all of it again. Parts may interleave: every event says which item it is of.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from freehold.core.conversation import Call, Refusal, Text, Thinking
from freehold.core.request import Request
from freehold.core.said import Began, Broke, Closed, Ended, Opened, PartKind, Piece, Said, Signed, Step, Stopped, Used
from freehold.wire.openai_responses.answer import (
    UNDER_WAY,
    Ending,
    content_of,
    ending_of,
    id_of,
    item_of,
    repeated_of,
    response_of,
)  # fmt: skip

# By kind of part: what its deltas are called, the key under which they are said in whole, and the index inside the item.
_NAMES: dict[PartKind, tuple[str, str, str | None]] = {
    "text": ("response.output_text", "text", "content_index"),
    "refusal": ("response.refusal", "refusal", "content_index"),
    "thinking": ("response.reasoning_summary_text", "text", "summary_index"),
    "call": ("response.function_call_arguments", "arguments", None),
}


class ResponsesWriter:
    """The StepWriter port. There is one choice, as every request of this dialect asks for."""

    def __init__(self, request: Request) -> None:
        self._repeated = repeated_of(request)
        self._opened = Opened(id="", model="")
        self._used = Used(None)
        self._parts: dict[int, _Part] = {}
        self._output: dict[int, dict[str, Any]] = {}
        self._ended: _Part | None = None
        self._ending = Ending("completed")
        self._refused = False
        self._number = 0

    def write(self, step: Step) -> bytes:
        """Whole events; nothing where this step says nothing yet. ValueError on media in an answer."""
        match step:
            case Opened():
                self._opened, self._used = step, Used(step.usage)
                under_way = self._response(UNDER_WAY, [])
                return self._events([("response.created", under_way), ("response.in_progress", under_way)])
            case Began():
                return self._finish_ended("completed") + self._begin(step)
            case Piece():
                return self._events(self._part(step.part).say(step))
            case Signed():
                self._part(step.part).signed = step
            case Ended():
                # It is done when the next begins or the answer stops: only then is it known whether it was cut short, and a
                # call that was must not be carried out.
                before = self._finish_ended("completed")
                self._ended = self._parts.pop(step.part, None)
                return before
            case Stopped():
                self._ending = ending_of(step.stop, refused=self._refused)
                return self._finish_all(self._ending.status)
            case Used():
                self._used = step if step.usage is not None else self._used
            case Broke():
                self._ending = Ending("failed", code=step.code)
                return self._finish_all("incomplete") + self._end()
            case Closed():
                return self._finish_all(self._ending.status) + self._end()
        return b""

    def _part(self, number: int) -> "_Part":
        if number not in self._parts:
            raise ValueError("a part goes on that has not begun")
        return self._parts[number]

    def _begin(self, step: Began) -> bytes:
        if step.kind == "media":
            raise ValueError("an answer with media in it cannot be said as a response")
        self._refused = self._refused or step.kind == "refusal"
        index = len(self._output)
        self._output[index] = {}
        part = self._parts[step.part] = _Part(step, id_of(step.kind, self._opened.id, index), index)
        return self._events(part.begin())

    def _finish_ended(self, status: str) -> bytes:
        part, self._ended = self._ended, None
        return b"" if part is None else self._finish(part, status)

    def _finish_all(self, status: str) -> bytes:
        """What has ended and what never did; only the last can have been cut."""
        waiting = ([] if self._ended is None else [self._ended]) + list(self._parts.values())
        waiting.sort(key=lambda part: part.index)
        self._ended, self._parts = None, {}
        return b"".join(
            self._finish(part, status if part.index == len(self._output) - 1 else "completed") for part in waiting
        )  # fmt: skip

    def _finish(self, part: "_Part", status: str) -> bytes:
        self._output[part.index] = part.item(status)
        return self._events(part.finish(self._output[part.index]))

    def _end(self) -> bytes:
        return self._events([(f"response.{self._ending.status}", self._response(self._ending, list(self._output.values())))])

    def _response(self, ending: Ending, output: Sequence[dict[str, Any]]) -> dict[str, Any]:
        used = self._used if ending is not UNDER_WAY else Used(None)
        return {"response": response_of(self._opened, self._repeated, ending, output, used)}

    def _events(self, events: "_Events") -> bytes:
        written = []
        for kind, fields in events:
            data = msgspec.json.encode({"type": kind, "sequence_number": self._number, **fields})
            written.append(b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n")
            self._number += 1
        return b"".join(written)


_Events = Sequence[tuple[str, dict[str, Any]]]


class _Part:
    """One part as an item: the events that tell it. `index` is its place in the output."""

    def __init__(self, began: Began, some_id: str, index: int) -> None:
        self.index = index
        self.signed: Signed | None = None
        self._began = began
        self._id = some_id
        self._texts: list[str] = []
        self._logprobs: list[msgspec.Raw] = []
        self._names = _NAMES[began.kind]

    def begin(self) -> _Events:
        item = item_of(self._said(), self._id, "in_progress")
        if self._began.kind not in {"text", "refusal"}:
            return [("response.output_item.added", {"output_index": self.index, "item": item})]
        added = {"output_index": self.index, "item": item | {"content": []}}
        part = self._at() | {"part": content_of(self._began.kind, "")}
        return [("response.output_item.added", added), ("response.content_part.added", part)]

    def say(self, piece: Piece) -> _Events:
        events: list[tuple[str, dict[str, Any]]] = []
        logprobs = [] if piece.logprobs is None else msgspec.json.decode(piece.logprobs, type=list[msgspec.Raw])
        self._logprobs += logprobs
        if not piece.text and not (logprobs and self._began.kind == "text"):
            return events
        if self._began.kind == "thinking" and not self._texts:
            part = self._at() | {"part": {"type": "summary_text", "text": ""}}
            events.append(("response.reasoning_summary_part.added", part))
        self._texts.append(piece.text)
        delta = self._at() | {"delta": piece.text} | ({"logprobs": logprobs} if self._began.kind == "text" else {})
        events.append((f"{self._names[0]}.delta", delta))
        return events

    def finish(self, item: dict[str, Any]) -> _Events:
        """All of it once more, level by level."""
        text = "".join(self._texts)
        said = self._at() | {self._names[1]: text}
        events = [(f"{self._names[0]}.done", said)]
        match self._began.kind:
            case "text" | "refusal":
                said |= {"logprobs": self._logprobs} if self._began.kind == "text" else {}
                events.append(("response.content_part.done", self._at() | {"part": item["content"][0]}))
            case "thinking" if text:
                part = {"type": "summary_text", "text": text}
                events.append(("response.reasoning_summary_part.done", self._at() | {"part": part}))
            case "thinking":
                events = []
            case _:
                pass
        return [*events, ("response.output_item.done", {"output_index": self.index, "item": item})]

    def item(self, status: str) -> dict[str, Any]:
        logprobs = msgspec.Raw(msgspec.json.encode(self._logprobs)) if self._logprobs else None
        return item_of(self._said(), self._id, status, logprobs)

    def _said(self) -> Said:
        text = "".join(self._texts)
        match self._began.kind:
            case "thinking":
                signature, maker = (None, None) if self.signed is None else (self.signed.signature, self.signed.maker)
                return Thinking(text, signature, self._began.redacted, maker)
            case "call":
                return Call(self._began.id, self._began.name, text)
            case "refusal":
                return Refusal(text)
            case _:
                return Text(text)

    def _at(self) -> dict[str, Any]:
        place = {"item_id": self._id, "output_index": self.index}
        return place if self._names[2] is None else place | {self._names[2]: 0}
