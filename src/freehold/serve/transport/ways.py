"""How a place is reached: what its certificate is checked against, a proxy where one is stated, and what counts as loopback."""

from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec

_PORTS = {"http": 80, "https": 443}


class Way(msgspec.Struct, frozen=True):
    """`ca`: certificates as PEM text, in place of the system's. `proxy`: its URL; without one the connection is direct."""

    ca: str | None = None
    proxy: str | None = None


def origin(url: str) -> str:
    """`scheme://host:port` in lower case, by which a way is found. Raises ValueError on a port that is none."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or _PORTS.get(parts.scheme)}"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its spelling alone: `localhost` or a loopback address. A private address is not."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
