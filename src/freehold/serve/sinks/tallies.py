"""Counters and histograms that are only added to, as plain numbers until somebody reads them.

The library's own take a lock for every number, nine times a request. These belong to one event loop; any thread may read them.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Tally(Collector):
    """A counter, by its labels."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        self._name, self._documentation, self._labelnames = name, documentation, labels
        self._sums: defaultdict[tuple[str, ...], int] = defaultdict(int)
        registry.register(self)

    def add(self, labels: tuple[str, ...], amount: int = 1) -> None:
        """So much more."""
        self._sums[labels] += amount

    def collect(self) -> Iterator[Metric]:
        """Prometheus's port."""
        family = CounterMetricFamily(self._name, self._documentation, labels=self._labelnames)
        for labels, total in list(self._sums.items()):
            family.add_metric(labels, total)
        yield family

    def describe(self) -> Iterator[Metric]:
        """Prometheus's port: which name is taken."""
        yield CounterMetricFamily(self._name, self._documentation)


class Spread(Collector):
    """A histogram, by its labels. `bounds` in order; what is above the last counts in one bucket more."""

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str], bounds: Sequence[float], registry: CollectorRegistry
    ) -> None:  # fmt: skip
        self._name, self._documentation, self._labelnames, self._bounds = name, documentation, labels, bounds
        self._counts: defaultdict[tuple[str, ...], list[int]] = defaultdict(lambda: [0] * (len(bounds) + 1))
        self._sums: defaultdict[tuple[str, ...], float] = defaultdict(float)
        registry.register(self)

    def observe(self, labels: tuple[str, ...], value: float) -> None:
        """One more value; a bucket holds what is at most its bound."""
        self._counts[labels][bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value

    def collect(self) -> Iterator[Metric]:
        """Prometheus's port."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labelnames)
        names = [*map(floatToGoString, self._bounds), "+Inf"]
        for labels, counts in list(self._counts.items()):
            held, buckets = 0, []
            for name, count in zip(names, list(counts), strict=True):
                held += count
                buckets.append((name, float(held)))
            family.add_metric(labels, buckets, self._sums[labels])
        yield family

    def describe(self) -> Iterator[Metric]:
        """Prometheus's port: which names are taken."""
        yield HistogramMetricFamily(self._name, self._documentation)
