"""One outbound HTTP/1.1 connection: a request goes out, its reply comes in, and only what ended as it should serves again.

Framing is judged here and nowhere left to guess: a reply whose length is stated twice, or in two ways, is refused. A connection
that saw anything unexpected is closed. RFC 9112, sections 6 and 9.
"""

import asyncio
from collections.abc import Callable
from typing import NoReturn, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from freehold.core.ports import UpstreamFailure
from freehold.serve.transport.reply import Reply

_MOST_HEADERS = 100
_MOST_HEAD_BYTES = 64 * 1024
_FRAMING = frozenset({"content-length", "transfer-encoding"})


class Unanswered(UpstreamFailure):
    """The connection ended before the first byte of an answer."""


class Connection(asyncio.Protocol):
    """`on_free` is told when it may serve again, `on_lost` when it is gone. One request at a time."""

    def __init__(self, on_free: "Callable[[Connection], None]", on_lost: "Callable[[Connection], None]") -> None:
        self.free_since = 0.0
        self._on_free = on_free
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._reply: Reply | None = None
        self._paused = self._once = False
        self._expect()

    @property
    def usable(self) -> bool:
        """Whether a request may be sent on it."""
        return self._transport is not None and not self._transport.is_closing() and self._reply is None

    def ask(self, request: bytes, *, once: bool = False) -> Reply:
        """Send a whole request; the reply fills as bytes arrive. `once`: it says that no other follows it."""
        assert self._transport is not None
        assert self._reply is None
        self._expect()
        self._once = once
        self._reply = reply = Reply(self)
        self._transport.write(request)
        return reply

    def pause(self) -> None:
        """Flow: no more bytes for now."""
        if self._transport is not None and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Flow: bytes may come again."""
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Flow: close at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its bases

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio.Protocol."""
        reply, self._reply, self._transport = self._reply, None, None
        if reply is not None and self._until_close and exc is None:
            reply.end()
        elif reply is not None:
            why = "server disconnected" if exc is None else type(exc).__name__
            if reply.status:
                reply.fail(UpstreamFailure("cut", f"the connection broke off ({why})"))
            else:
                reply.fail(UpstreamFailure("unreachable", why) if self._answered else Unanswered("unreachable", why))
        self._on_lost(self)

    def data_received(self, data: bytes) -> None:
        """asyncio.Protocol."""
        reply = self._reply
        if reply is None:  # bytes that nobody asked for
            self.abort()
            return
        self._answered = True
        self._bodiless_bytes += len(data)
        try:
            self._parser.feed_data(data)
            if self._bodiless_bytes > _MOST_HEAD_BYTES and not self._whole:
                self._problem = f"more than {_MOST_HEAD_BYTES} bytes without a body"
        except (HttpParserError, HttpParserUpgrade):
            self._problem = self._problem or "not HTTP/1.1"
        if self._whole:
            self._finish(reply)
        elif self._problem:
            reply.fail(UpstreamFailure("malformed" if reply.status else "unreachable", f"malformed reply: {self._problem}"))
            self._reply = None
            self.abort()

    def on_message_begin(self) -> None:
        """httptools: a reply begins, the one that was asked for or one after an interim one."""
        if self._whole:
            self._refuse("bytes after its end")

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: one header or trailer."""
        self._headers.append((name, value))
        self._head_bytes += len(name) + len(value) + 4
        if len(self._headers) > _MOST_HEADERS or self._head_bytes > _MOST_HEAD_BYTES:
            self._refuse(f"more than {_MOST_HEADERS} headers or {_MOST_HEAD_BYTES} bytes of them")

    def on_headers_complete(self) -> None:
        """httptools: the head is whole."""
        status = self._parser.get_status_code()
        if status < 200:
            self._interim = True
            if status == 101:
                self._refuse("it changes the protocol")
            return
        headers: dict[str, str] = {}
        for raw, value in self._headers:
            name = raw.decode("latin-1").lower()
            if name in _FRAMING and name in headers:
                self._refuse(f"{name} stands there twice")
            headers[name] = value.decode("utf-8", "replace").strip(" \t")
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        if coding is not None and (length is not None or coding.lower() != "chunked" or self._parser.get_http_version() != "1.1"):
            self._refuse("its length is stated in two ways, or in one that is not known")
        if length is not None and not (length.isascii() and length.isdigit()):
            self._refuse("its content-length is no number")
        self._until_close = length is None and coding is None and status not in {204, 304}
        assert self._reply is not None
        self._reply.begin(status, headers)

    def on_body(self, data: bytes) -> None:
        """httptools: the next body bytes, taken out of their chunks."""
        self._bodiless_bytes = 0
        assert self._reply is not None
        self._reply.hold(data)

    def on_message_complete(self) -> None:
        """httptools: the reply is whole, or an interim one is."""
        if self._interim:
            self._interim = False
            self._headers.clear()
            return
        self._whole = True
        self._keeps = self._parser.should_keep_alive() and not self._once

    def _expect(self) -> None:
        """Nothing of the next reply is known."""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = self._bodiless_bytes = 0
        self._answered = self._interim = self._until_close = self._whole = self._keeps = False
        self._problem = ""

    def _refuse(self, problem: str) -> NoReturn:
        self._problem = problem
        raise ValueError(problem)

    def _finish(self, reply: Reply) -> None:
        """The reply is whole whatever follows it; whether the connection serves again is another matter."""
        assert self._transport is not None
        self._reply = None
        reply.end()
        sent = self._transport.get_write_buffer_size() == 0
        if self._keeps and sent and not self._problem and not self._transport.is_closing():
            self.resume()
            self._on_free(self)
        else:
            self._transport.close()
