"""Credentials that expire, for calls that are signed when they are sent: got off the event loop, kept, renewed before they end.

The libraries that get them read files and ask other machines, and block while they do. One question serves all who wait.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from freehold.core.ports import UpstreamFailure

Got = TypeVar("Got")
_RETRY_S = 5.0  # after a failure: every call of a target without credentials would ask for them again


class Lease(msgspec.Struct, Generic[Got], frozen=True):
    """A credential: after `renew_s` seconds there may be a better one, after `good_s` it is none any more."""

    value: Got
    renew_s: float
    good_s: float


class Kept(Generic[Got]):
    """One credential, called `name` to people. `get` may block, and may raise anything: its words are repeated nowhere."""

    def __init__(self, name: str, get: Callable[[], Lease[Got]]) -> None:
        self._name = name
        self._get = get
        self._lease: Lease[Got] | None = None
        self._got_at = 0.0
        self._ask_at = 0.0
        self._asking: asyncio.Task[None] | None = None
        self._why = ""

    async def value(self) -> Got:
        """The credential. Waits only where there is none that is good. Raises UpstreamFailure where none can be had."""
        now = time.monotonic()
        if now >= self._ask_at and self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        if self._good(now) is None and self._asking is not None:
            await asyncio.shield(self._asking)  # who gives up does not end it for the others
        lease = self._good(time.monotonic())
        if lease is None:
            raise UpstreamFailure("rejected", f"no {self._name} ({self._why or 'expired'})")
        return lease.value

    def _good(self, now: float) -> Lease[Got] | None:
        return self._lease if self._lease is not None and now < self._got_at + self._lease.good_s else None

    async def _ask(self) -> None:
        began = time.monotonic()
        try:
            self._lease = await asyncio.to_thread(self._get)
            self._got_at, self._ask_at = began, began + self._lease.renew_s
        except Exception as error:  # the border to the vendor's library: without a credential this target fails, and no other
            self._ask_at, self._why = time.monotonic() + _RETRY_S, type(error).__name__
        finally:
            self._asking = None
