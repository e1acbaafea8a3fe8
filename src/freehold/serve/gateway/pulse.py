"""The pace of a stream: it may neither fall silent nor drip for ever. One timer a stream, not one for each chunk."""

import asyncio
from types import TracebackType
from typing import Self

from freehold.core.ports import UpstreamFailure

_LOOKS = 4  # within one limit: a limit is kept to a quarter of itself


class Pulse:
    """Ends its body with UpstreamFailure("stalled") when, while it waits for its target, nothing came for `idle_s` seconds, or
    fewer than `slow_events` events with content within `slow_s` seconds of waiting. Time the caller takes to read does not count.
    """

    def __init__(self, idle_s: float, slow_s: float, slow_events: int) -> None:
        self._idle_s = idle_s
        self._slow_s = slow_s
        self._slow_events = slow_events
        self._loop = asyncio.get_running_loop()
        self._limit = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None
        self._waiting_since: float | None = None
        self._waited_s = 0.0
        self._events = 0
        self._why = ""

    async def __aenter__(self) -> Self:
        await self._limit.__aenter__()
        self._look_later()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self._limit.__aexit__(kind, error, trace)
        except TimeoutError:
            raise UpstreamFailure("stalled", self._why) from None

    def waits(self) -> None:
        """From now on it is the target's turn."""
        self._waiting_since = self._loop.time()

    def beats(self, events: int) -> None:
        """Something came, with so many events of content."""
        if self._waiting_since is not None:
            self._waited_s += self._loop.time() - self._waiting_since
            self._waiting_since = None
        self._events += events
        if self._waited_s >= self._slow_s and self._events >= self._slow_events:
            self._waited_s, self._events = 0.0, 0

    def _look_later(self) -> None:
        self._timer = self._loop.call_later(min(self._idle_s, self._slow_s) / _LOOKS, self._look)

    def _look(self) -> None:
        silent_s = 0.0 if self._waiting_since is None else self._loop.time() - self._waiting_since
        if silent_s >= self._idle_s:
            self._end(f"no bytes for {self._idle_s:g} s")
        elif self._waited_s + silent_s >= self._slow_s and self._events < self._slow_events:
            self._end(f"fewer than {self._slow_events} events with content in {self._slow_s:g} s")
        else:
            self._look_later()

    def _end(self, why: str) -> None:
        self._why = why
        self._limit.reschedule(self._loop.time())
