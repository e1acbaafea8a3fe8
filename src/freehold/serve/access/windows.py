"""Counts of requests and tokens in fixed minutes: those of one process here, shared ones by the `limits` library in Redis.

Where the counts cannot be reached there are none for a moment, and that is counted: a limit protects, it is not money.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias

import msgspec
import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage

Kind: TypeAlias = Literal["requests", "tokens"]
Storage: TypeAlias = MemoryStorage | RedisStorage

_MINUTE_S = 60.0
_PATIENCE_S = 0.25
_AWAY_S = 1.0  # after a failure nobody asks again for so long
_MOST_KNOWN = 4096
_AT_ONCE = 32  # connections to Redis
_log = structlog.get_logger("freehold.limits")


class Counted(msgspec.Struct, frozen=True):
    """`cost` was added to one owner's window, which then had `total` and ends at that time (Unix seconds)."""

    kind: Kind
    allowed: int
    owner: str
    cost: int
    total: int
    ends_at: float


class Windows:
    """The counts of one process, or of all that share a Redis. A window begins with its first request.

    A storage in memory stands for this process: nobody else can see it, so that the counts are kept here, where one costs a
    microsecond. Through the library each cost ten times that.
    """

    def __init__(self, storage: Storage, now: Callable[[], float]) -> None:
        self._storage = storage
        self._here = _Here() if isinstance(storage, MemoryStorage) else None
        self._now = now
        self._ends: dict[str, float] = {}
        self._away_until = 0.0
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self.failures = 0

    async def add(self, kind: Kind, allowed: int, owner: str, cost: int) -> Counted | None:
        """Count it, also beyond what is allowed; None where the counts cannot be reached."""
        if self._here is not None:
            total, ends_at = self._here.add((kind, allowed, owner), cost, self._now())
            return Counted(kind, allowed, owner, cost, total, ends_at)
        name = _name(kind, allowed, owner)
        counted = await self._reached(lambda: self._storage.incr(name, int(_MINUTE_S), amount=cost))
        if counted is None:
            return None
        return Counted(kind, allowed, owner, cost, counted, await self._end(name, fresh=counted == cost))

    async def correct(self, counted: Counted, cost: int) -> None:
        """It was only so much, or more. In a window that is over nothing is left to correct."""
        now = self._now()
        if cost == counted.cost or now >= counted.ends_at:
            return
        if self._here is not None:
            self._here.add((counted.kind, counted.allowed, counted.owner), cost - counted.cost, now)
        else:
            name = _name(counted.kind, counted.allowed, counted.owner)
            await self._reached(lambda: self._storage.incr(name, int(_MINUTE_S), amount=cost - counted.cost))

    async def close(self) -> None:
        """Let go of Redis."""
        if isinstance(self._storage, RedisStorage):
            await self._storage.bridge.get_connection().aclose()  # type: ignore[attr-defined]

    async def _end(self, name: str, *, fresh: bool) -> float:
        """When the window ends; asked for once in each."""
        now = self._now()
        end = now + _MINUTE_S if fresh else self._ends.get(name, 0.0)
        if end <= now:
            end = await self._reached(lambda: self._storage.get_expiry(name)) or now + _MINUTE_S
        if len(self._ends) >= _MOST_KNOWN:
            self._ends = {other: until for other, until in self._ends.items() if until > now}
        self._ends[name] = end
        return end

    async def _reached(self, step: Callable[[], Awaitable[float]]) -> int | None:
        try:
            async with self._turns:
                if self._now() < self._away_until:
                    self.failures += 1
                    return None
                async with asyncio.timeout(_PATIENCE_S):
                    return int(await step())
        except Exception as error:  # whatever the store's client raises: a limit is optional, a request is not
            self.failures += 1
            self._away_until = self._now() + _AWAY_S
            _log.warning("limits not counted", kind=type(error).__name__)
            return None


class _Here:
    """Windows by kind, allowance and owner: what was counted, and when it ends."""

    def __init__(self) -> None:
        self._open: dict[tuple[Kind, int, str], tuple[int, float]] = {}

    def add(self, which: tuple[Kind, int, str], cost: int, now: float) -> tuple[int, float]:
        """The new total and the end of its window."""
        total, ends_at = self._open.get(which, (0, 0.0))
        if ends_at <= now:
            total, ends_at = 0, now + _MINUTE_S
            if len(self._open) >= _MOST_KNOWN:
                self._open = {other: window for other, window in self._open.items() if window[1] > now}
        self._open[which] = total + cost, ends_at
        return total + cost, ends_at


def _name(kind: Kind, allowed: int, owner: str) -> str:
    return RateLimitItemPerMinute(allowed, namespace=f"freehold/{kind}").key_for(owner)
