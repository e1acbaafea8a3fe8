"""One system under load, a few seconds at a time: CPU of a request, latency at a fixed rate, streams; and what it kept of it."""

import subprocess
import time
from collections import Counter
from pathlib import Path

import msgspec

from benchmarks.peers.running import Running
from benchmarks.peers.setup import Kept

CALLERS, RATE, STREAMS = 16, 25, 50
LADDER = (50, 100, 200, 400, 800)
HELD_MS = 20.0
_SETTLE_S = 0.5  # what a system writes behind its answers belongs to their CPU; the same wait for all
_LATE_S = 10.0


class Quantiles(msgspec.Struct, frozen=True):
    """Microseconds; -1 where nothing was counted."""

    p50: float
    p99: float


class Said(msgspec.Struct, frozen=True):
    """What `load` prints."""

    answered: int
    refused: int
    broken: int
    unsent: int
    events: int
    latency_us: Quantiles
    delay_us: Quantiles

    @property
    def clean(self) -> bool:
        """Whether every request was answered, and in time."""
        return not (self.refused or self.broken or self.unsent)


class Round(msgspec.Struct, frozen=True):
    """One round of one system. CPU is None where nothing was answered."""

    requests_per_s: float
    cpu_us_per_request: float | None
    latency_us: Quantiles
    cpu_us_per_event: float | None
    delay_us: Quantiles
    failures: int


class Load:
    """The load generator, compiled."""

    def __init__(self, binary: Path) -> None:
        self._binary = binary
        self.answered: Counter[str] = Counter()  # requests by system, whole and streamed
        self._direct_us: dict[int, float] = {}  # by streams, the delay of events that go through nothing

    def round(self, system: Running, seconds: float) -> Round:
        """All callers at once, then a fixed rate, then streams."""
        cpu, closed = self._with_cpu(system, "closed", CALLERS, seconds)
        _, rated = self._with_cpu(system, "rate", CALLERS, seconds)
        stream_cpu, streamed = self._with_cpu(system, "stream", STREAMS, seconds)
        return Round(
            requests_per_s=closed.answered / seconds,
            cpu_us_per_request=cpu / closed.answered * 1e6 if closed.answered else None,
            latency_us=rated.latency_us,
            cpu_us_per_event=stream_cpu / streamed.events * 1e6 if streamed.events else None,
            delay_us=streamed.delay_us,
            failures=sum(said.refused + said.broken for said in (closed, rated, streamed)),
        )

    def held(self, system: Running, direct: Running, seconds: float) -> int:
        """The most streams of LADDER whose events come at most HELD_MS later than direct ones, both at p99; 0: none."""
        held = 0
        for streams in LADDER:
            if streams not in self._direct_us:
                self._direct_us[streams] = self._with_cpu(direct, "stream", streams, seconds)[1].delay_us.p99
            _, through = self._with_cpu(system, "stream", streams, seconds)
            late_us = through.delay_us.p99 - self._direct_us[streams]
            if not through.clean or through.delay_us.p99 < 0 or late_us > HELD_MS * 1000:
                break
            held = streams
        return held

    def kept(self, system: Running) -> Kept | None:
        """What the system says it kept, once that is all that it answered or ten seconds have passed; None if it cannot say."""
        if system.kept is None:
            return None
        deadline = time.monotonic() + _LATE_S
        while True:
            kept = system.kept()
            if min(kept.recorded, kept.counted) >= self.answered[system.name] or time.monotonic() > deadline:
                return kept
            time.sleep(0.5)

    def _with_cpu(self, system: Running, mode: str, callers: int, seconds: float) -> tuple[float, Said]:
        request = system.stream if mode == "stream" else system.whole
        command = [str(self._binary), mode, str(system.port), str(request), str(callers), f"{seconds:g}", str(RATE)]
        before = system.cpu_s()
        said = msgspec.json.decode(subprocess.run(command, capture_output=True, check=True).stdout, type=Said)
        self.answered[system.name] += said.answered
        time.sleep(_SETTLE_S)
        return system.cpu_s() - before, said
