"""Request, token and concurrency limits: counted before the call, tokens by the most it may take, and corrected after it.

Requests at once are counted by each process on its own; the rest by all that share a Redis.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from freehold.core.errors import RateLimited
from freehold.core.window import Window
from freehold.rules.budget import Caller, Scope
from freehold.serve.access.windows import Counted, Kind, Windows


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """For one named key, team, user or workload; `match` None: for each of them. A count that is None is not limited."""

    name: str
    scope: Scope
    match: str | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None

    def owner(self, caller: Caller) -> str | None:
        """Whose count it is; None where it is not about this caller."""
        value = caller.get(self.scope)
        return None if value is None or self.match not in {None, value} else f"{self.name}/{value}"

    def counts(self, tokens: int) -> Iterator[tuple[Kind, int, int]]:
        """What it counts of such a request: kind, allowed in a minute, this one's part."""
        if self.requests_per_minute is not None:
            yield "requests", self.requests_per_minute, 1
        if self.tokens_per_minute is not None:
            yield "tokens", self.tokens_per_minute, tokens


class Entered(msgspec.Struct):
    """What a request was counted as. `windows` tell its caller what is left, as of `at` (Unix seconds)."""

    at_once: tuple[str, ...] = ()
    counted: tuple[Counted, ...] = ()
    windows: Sequence[Window] = ()
    at: float = 0.0


class Limiter:
    """The limits' live part. `now` is the windows' clock, in Unix seconds."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._at_once: Counter[str] = Counter()

    @property
    def failures(self) -> int:
        """Times the counts could not be reached."""
        return self._windows.failures

    async def enter(self, limits: Sequence[Limit], caller: Caller, tokens: int, now: float) -> Entered:
        """Count one request of up to so many tokens. Raises RateLimited, and then nothing of it stays counted."""
        entered = Entered()
        owned = [(limit, owner) for limit in limits if (owner := limit.owner(caller)) is not None]
        try:
            for limit, owner in owned:
                self._enter_at_once(limit, owner, entered)
            for limit, owner in owned:
                for kind, allowed, cost in limit.counts(tokens):
                    await self._enter_window(limit, owner, (kind, allowed, cost), entered, now)
        except BaseException:  # a refusal, or the caller's hang-up
            self.leave(entered)
            await self.correct(entered, None)
            raise
        entered.windows, entered.at = _tightest(entered.counted, now), now
        return entered

    def leave(self, entered: Entered) -> None:
        """The request is over: its place is free again."""
        for owner in entered.at_once:
            self._at_once[owner] -= 1
            if self._at_once[owner] <= 0:
                del self._at_once[owner]
        entered.at_once = ()

    async def correct(self, entered: Entered, tokens: int | None) -> None:
        """It took so many tokens; None: it was not let in, so it does not count at all."""
        counted, entered.counted = entered.counted, ()
        for one in counted:
            cost = 0 if tokens is None else one.cost if one.kind == "requests" else tokens
            await self._windows.correct(one, cost)

    def _enter_at_once(self, limit: Limit, owner: str, entered: Entered) -> None:
        if limit.concurrent is None:
            return
        if self._at_once[owner] >= limit.concurrent:
            told = f"limit {limit.name!r} allows {limit.concurrent} requests at once for this {limit.scope}"
            raise RateLimited(told, scope=limit.scope, kind="concurrent", retry_after_s=1)
        self._at_once[owner] += 1
        entered.at_once += (owner,)

    async def _enter_window(self, limit: Limit, owner: str, part: tuple[Kind, int, int], entered: Entered, now: float) -> None:
        kind, allowed, cost = part
        if cost > allowed:
            told = f"this request may take {cost} {kind}, and limit {limit.name!r} allows {allowed} a minute; ask for fewer"
            raise RateLimited(told, scope=limit.scope, kind=kind, retry_after_s=None)
        counted = await self._windows.add(kind, allowed, owner, cost)
        if counted is None:
            return
        entered.counted += (counted,)
        if counted.total > allowed:
            told = f"limit {limit.name!r} allows {allowed} {kind} a minute for this {limit.scope}"
            error = RateLimited(told, scope=limit.scope, kind=kind, retry_after_s=max(0.0, counted.ends_at - now))
            error.windows, error.at = _tightest([msgspec.structs.replace(counted, total=counted.total - cost)], now), now
            raise error


def _tightest(counted: Iterable[Counted], now: float) -> list[Window]:
    """Of each kind the window that has the least left of what it allows."""
    tightest: dict[Kind, Counted] = {}
    for one in counted:
        known = tightest.get(one.kind)
        if known is None or (one.allowed - one.total) / one.allowed < (known.allowed - known.total) / known.allowed:
            tightest[one.kind] = one
    return [Window(kind, c.allowed, c.allowed - c.total, max(0.0, c.ends_at - now)) for kind, c in tightest.items()]
