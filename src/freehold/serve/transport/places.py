"""Where a URL leads: the parts of it that a connection and a request line need, and the addresses its host name has."""

import asyncio
import socket
import time
from ipaddress import ip_address
from typing import Any, TypeAlias
from urllib.parse import quote, urlsplit

import msgspec

from freehold.serve.transport.ways import is_loopback

Addresses: TypeAlias = list[tuple[int, int, int, str, Any]]

_PORTS = {"http": 80, "https": 443}
_KNOWN_S = 10.0
_AS_WRITTEN = "/?:@!$&'()*+,;=-._~%[]"


class Place(msgspec.Struct, frozen=True):
    """`authority` is the Host header's value; `path` begins with a slash and has the query; neither has anything to escape."""

    tls: bool
    host: str
    port: int
    authority: str
    path: str

    @classmethod
    def of(cls, url: str) -> "Place":
        """Raises ValueError on a URL that is neither http nor https, has no host, or carries credentials."""
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
            raise ValueError("the URL must be http:// or https:// with a host and without credentials")
        host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode("ascii")
        usual = _PORTS[parts.scheme]
        port = parts.port or usual
        name = f"[{host}]" if ":" in host else host
        path = quote(parts.path or "/", safe=_AS_WRITTEN) + (f"?{quote(parts.query, safe=_AS_WRITTEN)}" if parts.query else "")
        return cls(parts.scheme == "https", host, port, name if port == usual else f"{name}:{port}", path)


class Resolver:
    """The system's, but what is called loopback stays on this machine, whatever the name is made to lead to."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[float, Addresses]] = {}

    async def addresses(self, host: str, port: int) -> Addresses:
        """In the system's order. Raises OSError when the name leads nowhere it may."""
        until, found = self._known.get((host, port), (0.0, []))
        if time.monotonic() < until:
            return found
        found = _literal(host, port) or await self._asked(host, port)
        self._known[host, port] = (time.monotonic() + _KNOWN_S, found)
        return found

    async def _asked(self, host: str, port: int) -> Addresses:
        asked = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        found: Addresses = [(int(family), int(kind), proto, name, at) for family, kind, proto, name, at in asked]
        if is_loopback(host):
            found = [address for address in found if is_loopback(address[4][0])]
        if not found:
            raise OSError(None, f"{host} leads to another machine")
        return found


def _literal(host: str, port: int) -> Addresses:
    """The one address that a host written as an address is; none for a name."""
    try:
        version = ip_address(host).version
    except ValueError:
        return []
    at: Any = (host, port) if version == 4 else (host, port, 0, 0)
    return [(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", at)]
