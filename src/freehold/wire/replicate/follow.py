"""What to ask next while a prediction is not its answer yet: its stream, or how it stands.

Where to ask stands in the reply. It is believed only where it is the target's own origin, or a host of Replicate's over https:
a reply must not send our key, or our requests, anywhere else.
"""

from urllib.parse import urlsplit

from freehold.core.ports import Follow, HttpCall
from freehold.core.target import Target
from freehold.wire.replicate.predictions import predictions

_HOSTS = (".replicate.com",)  # api., stream. and streaming.api., as its pages have them
_DEFAULT_PORTS = {"http": 80, "https": 443}
_STARTING_S, _PROCESSING_S = 2.0, 0.5  # a model that is cold takes minutes to start, one that works answers soon


def follow(body: bytes, target: Target, stream: bool) -> Follow | None:
    """Raises ValueError on a body that is no prediction, and where it says nothing that may be asked."""
    seen = predictions.decode(body)
    if stream:
        if seen.urls.stream is None:
            raise ValueError("the model streams nothing")
        return Follow(_get(seen.urls.stream, target, "text/event-stream"))
    if seen.status not in {"starting", "processing"}:
        return None
    if seen.urls.get is None:
        raise ValueError("a prediction does not say where to ask for it")
    return Follow(_get(seen.urls.get, target, "application/json"), _STARTING_S if seen.status == "starting" else _PROCESSING_S)


def _get(url: str, target: Target, accept: str) -> HttpCall:
    require_its_own(url, target)
    headers = {"accept": accept, "accept-encoding": "identity"}
    if target.secret is not None:
        headers["authorization"] = f"Bearer {target.secret.reveal()}"
    return HttpCall(url, headers, b"", "GET")


def require_its_own(url: str, target: Target) -> None:
    """ValueError unless the URL is of the target's own origin, or of a host of Replicate's over https at its usual port."""
    origin = _origin(url)
    if origin is None:
        raise ValueError("a prediction names a URL that cannot be one of its own")
    scheme, host, port = origin
    documented = scheme == "https" and port == _DEFAULT_PORTS["https"] and host.endswith(_HOSTS)
    if not documented and origin != _origin(target.url):
        raise ValueError("a prediction names a URL of another host than its own")


def _origin(url: str) -> tuple[str, str, int] | None:
    """(scheme, host, port); None for anything that two readers could take for different places."""
    if not (url.isascii() and url.isprintable()) or any(sign in url for sign in '\\ "<>^`{|}'):
        return None
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        return None
    if scheme not in _DEFAULT_PORTS or not host or "@" in parts.netloc or "%" in parts.netloc or parts.fragment:
        return None
    return scheme, host.lower(), port or _DEFAULT_PORTS[scheme]
