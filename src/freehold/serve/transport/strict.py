"""Uvicorn's HTTP/1.1, stricter: a request that two readers could take for two different ones is refused, never guessed at.

A request smuggled past a proxy in front would be billed to, and judged as, somebody else's. RFC 9112 sections 3.2, 5.2, 6.1-6.3.
"""

import asyncio
import re
from typing import Any, cast
from urllib.parse import unquote

import msgspec
from httptools import HttpParserError, HttpParserUpgrade, parse_url
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from freehold.serve.transport.turn import Application, Asked, Turn

_MOST_HEADERS = 100
_MOST_HEADER_BYTES = 64 * 1024
_HEADERS_S = 15.0
_token = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_bare = re.compile(rb"[\x00\r\n]")


class Ambiguous(Exception):
    """What makes a request unreadable; `status` answers it."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.why = why
        self.status = status


class StrictHttp(HttpToolsProtocol):
    """One connection. It has `_HEADERS_S` seconds for each request's headers, from its first byte (or from connecting) on.

    An `Application` is handed its requests as turns, any other through ASGI.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._problem: Ambiguous | None = None
        self._head_bytes = 0
        self._in_head = True
        self._deadline: asyncio.TimerHandle | None = None
        self._takes_turns = isinstance(self.app, Application)
        self._turn: Turn | None = None  # the one being answered; uvicorn's `cycle` is the one read last

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own narrowing
        super().connection_made(transport)
        self._deadline = self.loop.call_later(_HEADERS_S, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)
        if self._turn is not None:
            self._turn.hang_up()

    def data_received(self, data: bytes) -> None:
        """Bytes as they come. A refusal ends the connection."""
        self._unset_keepalive_if_required()
        if self._problem is not None:
            return
        try:
            self.parser.feed_data(data)
            if self._in_head:
                self._count_head(len(data))
        except HttpParserUpgrade:
            self._refuse(Ambiguous("this server does not switch protocols"))
        except HttpParserError:
            self._refuse(self._problem or Ambiguous("this is not HTTP/1.1 as RFC 9112 has it"))
        except Ambiguous as problem:
            self._refuse(problem)
        if self._in_head and self._deadline is None and self._problem is None:  # most heads come whole and need no clock
            self._deadline = self.loop.call_later(_HEADERS_S, self._too_slow)

    def on_message_begin(self) -> None:
        """A request starts."""
        if self._takes_turns:
            self.url, self.headers, self.expect_100_continue = b"", [], False
        else:
            super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_url(self, url: bytes) -> None:
        """Its target."""
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field of its head."""
        self._count_head(len(name) + len(value) + 4)
        if len(self.headers) >= _MOST_HEADERS:
            self._stop(Ambiguous(f"more than {_MOST_HEADERS} headers", 431))
        if not _token.fullmatch(name):
            self._stop(Ambiguous("a header's name is not a token"))
        if _bare.search(value):
            self._stop(Ambiguous("a header's value holds a line break or NUL"))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: judged before anything acts on it."""
        self._stop_clock()
        self._in_head = False
        if (why := _ambiguity(self.headers, self.parser.get_http_version())) is not None:
            self._stop(Ambiguous(why))
        if self.url.startswith(b"//") or not self.url.startswith(b"/"):
            self._stop(Ambiguous("the request's target is not a path"))
        if self._takes_turns:
            self._begin()
        else:
            super().on_headers_complete()

    def _begin(self) -> None:
        """Start the request's turn, or let it wait for those before it."""
        parser, before = self.parser, self.cycle
        path = parse_url(self.url).path.decode("ascii")
        keeps = parser.get_http_version() != "1.0" and parser.should_keep_alive()
        asked = Asked(parser.get_method().decode("ascii"), unquote(path), self.headers, keeps, self.expect_100_continue)
        self.cycle = turn = cast("RequestResponseCycle", Turn(asked, self))
        if before is None or before.response_complete:
            self._start_asgi_task(turn, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((turn, self.app))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """It is that request's turn."""
        self._turn = cycle if isinstance(cycle, Turn) else None
        super()._start_asgi_task(cycle, app)

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > 2 * _MOST_HEADER_BYTES or (self._head_bytes > _MOST_HEADER_BYTES and self._in_head):
            self._stop(Ambiguous(f"the head exceeds {_MOST_HEADER_BYTES} bytes", 431))

    def _stop(self, problem: Ambiguous) -> None:
        """Out of the parser, which reports an error of ours as its own."""
        self._problem = problem
        raise problem

    def _too_slow(self) -> None:
        self._deadline = None
        self._refuse(Ambiguous(f"the request's head did not come within {_HEADERS_S:g} s", 408))

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, problem: Ambiguous) -> None:
        """Say why, where no other answer is being written, and close."""
        self._problem = problem
        self._stop_clock()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            error = {"message": problem.why, "type": "invalid_request_error", "param": None, "code": "invalid_http"}
            body = msgspec.json.encode({"error": error})
            head = f"HTTP/1.1 {problem.status} Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
            self.transport.write(head.encode() + b"\r\nconnection: close\r\n\r\n" + body)
        self.transport.close()


def _ambiguity(headers: list[tuple[bytes, bytes]], version: str) -> str | None:
    """What two readers of this head could disagree about."""
    hosts = [value for name, value in headers if name == b"host"]
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if any(name == b"upgrade" for name, _ in headers):
        return "this server does not switch protocols; leave Upgrade out"
    if version not in {"1.0", "1.1"}:
        return "its version is neither HTTP/1.1 nor HTTP/1.0"
    if len(hosts) > 1 or (version == "1.1" and not hosts):
        return "it needs exactly one Host"
    if lengths and codings:
        return "it has both Content-Length and Transfer-Encoding"
    if len(lengths) > 1 or any(not value.isdigit() for value in lengths):
        return "its Content-Length is not one number"
    if codings and (version == "1.0" or len(codings) > 1 or codings[0].lower() != b"chunked"):
        return "the only transfer coding here is chunked, once, in HTTP/1.1"
    return None
