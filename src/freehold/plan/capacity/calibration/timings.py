"""What was measured of an engine: requests with their times, in loads with so many callers at once."""

from collections.abc import Callable

import msgspec

from freehold.core.errors import BadSettings


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """One whole answer: when it was sent, when its first and its last token came (seconds of one clock), and its tokens.

    `cached_tokens` of the input were found in the engine's prefix cache.
    """

    sent_s: float
    first_s: float
    last_s: float
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0

    def __post_init__(self) -> None:
        if not self.sent_s <= self.first_s <= self.last_s:
            raise BadSettings(f"a request was sent at {self.sent_s:g} s and answered from {self.first_s:g} to {self.last_s:g} s")
        if self.input_tokens < 1 or self.output_tokens < 1 or not 0 <= self.cached_tokens <= self.input_tokens:
            raise BadSettings(
                f"a request has {self.input_tokens} input tokens ({self.cached_tokens} of them cached) and {self.output_tokens} "
                "output tokens; every request has 1 or more of both"
            )

    @property
    def ttft_s(self) -> float:
        """Seconds to the first token."""
        return self.first_s - self.sent_s

    @property
    def tpot_s(self) -> float | None:
        """Seconds per token after the first; None where there is only one."""
        return (self.last_s - self.first_s) / (self.output_tokens - 1) if self.output_tokens > 1 else None

    @property
    def total_s(self) -> float:
        """Seconds to the last token."""
        return self.last_s - self.sent_s


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """So many callers, each of whom asks again `pause_s` after its last token; the requests in the order they were sent.

    `name` says which loads are alike: repeats of one load bear the same.
    """

    name: str
    concurrency: int
    timings: tuple[Timing, ...]
    pause_s: float = 0.0

    def __post_init__(self) -> None:
        if self.concurrency < 1 or not self.timings:
            raise BadSettings(
                f"load {self.name} has {self.concurrency} callers and {len(self.timings)} answers; 1 or more of both"
            )

    def by(self, clock: Callable[[float], float]) -> "Load":
        """The same with its moments (seconds) told by another clock, which never goes back. The pause is the callers' own."""
        timings = tuple(
            msgspec.structs.replace(one, sent_s=clock(one.sent_s), first_s=clock(one.first_s), last_s=clock(one.last_s))
            for one in self.timings
        )
        return msgspec.structs.replace(self, timings=timings)
