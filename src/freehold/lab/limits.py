"""What a rented API allows a caller: requests per minute and at once. Beyond it says 429 and when to come back."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from freehold.lab.asgi import Refusal


class RequestLimit:
    """No more than `per_minute` admitted in any minute and `concurrency` at once; None means no limit.

    A minute lasts 60 s / `time_scale`. `headers` are OpenAI's x-ratelimit-* as of now.
    """

    def __init__(self, per_minute: int | None, concurrency: int | None, time_scale: float) -> None:
        self._per_minute = per_minute
        self._concurrency = concurrency
        self._window_s = 60 / time_scale
        self._admitted: deque[float] = deque(maxlen=per_minute)
        self._running = 0

    @asynccontextmanager
    async def admit(self) -> AsyncIterator[None]:
        """One request's stay. Raises Refusal with 429."""
        self._forget_old()
        if self._per_minute is not None and len(self._admitted) >= self._per_minute:
            message = f"Rate limit reached: {self._per_minute} requests per minute."
            raise self._refusal(message, self._reset_s())
        if self._concurrency is not None and self._running >= self._concurrency:
            raise self._refusal(f"Too many requests at once: {self._concurrency}.", 1.0)
        if self._per_minute is not None:
            self._admitted.append(asyncio.get_running_loop().time())
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    def headers(self) -> list[tuple[str, str]]:
        """x-ratelimit-* for the replies; empty without a limit per minute."""
        if self._per_minute is None:
            return []
        self._forget_old()
        return [
            ("x-ratelimit-limit-requests", str(self._per_minute)),
            ("x-ratelimit-remaining-requests", str(self._per_minute - len(self._admitted))),
            ("x-ratelimit-reset-requests", f"{math.ceil(self._reset_s() * 1000)}ms"),
        ]

    def _reset_s(self) -> float:
        """Seconds until the oldest admission leaves the window."""
        return max(0.0, self._admitted[0] + self._window_s - asyncio.get_running_loop().time()) if self._admitted else 0.0

    def _forget_old(self) -> None:
        horizon = asyncio.get_running_loop().time() - self._window_s
        while self._admitted and self._admitted[0] <= horizon:
            self._admitted.popleft()

    def _refusal(self, message: str, wait_s: float) -> Refusal:
        wait = [("retry-after", str(math.ceil(wait_s))), ("retry-after-ms", str(math.ceil(wait_s * 1000)))]
        return Refusal(429, "requests", "rate_limit_exceeded", message, wait)
