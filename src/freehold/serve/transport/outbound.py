"""The one outbound client, on aiohttp: no redirects, no proxies from the environment, no cookies, no decompression."""

import os
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Self

import aiohttp

from freehold.core.ports import HttpCall, UpstreamFailure

_TRIES = 3
_AT_ONCE_S = 0.25  # a connection that was closing says so within a round trip; what fails later may have been worked on


class AiohttpReply:
    """An UpstreamReply over one aiohttp response."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): _printable(value) for name, value in response.headers.items()}

    async def chunk(self) -> bytes:
        """The next body bytes, empty at the end. Raises UpstreamFailure when the body breaks off."""
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, ConnectionError) as error:
            raise UpstreamFailure("cut", f"the connection broke off ({type(error).__name__})") from None

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises UpstreamFailure when it breaks off or exceeds `limit` bytes."""
        body = bytearray()
        while chunk := await self.chunk():
            body += chunk
            if len(body) > limit:
                raise UpstreamFailure("malformed", f"the reply exceeds {limit} bytes")
        return bytes(body)

    def close(self) -> None:
        """A body read to its end has given the connection back; anything else closes it, which stops the upstream's work."""
        self._response.close()


class AiohttpOutbound:
    """The Outbound port. An async context: enter inside a running event loop."""

    def __init__(self, *, connect_s: float = 5.0) -> None:
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30.0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s),
            trust_env=False, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent",), trace_configs=[trace],
        )  # fmt: skip

    async def send(self, call: HttpCall) -> AiohttpReply:
        """Send, wait for the head. Raises UpstreamFailure.

        Only a call that met a pooled connection which the server was just closing is sent again: nothing answered it.
        """
        for tries_left in reversed(range(_TRIES)):
            reuse: dict[str, bool] = {}
            sent_at = time.monotonic()
            try:
                response = await self._session.request(
                    call.method, call.url, data=call.body, headers=call.headers, allow_redirects=False, trace_request_ctx=reuse
                )
                return AiohttpReply(response)
            except (aiohttp.ClientError, ConnectionError) as error:
                if not (reuse and tries_left and time.monotonic() - sent_at < _AT_ONCE_S):
                    raise UpstreamFailure("unreachable", _reason(error)) from None
        raise AssertionError("the loop above always returns or raises")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self._session.close()


async def _note_reuse(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceConnectionReuseconnParams
) -> None:
    context.trace_request_ctx["reused"] = True


def _reason(error: Exception) -> str:
    """What went wrong, without the address: callers see it."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if not isinstance(cause, OSError):
        return type(error).__name__
    if cause.errno is not None and cause.errno > 0:
        return os.strerror(cause.errno)
    return cause.strerror or type(error).__name__  # a resolver's, whose numbers are negative


def _printable(value: str) -> str:
    """Header bytes beyond ASCII come as lone surrogates, which nothing later could encode."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
