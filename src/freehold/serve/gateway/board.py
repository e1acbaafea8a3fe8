"""What is known about each target right now: our requests in flight, its own load reading, and how long to leave it alone."""

from collections import Counter
from collections.abc import Callable, Mapping

from freehold.core.decision import Load, TargetState

FRESH_S = 3.0


class Board:
    """Written by attempts and the load watch, read by decisions; one event loop, so reads and writes never interleave."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._in_flight: Counter[str] = Counter()
        self._loads: dict[str, tuple[float, int, Load]] = {}  # target -> (read at, of it not ours, load)
        self._cooling: dict[str, tuple[float, float]] = {}  # target -> (said at, until)

    def enter(self, target: str) -> None:
        """One more attempt is on its way to this target."""
        self._in_flight[target] += 1

    def leave(self, target: str) -> None:
        """An attempt that entered has ended."""
        self._in_flight[target] -= 1

    def read_load(self, target: str, load: Load) -> None:
        """The engine's newest reading; stale after FRESH_S."""
        self._loads[target] = (self._monotonic(), max(0, load.running - self._in_flight[target]), load)

    def cool(self, target: str, seconds: float) -> None:
        """Leave this target alone for so long; the longest deadline wins."""
        if seconds > 0:
            now = self._monotonic()
            self._cooling[target] = (now, max(self._cooling.get(target, (0.0, 0.0))[1], now + seconds))

    def recovered(self, target: str, since: float) -> None:
        """It answered a request sent at `since`: a cool-down it was told before that is over."""
        said_at, _ = self._cooling.get(target, (0.0, 0.0))
        if since > said_at:
            self._cooling.pop(target, None)

    def forget(self, target: str) -> None:
        """The name is another place's now, or nobody's: cool-down and load go. Attempts under way still count, and leave."""
        self._loads.pop(target, None)
        self._cooling.pop(target, None)

    def states(self, targets: tuple[str, ...]) -> Mapping[str, TargetState]:
        """A snapshot for one decision."""
        now = self._monotonic()
        return {name: self._state(name, now) for name in targets}

    def _state(self, name: str, now: float) -> TargetState:
        read_at, foreign, load = self._loads.get(name, (-FRESH_S, 0, None))
        if now - read_at > FRESH_S:
            foreign, load = 0, None
        return TargetState(self._in_flight[name], foreign, load, max(0.0, self._cooling.get(name, (0.0, 0.0))[1] - now))
