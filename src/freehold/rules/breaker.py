"""A target's breaker, pure: (state, event, now) -> state. Times are seconds of one clock that never goes back.

Closed: requests pass, and failures in a row are counted. Open: for a while nothing should be sent. Half-open: that while is over,
and one request at a time finds out whether the target is back; its answer closes the breaker, its failure opens it for longer.
"""

import math
from typing import Literal, TypeAlias

import msgspec

from freehold.core.decision import Phase
from freehold.core.ports import Verdict

Ending: TypeAlias = Literal["began", "answered", "failed", "overloaded", "refused", "left"]

_CHECK_HOLDS_S = 2.0  # a free check comes twice a second; where the checks themselves end, the breaker goes on by its clock
_MOST_DOUBLINGS = 16


class Breaking(msgspec.Struct, frozen=True):
    """It opens after so many `failures` in a row for `open_s` seconds, and each time that does not help for twice as long, up to
    `longest_s`."""

    failures: int = 5
    open_s: float = 5.0
    longest_s: float = 60.0


class Event(msgspec.Struct, frozen=True):
    """What happened to the attempt with the number `visit`, sent at `since`; or what a free check of its engine found.

    `began`: a stream's first content token; `answered`: a whole answer, or the end of a stream; `refused`: the request was at
    fault; `left`: nobody waits for it any more. `cool_s` is how long to leave the target alone, `asked`: by its own word.
    """

    kind: Literal["sent", "healthy", "unhealthy"] | Ending
    visit: int = 0
    since: float = math.inf
    cool_s: float = 0.0
    asked: bool = False


class Breaker(msgspec.Struct, frozen=True):
    """`tripped`: open until `until`, half-open from then on. `probe` is the number of the attempt that tries it (0: none does).

    `opened` counts openings without a lasting recovery between them; `down`: a free check found nobody there.
    """

    failures: int = 0
    tripped: bool = False
    until: float = 0.0
    probe: int = 0
    opened: int = 0
    opened_at: float = -math.inf
    recovered_at: float = -math.inf
    down: bool = False


def phase(breaker: Breaker, now: float) -> Phase:
    """Which of its three states it is in."""
    if not breaker.tripped:
        return "closed"
    return "open" if now < breaker.until else "half_open"


def ending_of(verdict: Verdict) -> Ending:
    """What an error reply says of the target's health.

    Nothing, where the request was at fault: callers must not be able to open a breaker for others. Being busy is no failure.
    """
    if not verdict.elsewhere or (verdict.outcome == "rejected" and verdict.cool_s == 0):
        return "refused"
    return "overloaded" if verdict.outcome == "overloaded" else "failed"


def step(breaker: Breaker, event: Event, now: float, breaking: Breaking) -> Breaker:
    """The state after the event. Total: an event that does not concern the state leaves it as it is."""
    if event.kind == "sent":
        free = breaker.probe == 0 and phase(breaker, now) == "half_open"
        return msgspec.structs.replace(breaker, probe=event.visit) if free else breaker
    if event.kind in {"healthy", "unhealthy"}:
        return _checked(breaker, now, healthy=event.kind == "healthy")
    if breaker.tripped:
        # Only the one that was sent to find out decides: what was under way before it opened is old news.
        return _probed(breaker, event, now, breaking) if event.visit == breaker.probe != 0 else breaker
    if event.since < breaker.opened_at:
        return breaker
    if event.kind == "failed":
        failed = msgspec.structs.replace(breaker, failures=breaker.failures + 1)
        return _opened(failed, now, breaking) if failed.failures >= breaking.failures else failed
    if event.kind == "answered" and (breaker.failures or breaker.opened):
        lasting = now - breaker.recovered_at >= breaking.longest_s
        return msgspec.structs.replace(breaker, failures=0, opened=0 if lasting else breaker.opened)
    return breaker


def _probed(breaker: Breaker, event: Event, now: float, breaking: Breaking) -> Breaker:
    if event.kind == "failed":
        return _opened(msgspec.structs.replace(breaker, failures=breaker.failures + 1), now, breaking)
    if event.kind in {"began", "answered"}:
        # One that has only begun may yet break off: then it is open again at once.
        failures = 0 if event.kind == "answered" else breaking.failures - 1
        return Breaker(failures=failures, opened=breaker.opened, opened_at=breaker.opened_at, recovered_at=now)
    return msgspec.structs.replace(breaker, probe=0)


def _opened(breaker: Breaker, now: float, breaking: Breaking) -> Breaker:
    wait_s = min(breaking.longest_s, breaking.open_s * 2 ** min(breaker.opened, _MOST_DOUBLINGS))
    return Breaker(
        failures=breaker.failures, tripped=True, until=now + wait_s, opened=breaker.opened + 1, opened_at=now, down=breaker.down,
    )  # fmt: skip


def _checked(breaker: Breaker, now: float, *, healthy: bool) -> Breaker:
    """A check alone closes nothing: an engine may say it is well and fail every request. One that was gone is tried at once."""
    if not breaker.tripped or (healthy and not breaker.down):
        return breaker
    if healthy:
        return msgspec.structs.replace(breaker, until=min(breaker.until, now), opened=0, down=False)
    return msgspec.structs.replace(breaker, until=max(breaker.until, now + _CHECK_HOLDS_S), down=True)
