"""Sums over a long ledger, read again only after a rest, so that an open dashboard costs little."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

_LONG_S = 0.1
_REST = 10
_T = TypeVar("_T")


class Rested(Generic[_T]):
    """What `sums` gave last is used again for ten times as long as it took; what is quick is read every time."""

    def __init__(self, sums: Callable[[], _T], clock: Callable[[], float] = time.monotonic) -> None:
        self._sums = sums
        self._clock = clock
        self._last: tuple[float, _T] | None = None

    def read(self) -> _T:
        """Raises what `sums` raises, and then keeps nothing of it."""
        began = self._clock()
        if self._last is not None and began < self._last[0]:
            return self._last[1]
        found = self._sums()
        took = self._clock() - began
        self._last = (began + (_REST * took if took > _LONG_S else 0.0), found)
        return found
