"""Addresses of targets: what can be one, and where what proves who we are may go."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from freehold.app.section import is_host
from freehold.serve.transport.ways import is_loopback

_ADDRESS = "use a URL such as http://10.0.0.5:8000"
_API_VERSION = re.compile(r"\?api-version=[A-Za-z0-9.-]+\Z")  # Azure's; other providers' URLs have none


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError(_ADDRESS) from None
    if parts.scheme not in {"http", "https"} or not host or any(c.isspace() for c in text):
        raise ValueError(_ADDRESS)
    if "\\" in text:
        raise ValueError("a backslash is read in more than one way; leave it out")
    if "@" in parts.netloc:
        raise ValueError("put no credentials into the URL; key: env:NAME or file:PATH says where they are")
    if _API_VERSION.sub("", text).count("?") or "#" in text:
        raise ValueError("the API's paths are put behind the URL, so it ends without a query or fragment")
    if not is_host(host) or port == 0:
        raise ValueError(f"{parts.netloc!r} can be no machine's address; {_ADDRESS}")
    return text


Address = Annotated[str, AfterValidator(_address)]


def require_safe(auth: str, url: str, own: tuple[str, ...] | None, stated: str | None) -> None:
    """Raises ValueError where a sign-in's token could be read on the way to that URL, or would go to a host that is neither the
    vendor's (`own`: how those end; None: a signature is for its host alone) nor the one that is stated."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if own is None and stated is not None:
        raise ValueError(f"auth_host is for auth: entra; what auth: {auth} sends is for the host of the url alone")
    if is_loopback(host):
        return
    if parts.scheme != "https":
        raise ValueError(f"auth: {auth} sends a token to {host}, and by plain http others could read it; use https")
    if own is not None and not host.endswith(own) and host != stated:
        raise ValueError(
            f"auth: {auth} sends a token that opens whatever this machine may use, and {host} is no host of the vendor's; if it "
            f"may have that token, state auth_host: {host}"
        )
