"""Requests that two readers could take for different ones, byte by byte, at a real server on loopback."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from freehold.core.ports import Sink
from freehold.serve.transport import strict
from freehold.serve.transport.strict import StrictHttp
from freehold.serve.transport.turn import Asked, Parts

_HOST = b"Host: h\r\n"
_BODY = b"Content-Length: 5\r\n\r\nhello"


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


class Echo:
    """The same without ASGI."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it takes turns")

    async def answer(self, asked: Asked, body: Parts, sink: Sink) -> None:
        said, more = b"", True
        while more:
            part, more = await body.part()
            said += part
        await sink.head(200, [("content-length", str(len(said)))])
        await sink.end(said)


@pytest.fixture(params=[_echo, Echo()], ids=["asgi", "turns"])
def app(request: pytest.FixtureRequest) -> Any:
    """Both ways in which an application may take its requests."""
    return request.param


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[int]:
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, http=StrictHttp, ws="none", lifespan="off", log_config=None, proxy_headers=False
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.005)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await running


async def said(port: int, *pieces: bytes) -> bytes:
    """Everything that comes back until the server closes, or falls silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    answer = b""
    try:
        async with asyncio.timeout(0.3):
            while chunk := await reader.read(65536):
                answer += chunk
    except (TimeoutError, ConnectionResetError):
        pass
    writer.close()
    return answer


REFUSED = {
    "both lengths": b"POST / HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: chunked\r\n" + _BODY,
    "two equal lengths": b"POST / HTTP/1.1\r\n" + _HOST + b"Content-Length: 5\r\n" + _BODY,
    "two lengths": b"POST / HTTP/1.1\r\n" + _HOST + b"Content-Length: 6\r\n" + _BODY,
    "lengths in one field": b"POST / HTTP/1.1\r\n" + _HOST + b"Content-Length: 5, 5\r\n\r\nhello",
    "signed length": b"POST / HTTP/1.1\r\n" + _HOST + b"Content-Length: +5\r\n\r\nhello",
    "hex length": b"POST / HTTP/1.1\r\n" + _HOST + b"Content-Length: 0x5\r\n\r\nhello",
    "empty length": b"POST / HTTP/1.1\r\n" + _HOST + b"Content-Length: \r\n\r\nhello",
    "odd coding": b"POST / HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "gzip, chunked": b"POST / HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"POST / HTTP/1.1\r\n"
    + _HOST
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, identity": b"POST / HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "coding in 1.0": b"POST / HTTP/1.0\r\n" + _HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space before colon": b"POST / HTTP/1.1\r\n" + _HOST + b"Content-Length : 5\r\n\r\nhello",
    "obs-fold": b"GET / HTTP/1.1\r\n" + _HOST + b"X-A: one\r\n two\r\n\r\n",
    "obs-fold on length": b"POST / HTTP/1.1\r\n" + _HOST + b"Content-Length:\r\n 5\r\n\r\nhello",
    "bare LF": b"GET / HTTP/1.1\nHost: h\n\n",
    "bare LF in a header": b"GET / HTTP/1.1\r\n" + _HOST + b"X-A: b\nX-B: c\r\n\r\n",
    "bare CR in a header": b"GET / HTTP/1.1\r\n" + _HOST + b"X-A: b\rX-B: c\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\n" + _HOST + b"X-A: b\x00c\r\n\r\n",
    "NUL in a name": b"GET / HTTP/1.1\r\n" + _HOST + b"X-\x00A: b\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\n" + _HOST + _HOST + b"\r\n",
    "bad chunk size": b"POST / HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "negative chunk size": b"POST / HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    "chunk too long": b"POST / HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
    "chunk lines of bare LF": b"POST / HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n",
    "odd version": b"GET / HTTP/1.2\r\n" + _HOST + b"\r\n",
    "version 2": b"GET / HTTP/2.0\r\n" + _HOST + b"\r\n",
    "absolute target": b"GET http://elsewhere/ HTTP/1.1\r\n" + _HOST + b"\r\n",
    "target of two slashes": b"GET //elsewhere/ HTTP/1.1\r\n" + _HOST + b"\r\n",
    "upgrade": b"GET / HTTP/1.1\r\n" + _HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + _HOST + b"".join(b"X-%d: a\r\n" % n for n in range(101)) + b"\r\n",
    "large head": b"GET / HTTP/1.1\r\n" + _HOST + b"X-A: " + b"a" * 70_000 + b"\r\n\r\n",
    "large target": b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + _HOST + b"\r\n",
    "binary": bytes(range(256)),
}
LATE = {"bad chunk size", "negative chunk size", "chunk too long", "chunk lines of bare LF"}
GOOD = {
    "length": b"POST / HTTP/1.1\r\n" + _HOST + _BODY,
    "chunks": b"POST / HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: Chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    "1.0 without Host": b"POST / HTTP/1.0\r\n" + _BODY,
    "100 headers": b"POST / HTTP/1.1\r\n" + _HOST + b"".join(b"X-%d: a\r\n" % n for n in range(98)) + _BODY,
}


@pytest.mark.parametrize("name", REFUSED)
async def test_an_ambiguous_request_is_refused_and_the_connection_closed(name: str, app: Any) -> None:
    async with serving(app) as port:
        follower = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
        for pieces in ((REFUSED[name] + follower,), (REFUSED[name], follower)):
            answer = await said(port, *pieces)
            statuses = re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)
            # One whose body turns out to be unreadable was begun already: its connection just closes.
            assert statuses in ([b"400"], [b"431"]) or (name in LATE and not answer), answer


@pytest.mark.parametrize("name", GOOD)
async def test_a_plain_request_is_served_however_it_is_split(name: str, app: Any) -> None:
    request = GOOD[name]
    async with serving(app) as port:
        assert (await said(port, request)).endswith(b"hello")
        for at in range(1, len(request), 1 if len(request) < 200 else 97):
            assert (await said_fast(port, request[:at], request[at:])).endswith(b"hello"), at


async def said_fast(port: int, *pieces: bytes) -> bytes:
    """Until the body has come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        answer = await reader.readuntil(b"hello")
    writer.close()
    return answer


async def test_pipelined_requests_are_answered_in_order_and_a_bad_one_does_not_spoil_the_first(app: Any) -> None:
    async with serving(app) as port:
        answer = await said(port, GOOD["length"] + GOOD["chunks"])
        assert answer.count(b"HTTP/1.1 200") == 2
        spoilt = await said(port, GOOD["length"] + REFUSED["two Hosts"])
        assert b"HTTP/1.1 200" not in spoilt or spoilt.startswith(b"HTTP/1.1 200")


async def test_a_head_that_never_ends_does_not_hold_its_connection(monkeypatch: pytest.MonkeyPatch, app: Any) -> None:
    monkeypatch.setattr(strict, "_HEADERS_S", 0.05)
    async with serving(app) as port:
        assert (await said(port, b"GET / HTTP/1.1\r\nHost:")).startswith(b"HTTP/1.1 408")
        assert (await said(port, b"")).startswith(b"HTTP/1.1 408")
