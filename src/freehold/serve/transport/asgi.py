"""The inbound side: which request goes where, with a bounded body. `StrictHttp` hands it turns; any ASGI server may serve it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import Any, TypeAlias

import msgspec

from freehold.core.errors import BadRequest, CallerGone, FreeholdError, NotFound, TooLarge, TooSlow
from freehold.core.ports import Sink, Surface
from freehold.serve.deadline import within
from freehold.serve.transport.turn import Asked, Parts
from freehold.wire import errors

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = Mapping[str, str]

_BODY_READ_S = 60.0


class AsgiSink:
    """The Sink port over ASGI's send, where the server applies back-pressure, and the Parts of a body over its receive."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.started = False
        self._receive = receive
        self._send = send

    async def part(self) -> tuple[bytes, bool]:
        """The next bytes of the body, and whether more come. Raises CallerGone."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise CallerGone("the caller left before its request was read")
        return message.get("body", b""), message.get("more_body", False)

    @asynccontextmanager
    async def cancelled_by_hang_up(self) -> AsyncIterator[None]:
        """One watcher task a request: ASGI tells of a hang-up only to who is receiving."""
        body = asyncio.current_task()
        assert body is not None

        async def watch() -> None:
            while (await self._receive())["type"] != "http.disconnect":
                pass
            body.cancel()

        watcher = asyncio.create_task(watch())
        try:
            yield
        finally:
            watcher.cancel()

    async def head(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        self.started = True
        raw = [(name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in headers]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        await self._send({"type": "http.response.body", "body": data})

    def abort(self) -> None:
        """Nothing to send: a server closes a connection whose application returns before the end."""


Body: TypeAlias = Callable[[], Awaitable[bytes]]
Serve: TypeAlias = Callable[[Surface, Headers, Body, Sink], Awaitable[None]]
Page: TypeAlias = Callable[[str, Headers], "PageReply | Awaitable[PageReply]"]


class PageReply(msgspec.Struct, frozen=True):
    """A small whole answer: health, metrics, the model list."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"


class DataPlane:
    """A POST to the path of a dialect goes to `serve`; each GET path (a prefix where it ends in /) to its page."""

    def __init__(self, serve: Serve, surfaces: Mapping[str, Surface], pages: Mapping[str, Page], body_limit: int) -> None:
        self._serve = serve
        self._surfaces = dict(surfaces)
        self._pages = dict(pages)
        self._body_limit = body_limit

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI's entry point."""
        if scope["type"] == "http":
            sink = AsgiSink(receive, send)
            await self.answer(Asked(scope["method"], scope["path"], scope["headers"]), sink, sink)

    async def answer(self, asked: Asked, body: Parts, sink: Sink) -> None:
        """One request, whoever read it."""
        path, surface = asked.path, self._surfaces.get(asked.path)
        try:
            headers = _read_headers(asked.headers)
            if asked.method == "POST" and surface is not None:
                await self._serve(surface, headers, lambda: _read_body(body, headers, self._body_limit), sink)
                return
            page = self._page(asked.method, path)(path, headers)
            reply = await page if isawaitable(page) else page
        except FreeholdError as error:
            await _refuse(error, surface, sink)
            return
        await sink.head(reply.status, [("content-type", reply.content_type), ("content-length", str(len(reply.body)))])
        await sink.end(reply.body)

    def _page(self, method: str, path: str) -> Page:
        page = self._pages.get(path) or next(
            (p for at, p in self._pages.items() if at.endswith("/") and path.startswith(at)), None
        )
        if page is None or method not in {"GET", "HEAD"}:
            raise NotFound(f"no {method} {path} here; see POST {', '.join(self._surfaces)} and GET /v1/models")
        return page


def _read_headers(raw: Sequence[tuple[bytes, bytes]]) -> Headers:
    """By lower-case name. Raises BadRequest when one that decides who may do what stands there twice: which would count?"""
    headers: dict[str, str] = {}
    for raw_name, value in raw:
        name = raw_name.decode("latin-1").lower()
        if name in headers and (name in {"authorization", "x-api-key"} or name.startswith("x-freehold-")):
            raise BadRequest(f"header {name} stands there twice; send it once", param=name)
        headers[name] = value.decode("latin-1")
    return headers


async def _read_body(body: Parts, headers: Headers, limit: int) -> bytes:
    """The whole body. Raises TooLarge, TooSlow, or CallerGone when the caller left meanwhile."""
    if int(headers.get("content-length", "0") or 0) > limit:
        raise TooLarge(f"the body exceeds {limit} bytes")
    try:
        return await within(_BODY_READ_S, _joined(body, limit))
    except TimeoutError:
        raise TooSlow(f"the body did not arrive within {_BODY_READ_S:g} s") from None


async def _joined(body: Parts, limit: int) -> bytes:
    chunk, more = await body.part()
    chunks, size = [chunk], len(chunk)
    while more and size <= limit:
        chunk, more = await body.part()
        chunks.append(chunk)
        size += len(chunk)
    if size > limit:
        raise TooLarge(f"the body exceeds {limit} bytes")
    return b"".join(chunks)


async def _refuse(error: FreeholdError, surface: Surface | None, sink: Sink) -> None:
    body = errors.openai_body(error) if surface is None else surface.error(error, "")
    await sink.head(error.status, [*errors.headers(error), ("content-length", str(len(body)))])
    await sink.end(body)
