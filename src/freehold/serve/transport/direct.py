"""The outbound client: requests over connections of our own, kept alive between them.

TLS always verified, no redirects, no proxies from the environment, no cookies, no decompression. Where a place needs
certificates of its own its way says so; a call whose way names a proxy is left to aiohttp.
"""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Self

import msgspec
from aiohappyeyeballs import start_connection

from freehold.core.ports import HttpCall, UpstreamFailure, UpstreamReply
from freehold.serve.transport.connection import Connection, Unanswered
from freehold.serve.transport.outbound import AiohttpOutbound, trust
from freehold.serve.transport.places import Place, Resolver
from freehold.serve.transport.pool import Pool
from freehold.serve.transport.reply import Reply
from freehold.serve.transport.ways import Way, origin

_TRIES = 3
_DIRECT = Way()
_AT_ONCE_S = 0.25  # a connection that was closing says so within a round trip; what fails later may have been worked on
_NEXT_ADDRESS_S = 0.25  # how long one address is waited for before the next is tried beside it
_SWEEP_S = 10.0
_MOST_URLS = 4096
_FRAMING = frozenset({"host", "content-length", "transfer-encoding", "upgrade"})


class _Route(msgspec.Struct, frozen=True):
    """How one URL is reached. `pool` is shared by all URLs of its origin."""

    place: Place
    context: ssl.SSLContext | None
    pool: Pool


class DirectOutbound:
    """The Outbound port. An async context: enter inside a running event loop."""

    def __init__(self, *, connect_s: float = 5.0) -> None:
        self._connect_s = connect_s
        self._proxied = AiohttpOutbound(connect_s=connect_s)
        self._resolver = Resolver()
        self._ways: dict[str, Way] = {}
        self._trusts: dict[str | None, ssl.SSLContext] = {}
        self._routes: dict[tuple[str, str | None], _Route] = {}
        self._pools: dict[tuple[str, str | None], Pool] = {}
        self._open: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._last_gone: asyncio.Event | None = None

    def follow(self, ways: Mapping[str, Way]) -> None:
        """From now on reach these origins so. Others keep their way: requests of an earlier policy may still be on it.

        Raises ValueError on certificates that are none.
        """
        self._proxied.follow(ways)
        fresh = {way.ca for way in ways.values() if way.ca is not None}.difference(self._trusts)
        self._trusts |= {ca: trust(ca) for ca in fresh if ca is not None}
        self._ways |= ways
        self._routes.clear()

    async def send(self, call: HttpCall) -> UpstreamReply:
        """Sign where it says so, send, wait for the head. Raises UpstreamFailure, and ValueError on headers that cannot be
        written down.

        Only a call that met a pooled connection which the server was just closing is sent again: nothing answered it.
        """
        if call.signer is not None:
            call = await call.signer(call)
        route = self._routes.get((call.url, call.of)) or self._find(call.url, call.of)
        if route is None:
            return await self._proxied.send(call)
        request, once = _written(call, route.place), call.headers.get("connection") == "close"
        for tries_left in reversed(range(_TRIES)):
            pooled, sent_at = route.pool.take(), time.monotonic()
            try:
                return await _ask(pooled or await self._connect(route), request, once=once)
            except Unanswered:
                if pooled is None or not tries_left or time.monotonic() - sent_at >= _AT_ONCE_S:
                    raise
        raise AssertionError("the loop above always returns or raises")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in list(self._open):
            connection.abort()
        if self._open:
            self._last_gone = asyncio.Event()
            await self._last_gone.wait()
        await self._proxied.__aexit__()

    def _find(self, url: str, of: str | None) -> _Route | None:
        """How this URL is reached from now on, the way to `of` where one is named; None: through a proxy."""
        try:
            place, where = Place.of(url), origin(url)
        except ValueError as error:
            raise UpstreamFailure("unreachable", str(error)) from None
        way = self._ways.get(origin(of or url), _DIRECT)
        if way.proxy is not None:
            return None
        if len(self._routes) >= _MOST_URLS:
            self._routes.clear()
        pool = self._pools.setdefault((where, way.ca), Pool())
        route = self._routes[url, of] = _Route(place, self._context(way.ca) if place.tls else None, pool)
        return route

    def _context(self, ca: str | None) -> ssl.SSLContext:
        if ca not in self._trusts:  # the system's, read when it is first needed
            self._trusts[ca] = context = ssl.create_default_context()
            context.set_alpn_protocols(["http/1.1"])
        return self._trusts[ca]

    async def _connect(self, route: _Route) -> Connection:
        """A new connection. Raises UpstreamFailure."""
        place, tls = route.place, route.context
        sock: socket.socket | None = None
        try:
            async with asyncio.timeout(self._connect_s):
                addresses = await self._resolver.addresses(place.host, place.port)
                sock = await start_connection(addresses, happy_eyeballs_delay=_NEXT_ADDRESS_S)
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(route.pool.put, self._lost), sock=sock, ssl=tls,
                    server_hostname=None if tls is None else place.host,
                )  # fmt: skip
        except BaseException as error:  # the caller's hang-up included: the socket must not stay open
            if sock is not None:
                sock.close()
            if isinstance(error, OSError):  # as are a timeout, and all that TLS and names run into
                raise UpstreamFailure("unreachable", _reason(error)) from None
            raise
        self._open.add(connection)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep_pools)
        return connection

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if self._last_gone is not None and not self._open:
            self._last_gone.set()

    def _sweep_pools(self) -> None:
        for pool in self._pools.values():
            pool.sweep()
        again = asyncio.get_running_loop().call_later
        self._sweep = again(_SWEEP_S, self._sweep_pools) if self._open else None


async def _ask(connection: Connection, request: bytes, *, once: bool) -> Reply:
    reply = connection.ask(request, once=once)
    try:
        await reply.begun()
    except asyncio.CancelledError:
        reply.close()
        raise
    return reply


def _written(call: HttpCall, place: Place) -> bytes:
    """The request as bytes. Raises ValueError where a header holds a line break, or says what only this client may say."""
    lines = [f"{call.method} {place.path} HTTP/1.1", f"host: {place.authority}"]
    lines += [f"{name}: {value}" for name, value in call.headers.items()]
    if call.body or call.method != "GET":
        lines.append(f"content-length: {len(call.body)}")
    head = "\r\n".join(lines)
    if head.count("\r") >= len(lines) or head.count("\n") >= len(lines) or "\0" in head:
        raise ValueError("a header of this call holds a line break")
    if not _FRAMING.isdisjoint(map(str.lower, call.headers)):
        raise ValueError(f"a call states no {', '.join(sorted(_FRAMING))} of its own")
    return f"{head}\r\n\r\n".encode() + call.body


def _reason(error: OSError) -> str:
    """What went wrong, without the address: callers see it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message.partition(',')[0]}"
    if isinstance(error, ssl.SSLError | TimeoutError):  # their numbers are not the system's
        return "no connection in time" if isinstance(error, TimeoutError) else f"TLS failed ({error.reason or 'no reason given'})"
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or type(error).__name__  # a resolver's, whose numbers are negative
