"""The one outbound client, on aiohttp: no redirects, no proxies from the environment, no cookies, no decompression."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Self

import aiohttp

from freehold.core.ports import HttpCall, UpstreamFailure

_STALE_TRIES = 3
_STALE = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError)


class AiohttpReply:
    """An UpstreamReply over one aiohttp response."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def chunks(self) -> AsyncIterator[bytes]:
        """Body bytes as they arrive. Raises UpstreamFailure when the body breaks off or stalls."""
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except TimeoutError:
            raise UpstreamFailure("stalled", "no bytes within the idle limit") from None
        except (aiohttp.ClientError, ConnectionError) as error:
            raise UpstreamFailure("cut", f"the connection broke off: {type(error).__name__}") from None

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises UpstreamFailure when it breaks off or exceeds `limit` bytes."""
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
            if len(body) > limit:
                raise UpstreamFailure("malformed", f"the reply exceeds {limit} bytes")
        return bytes(body)

    def close(self) -> None:
        """A body read to its end gives the connection back; anything else closes it, which stops the upstream's work."""
        self._response.close()


class AiohttpOutbound:
    """The Outbound port. An async context: enter inside a running event loop."""

    def __init__(self, *, connect_s: float = 5.0, idle_s: float = 60.0, connections_per_host: int = 0) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s, sock_read=idle_s)
        connector = aiohttp.TCPConnector(limit=0, limit_per_host=connections_per_host, keepalive_timeout=30.0)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=timeout, trust_env=False, auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(), skip_auto_headers=("User-Agent",),
        )  # fmt: skip

    async def send(self, call: HttpCall, *, head_timeout_s: float) -> AiohttpReply:
        """Send, wait for the head. Raises UpstreamFailure.

        A connection that broke before a byte of the answer came was most likely a pooled one that the server had just closed:
        such a call is sent again, at most _STALE_TRIES times in all.
        """
        for tries_left in reversed(range(_STALE_TRIES)):
            try:
                async with asyncio.timeout(head_timeout_s):
                    response = await self._session.request(
                        call.method, call.url, data=call.body, headers=call.headers, allow_redirects=False
                    )
                return AiohttpReply(response)
            except TimeoutError:
                raise UpstreamFailure("timed_out", f"no answer within {head_timeout_s:g} s") from None
            except (aiohttp.ClientError, ConnectionError) as error:
                stale = isinstance(error, _STALE) and not isinstance(error, aiohttp.ClientConnectorError)
                if not stale or not tries_left:
                    raise UpstreamFailure("unreachable", _words(error)) from None
        raise AssertionError("the loop above always returns or raises")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self._session.close()


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
