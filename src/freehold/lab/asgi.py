"""The little of ASGI that the lab needs: read a body, answer JSON, refuse in OpenAI's shape, stop when the caller hangs up."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping, Sequence
from typing import Any, TypeAlias

import msgspec

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = Sequence[tuple[str, str]]

_BODY_LIMIT = 32 * 1024 * 1024


class HungUp(Exception):
    """The caller left before its request was whole."""


class Refusal(Exception):
    """A request that is answered with an error. `kind` and `code` are OpenAI's `type` and `code`, `body` its shape of them."""

    def __init__(self, status: int, kind: str, code: str | None, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.code = code
        self.message = message
        self.headers = headers
        self.body = msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})


def header(scope: Scope, name: str) -> str | None:
    """The first header of that lower-case name."""
    wanted = name.encode()
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == wanted), None)


async def read_body(receive: Receive) -> bytes:
    """The whole body. Raises HungUp, and Refusal with 413 past 32 MiB."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HungUp
        body += message.get("body", b"")
        if len(body) > _BODY_LIMIT:
            raise Refusal(413, "invalid_request_error", "request_too_large", f"the body exceeds {_BODY_LIMIT} bytes; send less")
        if not message.get("more_body", False):
            return bytes(body)


async def send_head(send: Send, status: int, headers: Headers) -> None:
    """The status line and headers."""
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


async def send_bytes(send: Send, data: bytes, *, last: bool = False) -> None:
    """Body bytes; `last` ends the answer, and returning without it makes the server break the connection."""
    await send({"type": "http.response.body", "body": data, "more_body": not last})


async def respond(send: Send, status: int, body: bytes, headers: Headers = ()) -> None:
    """A whole answer; JSON unless `headers` name another type."""
    named = {name for name, _ in headers}
    kind = [] if "content-type" in named else [("content-type", "application/json")]
    await send_head(send, status, [*kind, ("content-length", str(len(body))), *headers])
    await send_bytes(send, body, last=True)


async def until_hang_up(work: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Run `work`; cancel it when the caller disconnects. Its own exceptions are raised here."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not working.done():
            working.cancel()
        await asyncio.wait({working})
    if not working.cancelled():
        working.result()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
