"""One request on a connection of uvicorn's, and the way back to its caller, without ASGI's messages between.

It stands in the place of uvicorn's request-response cycle: `StrictHttp` fills it as bytes arrive, an `Application` answers it.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import NamedTuple, Protocol, runtime_checkable

import structlog
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from freehold.core.errors import CallerGone
from freehold.core.ports import Sink

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_FAILED = b"Internal Server Error"
_log = structlog.get_logger("freehold.transport")


class Asked(NamedTuple):
    """The head of a request. `keep_alive`: its connection may serve another; `waits`: its body comes once it is asked for."""

    method: str
    path: str
    headers: Sequence[tuple[bytes, bytes]]
    keep_alive: bool = True
    waits: bool = False


class Parts(Protocol):
    """A request's body as it arrives."""

    async def part(self) -> tuple[bytes, bool]:
        """The next bytes, and whether more come. Raises CallerGone."""
        ...


@runtime_checkable
class Application(Protocol):
    """What answers requests without ASGI."""

    async def answer(self, asked: Asked, body: Parts, sink: Sink) -> None:
        """Answer one request."""
        ...


class Line(Protocol):
    """What a turn needs of its connection."""

    transport: asyncio.Transport
    flow: FlowControl
    server_state: ServerState

    def on_response_complete(self) -> None:
        """The next request may be answered."""
        ...


class Turn:
    """A Sink, and the Parts of its request's body. Its public fields but `started` are those that uvicorn's protocol reads."""

    def __init__(self, asked: Asked, line: Line) -> None:
        self.started = False
        self.body = bytearray()
        self.more_body = True
        self.message_event = asyncio.Event()
        self.disconnected = self.response_complete = False
        self.keep_alive = asked.keep_alive
        self._asked = asked
        self._line = line
        self._waits = asked.waits
        self._owed: int | None = None  # bytes of body that the head promised; None: it comes in chunks
        self._head = b""
        self._working: asyncio.Task[object] | None = None

    async def run_asgi(self, application: Application) -> None:
        """What uvicorn's protocol runs as a task. An answer without its end closes the connection."""
        try:
            await application.answer(self._asked, self, self)
        except BaseException as error:  # the request's boundary: its connection is told, whatever ended it
            _log.error("a request ended without its answer", kind=type(error).__name__, exc_info=error)
            if not self.started:
                await self.head(500, [("content-type", "text/plain"), ("content-length", str(len(_FAILED)))])
                await self.end(_FAILED)
        if not self.response_complete and not self.disconnected:
            self._line.transport.close()

    async def part(self) -> tuple[bytes, bool]:
        """Parts."""
        if self._waits and not self.disconnected:
            self._waits = False
            self._line.transport.write(_CONTINUE)
        if self.more_body and not self.body and not self.disconnected:
            self._line.flow.resume_reading()
            self.message_event.clear()
            await self.message_event.wait()
        if self.disconnected:
            raise CallerGone("the caller left before its request was read")
        data, self.body = bytes(self.body), bytearray()
        return data, self.more_body

    def cancelled_by_hang_up(self) -> AbstractAsyncContextManager[None]:
        """Sink. The connection itself tells: see `hang_up`."""
        return _UntilHangUp(self)

    def hang_up(self) -> None:
        """The caller left."""
        self.disconnected = not self.response_complete
        self.message_event.set()
        if self._working is not None:
            self._working.cancel()

    async def head(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        """Sink: it leaves with the first bytes of the body. Raises ValueError where a header holds a line break."""
        lines = [f"{name}: {value}" for name, value in headers]
        if not self.keep_alive or self._waits:  # a caller that was not asked for its body may leave it out
            self.keep_alive = False
            lines.append("connection: close")
        self._owed = next((int(value) for name, value in headers if name == "content-length"), None)
        if self._owed is None:
            lines.append("transfer-encoding: chunked")
        text = "\r\n".join(lines)
        if text.count("\r") >= len(lines) or text.count("\n") >= len(lines) or "\0" in text:
            raise ValueError("a header of this answer holds a line break")
        usual = b"".join(b"%b: %b\r\n" % header for header in self._line.server_state.default_headers)
        self._head = b"%b%b%b\r\n\r\n" % (STATUS_LINE[status], usual, text.encode("latin-1", "replace"))
        self.started = True

    async def write(self, data: bytes) -> None:
        """Sink."""
        if data:
            await self._write(self._framed(data))

    async def end(self, data: bytes = b"") -> None:
        """Sink. Raises ValueError where the body is not as long as its head said."""
        chunked = self._owed is None
        last = self._framed(data) if data else b""
        if self._owed:
            raise ValueError(f"the body ends {self._owed} bytes short of what its head said")
        await self._write(last + b"0\r\n\r\n" if chunked and self._asked.method != "HEAD" else last)
        if self.disconnected:
            return
        self.response_complete = True
        if not self.keep_alive:
            self._line.transport.close()
        self._line.on_response_complete()

    def abort(self) -> None:
        """Sink."""
        self._line.transport.abort()

    def _framed(self, data: bytes) -> bytes:
        if self._owed is None:
            framed = b"%x\r\n%b\r\n" % (len(data), data)
        else:
            self._owed -= len(data)
            if self._owed < 0:
                raise ValueError("the body is longer than its head said")
            framed = data
        return b"" if self._asked.method == "HEAD" else framed

    async def _write(self, data: bytes) -> None:
        """Wait while the caller reads slowly. To one who left, nothing is written."""
        if self._line.flow.write_paused and not self.disconnected:
            await self._line.flow.drain()
        if not self.disconnected:
            self._line.transport.write(self._head + data)
            self._head = b""


class _UntilHangUp:
    """While inside, the task is the one that a hang-up cancels."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    async def __aenter__(self) -> None:
        if self._turn.disconnected:
            raise CallerGone("the caller left before its request was answered")
        self._turn._working = asyncio.current_task()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._turn._working = None
