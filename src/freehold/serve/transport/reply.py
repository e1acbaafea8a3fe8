"""One HTTP reply while it arrives: filled by a connection, read by one task, and bounded in what it holds between the two.

It is an object of its own because it outlives its connection's part in it: the connection may serve again before it is read.
"""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from freehold.core.ports import UpstreamFailure

_MOST_HELD_BYTES = 256 * 1024


class Flow(Protocol):
    """What a reply may ask of the connection it arrives on."""

    def pause(self) -> None:
        """Let no more bytes come for now."""
        ...

    def resume(self) -> None:
        """Let them come again."""
        ...

    def abort(self) -> None:
        """Close at once; nothing of it serves again."""
        ...


class Reply:
    """An UpstreamReply; `begun` first, which is when its status and headers are known."""

    def __init__(self, flow: Flow) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._flow = flow
        self._parts: list[bytes] = []
        self._held_bytes = 0
        self._ended = False
        self._paused = False
        self._failure: UpstreamFailure | None = None
        self._reader: asyncio.Future[None] | None = None

    async def begun(self) -> None:
        """Wait for the head. Raises UpstreamFailure when the connection ends before it."""
        while not self.status:
            if self._failure is not None:
                raise self._failure
            await self._news()

    async def chunk(self) -> bytes:
        """All body bytes that are here; empty at the end. Raises UpstreamFailure behind the last of a broken body."""
        while not self._parts:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                return b""
            await self._news()
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._held_bytes = 0
        if self._paused:
            self._paused = False
            self._flow.resume()
        return data

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises UpstreamFailure when it breaks off or exceeds `limit` bytes."""
        parts: list[bytes] = []
        size = 0
        while chunk := await self.chunk():
            parts.append(chunk)
            size += len(chunk)
            if size > limit:
                raise UpstreamFailure("rejected", f"the reply exceeds {limit} bytes")  # no failure of the target
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """A body that came to its end has given the connection back; anything else closes it, which stops the upstream's work."""
        if not self._ended and self._failure is None:
            self._failure = UpstreamFailure("cut", "the reply was closed")
            self._flow.abort()

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """The head is here."""
        self.status, self.headers = status, headers
        self._wake()

    def hold(self, data: bytes) -> None:
        """The next body bytes are here."""
        self._parts.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > _MOST_HELD_BYTES and not self._paused:
            self._paused = True
            self._flow.pause()
        self._wake()

    def end(self) -> None:
        """The body is whole. From here on the connection is another's, so that nothing more is asked of it."""
        self._ended = True
        self._paused = False
        self._wake()

    def fail(self, failure: UpstreamFailure) -> None:
        """No more comes, and it is not whole."""
        self._failure = self._failure or failure
        self._wake()

    async def _news(self) -> None:
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
