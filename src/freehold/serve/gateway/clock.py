"""Wall time for records, monotonic time for durations."""

import time
from typing import Protocol


class Clock(Protocol):
    """Both in seconds."""

    def now(self) -> float: ...
    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's own clocks."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.perf_counter)
