"""Signals that changed, told to a webhook: CloudEvents 1.0.2 as JSON, signed as in Standard Webhooks 1.0.0 (HMAC-SHA256).

Optional, so it fails open: a bounded queue, a few tries with growing waits, and what is lost is counted.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import msgspec
import structlog

from freehold.core.ports import HttpCall, Outbound, UpstreamFailure
from freehold.core.target import Secret
from freehold.plan.signals.signals import Signal

Fate: TypeAlias = Literal["sent", "lost"]

_QUEUE = 256
_TRY_S = 10.0
_WAITS_S = (1.0, 5.0, 25.0, 125.0)
_PREFIX = "whsec_"
_log = structlog.get_logger("freehold.webhook")


class Endpoint(msgspec.Struct, frozen=True):
    """Where events go, what signs them, and the name this gateway gives itself in them."""

    url: str
    secret: Secret
    source: str


class Webhook:
    """Told of changes on the event loop; `run` sends them, one after the other, so that they arrive in their order."""

    def __init__(
        self, outbound: Outbound, endpoint: Endpoint, count: Callable[[Fate], None], waits_s: tuple[float, ...] = _WAITS_S
    ) -> None:
        """`waits_s`: before each further try. Raises ValueError on a secret that says it is base64 and is not."""
        self._outbound = outbound
        self._endpoint = endpoint
        self._key = signing_key(endpoint.secret.reveal())
        self._count = count
        self._waits_s = waits_s
        self._queue: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(_QUEUE)

    def tell(self, changed: Iterable[Signal], at: float) -> None:
        """Queue one event for each signal; never waits. `at`: Unix seconds of the change."""
        for signal in changed:
            ident = secrets.token_hex(16)
            try:
                self._queue.put_nowait((ident, event(signal, ident, self._endpoint.source, at)))
            except asyncio.QueueFull:
                self._lose(signal.name, f"{_QUEUE} events are waiting already")

    async def run(self) -> None:
        """Send what is queued, until cancelled."""
        while True:
            ident, body = await self._queue.get()
            problem = await self._send(ident, body)
            if problem is None:
                self._count("sent")
            else:
                self._lose(ident, problem)

    async def _send(self, ident: str, body: bytes) -> str | None:
        """What went wrong at last, if it did."""
        problem: str | None = None
        for wait_s in (0.0, *self._waits_s):
            await asyncio.sleep(wait_s)
            problem, again = await self._try(ident, body)
            if not again:
                break
        return problem

    async def _try(self, ident: str, body: bytes) -> tuple[str | None, bool]:
        """One call: what went wrong, and whether another try may help."""
        sent_at = int(time.time())
        headers = {
            "content-type": "application/cloudevents+json; charset=utf-8", "user-agent": "freehold", "webhook-id": ident,
            "webhook-timestamp": str(sent_at), "webhook-signature": sign(self._key, ident, sent_at, body),
        }  # fmt: skip
        try:
            async with asyncio.timeout(_TRY_S):
                reply = await self._outbound.send(HttpCall(self._endpoint.url, headers, body))
                reply.close()
        except UpstreamFailure as failure:
            return failure.detail, True
        except TimeoutError:
            return f"no answer within {_TRY_S:g} s", True
        if 200 <= reply.status < 300:
            return None, False
        return f"it answered {reply.status}", reply.status >= 500 or reply.status in {408, 409, 425, 429}

    def _lose(self, what: str, problem: str) -> None:
        self._count("lost")
        _log.warning("a signal's event was given up", event_id=what, problem=problem)


def event(signal: Signal, ident: str, source: str, at: float) -> bytes:
    """One CloudEvent in structured JSON; its data is the signal as judged, figures and names only."""
    verb = "raised" if signal.state == "on" else "cleared"
    return msgspec.json.encode(
        {
            "specversion": "1.0", "id": ident, "source": source, "type": f"dev.freehold.signal.{verb}.v1",
            "subject": f"{signal.workload}/{signal.name}", "time": datetime.fromtimestamp(at, UTC).isoformat(),
            "datacontenttype": "application/json", "data": signal,
        }
    )  # fmt: skip


def sign(key: bytes, ident: str, sent_at: int, body: bytes) -> str:
    """The `webhook-signature` header: `v1,` and base64 over id, timestamp and body."""
    mac = hmac.new(key, f"{ident}.{sent_at}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(mac.digest()).decode()}"


def signing_key(secret: str) -> bytes:
    """The bytes that sign: base64 after `whsec_`, else the text itself. Raises ValueError on base64 that is broken or empty."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise ValueError(f"what follows {_PREFIX} is not base64")
    return key
