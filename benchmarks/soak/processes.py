"""How big each process of a gateway was while it was used, and what was left of that at rest."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from benchmarks.soak.slope import Slope, slope
from benchmarks.soak.watched import Sample

QUIET_S = 12
# A series for each target and fate of an attempt, pools, statements and pages of databases: all that is made once comes first.
_WARM_SHARE, _WARM_S = 0.5, 30.0
# For each request. What is below 512 bytes is a block, anything larger the heap's. Pages are held to less, since those freed in
# pieces stay resident. A label's first use makes series that last, so live blocks are judged without those of new series, each as
# large as one was measured to be at most: where it is counted, and where a parent keeps what its workers sent. Their bar leaves
# room for what fills for minutes: in runs of twenty minutes the slopes were -0.2 to +0.2. A run of less than ten spreads what is
# filled once over fewer requests, so its bars are higher in proportion.
BARS: Mapping[str, float] = {"rss": 1024.0, "heap": 128.0, "blocks": 0.5}
_SIZES = {"rss": "rss_bytes", "heap": "heap_bytes", "blocks": "blocks"}
COUNTED_BLOCKS, DECODED_BLOCKS = 6.0, 9.0
_BARS_S = 600.0
OPEN = ("descriptors", "sockets", "tasks")


class Series(NamedTuple):
    """How many series of metrics a process had, and when; `blocks`: of one of them."""

    at: Sequence[float]
    number: Sequence[float]
    blocks: float = COUNTED_BLOCKS


class Seen(NamedTuple):
    """Samples from under load, one from rest before it, one from the rest after it, and the series meanwhile."""

    samples: Sequence[Sample]
    fresh: Sample
    rest: Sample
    series: Series


class Growth(msgspec.Struct, frozen=True):
    """Growth for each request after the warm-up, and between what it lies at 95 %; `bar`: the most that its low end may be."""

    per_request: float
    low: float
    high: float
    bar: float
    first: float
    last: float

    @property
    def holds(self) -> bool:
        """Whether it may be no growth at all."""
        return self.low <= self.bar


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One process: `growths` by what grew, None where it was seen for too short a time; `most` and at rest."""

    requests_per_s: float
    growths: Mapping[str, Growth | None]
    rss_mib_by_minute: Sequence[float]
    most: Mapping[str, int]
    fresh: Sample
    rest: Sample

    def lines(self, name: str) -> list[str]:
        """What did not hold."""
        grown = [(what, growth) for what, growth in self.growths.items() if growth is None or not growth.holds]
        wrong = [
            f"{name}: too few seconds to see a slope of {what} in; run longer" if growth is None
            else f"{name}: {what} grows with every request, by {growth.low:.2f} or more" for what, growth in grown
        ]  # fmt: skip
        return wrong + [
            f"{name}: {what} at rest {getattr(self.rest, what)}, and {getattr(self.fresh, what)} before the first request"
            for what in OPEN if getattr(self.rest, what) > getattr(self.fresh, what)
        ]  # fmt: skip


def judge_process(seen: Seen, rate: float) -> Process:
    """`rate`: the gateway's requests a second, where the process does not know how many were its own."""
    samples = seen.samples
    told = [sample for sample in samples if sample.requests]
    if told:
        rate = ((told[-1].requests or 0) - (told[0].requests or 0)) / (told[-1].at - told[0].at or 1.0)
    return Process(
        requests_per_s=rate, growths={what: _growth(seen, what, rate) for what in BARS}, rss_mib_by_minute=_by_minute(samples),
        most={name: max((getattr(sample, name) for sample in samples), default=0) for name in ("rss_bytes", *OPEN)},
        fresh=seen.fresh, rest=seen.rest,
    )  # fmt: skip


def quietest(samples: Sequence[Sample], least: Callable[[Iterable[int]], int]) -> Sample:
    """The last sample, with what was open in the last seconds: exports and looks at the ledger come and go."""
    last = samples[-QUIET_S:]
    return msgspec.structs.replace(last[-1], **{name: least(getattr(sample, name) for sample in last) for name in OPEN})


def series_of(samples: Mapping[str, Sequence[Sample]], looks: Series) -> dict[str, Series]:
    """Of each process. A worker tells of its own, its parent keeps those of all; where one process serves, `looks` are its."""
    told = {name: [one for one in found if one.series is not None] for name, found in samples.items()}
    own = {name: Series([one.at for one in found], [one.series or 0 for one in found]) for name, found in told.items() if found}
    kept = [np.interp(looks.at, one.at, one.number) for one in own.values()]
    parent = Series(looks.at, np.sum(kept, axis=0).tolist(), DECODED_BLOCKS) if kept else looks
    return {name: own.get(name, parent) for name in samples}


def _growth(seen: Seen, what: str, rate: float) -> Growth | None:
    samples = seen.samples
    if not samples or rate <= 0:
        return None
    warm = samples[0].at + max(_WARM_S, _WARM_SHARE * (samples[-1].at - samples[0].at))
    kept = [sample for sample in samples if sample.at >= warm and (sample.swept or what == "rss")]
    at, sizes = [sample.at for sample in kept], [getattr(sample, _SIZES[what]) for sample in kept]
    if what == "blocks":
        sizes = list(sizes - seen.series.blocks * np.interp(at, seen.series.at, seen.series.number))
    try:
        found: Slope = slope(at, sizes)
    except ValueError:
        return None
    bar = BARS[what] * max(1.0, _BARS_S / (samples[-1].at - samples[0].at))
    return Growth(found.per_s / rate, found.low / rate, found.high / rate, bar, sizes[0], sizes[-1])


def _by_minute(samples: Sequence[Sample]) -> list[float]:
    minutes: dict[int, list[int]] = {}
    for sample in samples:
        minutes.setdefault(int((sample.at - samples[0].at) // 60), []).append(sample.rss_bytes)
    return [round(statistics.median(found) / 2**20, 1) for found in minutes.values()]
