"""What a caller got, read as its own dialect's SDK would read it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

_DONE = b"data: [DONE]\n\n"
_ENDINGS: Mapping[str, bytes] = {
    "openai_chat": _DONE, "openai_completions": _DONE, "anthropic_messages": b'data: {"type":"message_stop"}',
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
        last = self.body.rstrip(b"\n").rpartition(b"\n\n")[2].replace(b'": "', b'":"') + b"\n\n"
        return not self._streamed or _ENDINGS[self._dialect] in last

    @property
    def restarted(self) -> bool:
        """Whether it was told that another answer begins."""
        return _ANEW in self.body

    def text(self) -> str:
        """The words of the last choice; of the last answer, where it began anew."""
        if not self._streamed:
            return _WHOLE[self._dialect](json.loads(self.body))
        return "".join(_STREAMED[self._dialect](self._events()))

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


def _of_response(response: Json) -> str:
    return "".join(part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"])


_STREAMED: Mapping[str, Callable[[Iterator[Json]], Iterator[str]]] = {
    "openai_chat": _chat, "openai_completions": _completions, "anthropic_messages": _messages, "openai_responses": _responses,
}  # fmt: skip
_WHOLE: Mapping[str, Callable[[Json], str]] = {
    "openai_chat": lambda body: str(_last(body["choices"])["message"]["content"]),
    "openai_completions": lambda body: str(_last(body["choices"])["text"]),
    "anthropic_messages": lambda body: "".join(block["text"] for block in body["content"]),
    "openai_responses": _of_response,
}
