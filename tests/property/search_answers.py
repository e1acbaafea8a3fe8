"""What a caller got, read as its own dialect's SDK would read it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

_DONE = b"data: [DONE]\n"
_ENDINGS: Mapping[str, bytes] = {
    "openai_chat": _DONE, "openai_completions": _DONE, "anthropic_messages": b"event: message_stop\n",
    "openai_responses": b"event: response.completed\n",
}  # fmt: skip
_ANEW = b"event: freehold.restart\n"


class Answered:
    """A Sink that keeps what one caller got; `ended` once it has its last byte."""

    def __init__(self, dialect: str) -> None:
        self.started = self.ended = False
        self.status, self.body = 0, b""
        self.headers: dict[str, str] = {}
        self._dialect = dialect

    def cancelled_by_hang_up(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def head(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        self.started, self.status, self.headers = True, status, dict(headers)

    async def write(self, data: bytes) -> None:
        self.body += data

    async def end(self, data: bytes = b"") -> None:
        self.body, self.ended = self.body + data, True

    def abort(self) -> None:
        self.status = 499

    @property
    def whole(self) -> bool:
        """Whether its caller takes it for a whole answer."""
        if self.status != 200 or not self.ended:
            return False
        last = self.body.rstrip(b"\n").rpartition(b"\n\n")[2] + b"\n"
        return not self._streamed or last.startswith(_ENDINGS[self._dialect])

    @property
    def restarted(self) -> bool:
        """Whether it was told that another answer begins."""
        return _ANEW in self.body

    def text(self) -> str:
        """The words of the last choice; of the last answer, where it began anew."""
        if not self._streamed:
            return _WHOLE[self._dialect](json.loads(self.body))
        return "".join(_STREAMED[self._dialect](self._events()))

    def called(self) -> list[str]:
        """The arguments of every call in it, as JSON."""
        if not self._streamed:
            return _CALLS[self._dialect](json.loads(self.body))
        pieces = list(_CALLED[self._dialect](self._events()))
        return ["".join(pieces)] if pieces else []

    @property
    def _streamed(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    def _events(self) -> Iterator[Json]:
        _, anew, after = self.body.rpartition(_ANEW)
        for event in (after.partition(b"\n\n")[2] if anew else after).split(b"\n\n"):
            data = event[event.find(b"data: ") + 6 :] if b"data: " in event else b"[DONE]"
            if data != b"[DONE]":
                yield json.loads(data)


def _last(choices: list[Json]) -> Json:
    return max(choices, key=lambda choice: int(choice["index"]))


def _chat(events: Iterator[Json]) -> Iterator[str]:
    yield from (choice["delta"].get("content") or "" for event in events for choice in event["choices"])


def _completions(events: Iterator[Json]) -> Iterator[str]:
    choices = [choice for event in events for choice in event["choices"]]
    last = _last(choices)["index"]
    yield from (choice["text"] for choice in choices if choice["index"] == last)


def _messages(events: Iterator[Json]) -> Iterator[str]:
    yield from (event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")


def _responses(events: Iterator[Json]) -> Iterator[str]:
    """Where the end says it all again, it must say the same."""
    said = list(events)
    pieces = [event["delta"] for event in said if event["type"] == "response.output_text.delta"]
    again = _of_response(said[-1]["response"])
    assert again in {"", "".join(pieces)}
    yield from pieces


def _chat_called(events: Iterator[Json]) -> Iterator[str]:
    deltas = (choice["delta"] for event in events for choice in event["choices"])
    yield from (call["function"].get("arguments") or "" for delta in deltas for call in delta.get("tool_calls") or ())


def _messages_called(events: Iterator[Json]) -> Iterator[str]:
    deltas = (event["delta"] for event in events if event["type"] == "content_block_delta")
    yield from (delta["partial_json"] for delta in deltas if delta["type"] == "input_json_delta")


def _responses_called(events: Iterator[Json]) -> Iterator[str]:
    yield from (event["delta"] for event in events if event["type"] == "response.function_call_arguments.delta")


def _of_response(response: Json) -> str:
    return "".join(part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"])


_STREAMED: Mapping[str, Callable[[Iterator[Json]], Iterator[str]]] = {
    "openai_chat": _chat, "openai_completions": _completions, "anthropic_messages": _messages, "openai_responses": _responses,
}  # fmt: skip
_CALLED: Mapping[str, Callable[[Iterator[Json]], Iterator[str]]] = {
    "openai_chat": _chat_called, "openai_completions": lambda events: iter(()), "anthropic_messages": _messages_called,
    "openai_responses": _responses_called,
}  # fmt: skip
_CALLS: Mapping[str, Callable[[Json], list[str]]] = {
    "openai_chat": lambda body: [
        str(call["function"]["arguments"]) for call in _last(body["choices"])["message"].get("tool_calls") or ()
    ],
    "openai_completions": lambda body: [],
    "anthropic_messages": lambda body: [json.dumps(block["input"]) for block in body["content"] if block["type"] == "tool_use"],
    "openai_responses": lambda body: [str(item["arguments"]) for item in body["output"] if item["type"] == "function_call"],
}
_WHOLE: Mapping[str, Callable[[Json], str]] = {
    "openai_chat": lambda body: str(_last(body["choices"])["message"]["content"]),
    "openai_completions": lambda body: str(_last(body["choices"])["text"]),
    "anthropic_messages": lambda body: "".join(block.get("text", "") for block in body["content"]),
    "openai_responses": _of_response,
}
