"""The one outbound client, on aiohttp: TLS always verified, no redirects, no proxies from the environment, no cookies, no
decompression. Where a place needs certificates of its own or a proxy, its way says so.
"""

import os
import socket
import ssl
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Self

import aiohttp
from aiohttp.abc import ResolveResult
from yarl import URL

from freehold.core.ports import HttpCall, UpstreamFailure
from freehold.serve.transport.places import Place
from freehold.serve.transport.ways import Way, is_loopback, origin

_TRIES = 3
_DIRECT = Way()
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
                raise UpstreamFailure("rejected", f"the reply exceeds {limit} bytes")  # no failure of the target
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
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30.0, resolver=_Resolver()),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s),
            trust_env=False, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent",), trace_configs=[trace],
        )  # fmt: skip
        self._ways: dict[str, Way] = {}
        self._trusts: dict[str, ssl.SSLContext] = {}

    def follow(self, ways: Mapping[str, Way]) -> None:
        """From now on reach these origins so. Others keep their way: requests of an earlier policy may still be on it.

        Raises ValueError on certificates that are none.
        """
        trusts = {way.ca: trust(way.ca) for way in ways.values() if way.ca is not None and way.ca not in self._trusts}
        self._trusts |= trusts
        self._ways |= ways

    async def send(self, call: HttpCall) -> AiohttpReply:
        """Send, wait for the head. Raises UpstreamFailure.

        Only a call that met a pooled connection which the server was just closing is sent again: nothing answered it.
        """
        way = self._ways.get(origin(call.of or call.url), _DIRECT)
        trusted = True if way.ca is None else self._trusts[way.ca]
        for tries_left in reversed(range(_TRIES)):
            reuse: dict[str, bool] = {}
            sent_at = time.monotonic()
            try:
                response = await self._session.request(
                    call.method, _as_written(call.url), data=call.body, headers=call.headers, allow_redirects=False,
                    trace_request_ctx=reuse, ssl=trusted, proxy=way.proxy,
                )  # fmt: skip
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


def _as_written(url: str) -> URL:
    """The URL with its escapes as they are: aiohttp would write some of them out, and a signature may cover them."""
    try:
        place = Place.of(url)
    except ValueError as error:
        raise UpstreamFailure("unreachable", str(error)) from None
    return URL(f"{'https' if place.tls else 'http'}://{place.authority}{place.path}", encoded=True)


def trust(ca: str) -> ssl.SSLContext:
    """What verifies servers against these certificates and no others. Raises ValueError where the text holds none."""
    if not (ca.isascii() and "BEGIN CERTIFICATE" in ca):  # of an empty text the standard library would make the system's trust
        raise ValueError("it holds no certificates in PEM")
    try:
        return ssl.create_default_context(cadata=ca)
    except ssl.SSLError:
        raise ValueError("its certificates cannot be read") from None


class _Resolver(aiohttp.ThreadedResolver):
    """The system's, but what is called loopback stays on this machine, whatever the name is made to lead to."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """Raises OSError when the name leads nowhere it may."""
        found = await super().resolve(host, port, family)
        if not is_loopback(host):
            return found
        here = [place for place in found if is_loopback(place["host"])]
        if not here:
            raise OSError(None, f"{host} leads to another machine")
        return here


async def _note_reuse(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceConnectionReuseconnParams
) -> None:
    context.trace_request_ctx["reused"] = True


def _reason(error: Exception) -> str:
    """What went wrong, without the address: callers see it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        said = getattr(error.certificate_error, "verify_message", "")  # "Hostname mismatch, certificate is not valid for ..."
        return f"its certificate is not trusted: {said.partition(',')[0]}"
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if not isinstance(cause, OSError):
        return type(error).__name__
    if cause.errno is not None and cause.errno > 0:
        return os.strerror(cause.errno)
    return cause.strerror or type(error).__name__  # a resolver's, whose numbers are negative


def _printable(value: str) -> str:
    """Header bytes beyond ASCII come as lone surrogates, which nothing later could encode."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
