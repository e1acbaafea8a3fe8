"""Doubles for what lies at the edges of the request line: a ledger, a caller and the way out, all in memory."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext

from freehold.core.entry import Entry
from freehold.core.ports import HttpCall, UpstreamFailure

WHOLE = b'{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
STREAM = b'data: {"choices":[{"delta":{"content":"ok"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


class MemoryLedger:
    def __init__(self) -> None:
        self.entries: list[Entry] = []

    async def append(self, entry: Entry) -> None:
        self.entries.append(entry)

    def healthy(self) -> bool:
        return True


class MemorySink:
    def __init__(self) -> None:
        self.started = False
        self.status = 0
        self.body = b""

    def cancelled_by_hang_up(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def head(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        self.started, self.status = True, status

    async def write(self, data: bytes) -> None:
        self.body += data

    async def end(self, data: bytes = b"") -> None:
        self.body += data

    def abort(self) -> None:
        self.status = 499


class Reply:
    def __init__(self, status: int, body: bytes, kind: str) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {"content-type": kind}
        self._body = body

    async def chunk(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def read(self, limit: int) -> bytes:
        return self._body

    def close(self) -> None:
        return


class Outbound:
    """Notes where every byte was sent; fails as told. The host of the URL is the target's name."""

    def __init__(self, moods: list[str]) -> None:
        self._moods = moods
        self.reached: list[str] = []

    async def send(self, call: HttpCall) -> Reply:
        self.reached.append(call.url.split("/")[2])
        mood = self._moods[len(self.reached) % len(self._moods)]
        if mood == "down":
            raise UpstreamFailure("unreachable", "refused")
        if mood == "limit":
            return Reply(429, b'{"error":{"code":"rate_limit_exceeded"}}', "application/json")
        if mood == "garbage":
            return Reply(200, b"<html>", "text/html")
        streamed = call.headers["accept"] == "text/event-stream"
        return Reply(200, STREAM if streamed else WHOLE, "text/event-stream" if streamed else "application/json")
