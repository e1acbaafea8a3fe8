"""When the tokens of an answer leave: a first-token delay, then a steady rate, several tokens an event where they come fast."""

import asyncio
import math
from collections.abc import Iterator

import msgspec

from freehold.core.errors import BadSettings


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """`time_scale` divides every wait, so that a trace replayed that many times faster keeps its concurrency."""

    ttft_ms: float = 200.0
    tokens_per_s: float = 60.0
    time_scale: float = 1.0
    event_ms: float = 20.0

    def __post_init__(self) -> None:
        for name in ("tokens_per_s", "time_scale"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise BadSettings(f"{name} is {value:g}; use a number above 0")
        for name in ("ttft_ms", "event_ms"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise BadSettings(f"{name} is {value:g}; use 0 or more milliseconds")

    def steps(self, tokens: int) -> Iterator[tuple[float, int]]:
        """(seconds after the start, tokens out by then) of each event; the first carries one token, so its delay is exact."""
        interval_s = 1 / (self.tokens_per_s * self.time_scale)
        per_event = max(1, math.ceil(self.event_ms / 1000 / interval_s))
        first_s = self.ttft_ms / 1000 / self.time_scale
        for out in range(1, tokens, per_event):
            yield first_s + (out - 1) * interval_s, out
        yield first_s + max(0, tokens - 1) * interval_s, tokens


async def sleep_until(moment_s: float) -> None:
    """Wait for a moment of the running loop's clock; one that has passed only lets others run."""
    await asyncio.sleep(max(0.0, moment_s - asyncio.get_running_loop().time()))
