"""What is known about each target right now: our requests in flight, its own load reading, and its health."""

from collections.abc import Callable, Mapping

import msgspec
import structlog

from freehold.core.decision import Load, TargetState
from freehold.core.ports import Verdict
from freehold.rules.breaker import Ending, Event, ending_of, phase
from freehold.rules.health import WELL, Care, Health, after, seen
from freehold.rules.order import held_because
from freehold.rules.quota import Quota, corrected, heard, spent, stated
from freehold.rules.ramp import nth_draw
from freehold.wire.upstream_limits import upstream_limits

FRESH_S = 3.0
_USUAL = Care()
_log = structlog.get_logger("freehold.health")


class Visit(msgspec.Struct, frozen=True):
    """One attempt on its way to a target: its number, when it set out, and the tokens set aside of the target's quota."""

    target: str
    number: int
    began_at: float
    tokens: int = 0


class _Place:
    """One target's: the numbers of the visits that have not left, its last reading, its health."""

    __slots__ = ("foreign", "health", "load", "read_at", "visits")

    def __init__(self) -> None:
        self.visits: set[int] = set()
        self.read_at, self.foreign = -FRESH_S, 0
        self.load: Load | None = None
        self.health: Health = WELL


class Board:
    """Written by attempts and the watches, read by decisions; one event loop, so reads and writes never interleave.

    An attempt's life: `enter`, `heard` with the reply's headers, `ended` or `failed` once or more, and `leave` in any case.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._places: dict[str, _Place] = {}
        self._cares: Mapping[str, Care] = {}
        self._visits = 0
        self._draws = 0

    def follow(self, cares: Mapping[str, Care]) -> None:
        """From now on look after these targets so; others as usual. Limits that did not change keep their level."""
        now = self._monotonic()
        for name in {*cares, *self._cares}:
            place, rates = self._place(name), cares.get(name, _USUAL).rates
            self._set_quota(place, stated(place.health.quota, rates, now))
        self._cares = cares

    def enter(self, target: str, tokens: int = 0) -> Visit:
        """One more attempt is on its way to this target, for about so many tokens. In a half-open breaker it may be the probe."""
        place, now = self._place(target), self._monotonic()
        tokens = max(1, tokens)
        self._visits += 1
        visit = Visit(target, self._visits, now, tokens)
        place.visits.add(visit.number)
        if place.health is not WELL:
            self._step(target, Event("sent", visit.number, now))
            self._set_quota(place, spent(place.health.quota, 1, tokens, now))
        return visit

    def leave(self, visit: Visit, tokens: int | None = None) -> None:
        """The attempt is over, or the target has done its work; what it took in tokens, where that is known."""
        place = self._place(visit.target)
        if visit.number not in place.visits:
            return
        place.visits.remove(visit.number)
        if place.health.breaker.probe == visit.number:
            self.ended(visit, "left")
        if tokens is not None and visit.began_at >= place.health.since:
            self._set_quota(place, corrected(place.health.quota, tokens - visit.tokens, self._monotonic()))

    def ended(self, visit: Visit, ending: Ending, cool_s: float = 0.0, *, asked: bool = False) -> None:
        """What became of the attempt: `began` with a stream's first content token, `answered` with a whole answer or the end of
        a stream. The target is to be left alone for `cool_s`, `asked`: by its own word; the longest deadline wins."""
        self._step(visit.target, Event(ending, visit.number, visit.began_at, cool_s, asked))

    def failed(self, visit: Visit, verdict: Verdict) -> None:
        """The same by the verdict on an error reply, or on the failure to get any."""
        asked = verdict.outcome == "overloaded" or verdict.retry_after_s is not None
        self.ended(visit, ending_of(verdict), verdict.cool_s, asked=asked)

    def heard(self, target: str, headers: Mapping[str, str]) -> None:
        """A reply's headers, good or bad: what is left of the target's limits."""
        windows = upstream_limits(headers)
        if windows:
            place = self._place(target)
            self._set_quota(place, heard(place.health.quota, windows, self._monotonic()))

    def checked(self, target: str, *, healthy: bool) -> None:
        """What a free check of an owned engine found."""
        self._step(target, Event("healthy" if healthy else "unhealthy"))

    def troubled(self, target: str) -> bool:
        """Whether its breaker is not closed, so that a free check is worth its while."""
        place = self._places.get(target)
        return place is not None and place.health.breaker.tripped

    def wants_probe(self, target: str) -> bool:
        """Whether a paid probe of ours is due there."""
        if not self._cares.get(target, _USUAL).paid_probes or not self.troubled(target):
            return False
        health, now = self._places[target].health, self._monotonic()
        return health.breaker.probe == 0 and phase(health.breaker, now) == "half_open" and health.cooling.until <= now

    def held_s(self, target: str, tokens: int = 0) -> float:
        """Seconds for which the target should be sent nothing; 0: now is fine. To be asked right before `enter`, since others
        may have taken the last of its quota, or the place of the probe, since the decision."""
        held = held_because(self._state(target, self._monotonic(), tokens))
        return 0.0 if held is None else held[1]

    def draw(self) -> float:
        """The next draw, in [0, 1), for one decision."""
        self._draws += 1
        return nth_draw(self._draws)

    def read_load(self, target: str, load: Load) -> None:
        """The engine's newest reading; stale after FRESH_S."""
        place = self._place(target)
        place.read_at, place.foreign, place.load = self._monotonic(), max(0, load.running - len(place.visits)), load

    def forget(self, target: str) -> None:
        """The name is another place's now, or nobody's: health and load go. Attempts under way still count, and leave."""
        now = self._monotonic()
        old, new = self._place(target), _Place()
        new.visits = old.visits
        new.health = Health(since=now, quota=stated(WELL.quota, self._cares.get(target, _USUAL).rates, now))
        self._places[target] = new

    def states(self, targets: tuple[str, ...], tokens: int = 0) -> Mapping[str, TargetState]:
        """A snapshot for one decision about a request of about so many tokens."""
        now = self._monotonic()
        return {name: self._state(name, now, tokens) for name in targets}

    def _state(self, name: str, now: float, tokens: int) -> TargetState:
        place = self._places.get(name)
        if place is None:
            return TargetState()
        fresh = now - place.read_at <= FRESH_S
        here = TargetState(len(place.visits), place.foreign if fresh else 0, place.load if fresh else None)
        return seen(place.health, here, now, tokens, self._cares.get(name, _USUAL))

    def _place(self, name: str) -> _Place:
        place = self._places.get(name)
        if place is None:
            place = self._places[name] = _Place()
        return place

    def _step(self, target: str, event: Event) -> None:
        place = self._place(target)
        before = place.health
        place.health = after(before, event, self._monotonic(), self._cares.get(target, _USUAL))
        breaker = place.health.breaker
        if breaker.opened_at != before.breaker.opened_at:
            for_s = round(breaker.until - breaker.opened_at, 1)
            _log.warning("breaker opened", target=target, failures=breaker.failures, for_s=for_s)
        elif before.breaker.tripped and not breaker.tripped:
            _log.info("breaker closed", target=target)

    def _set_quota(self, place: _Place, quota: Quota) -> None:
        if quota is not place.health.quota:
            place.health = msgspec.structs.replace(place.health, quota=quota)
