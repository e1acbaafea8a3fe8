"""The series of several processes as if one had counted them all.

Counters and histograms are added up, and those of a process that ended stay in the sum: it never falls. What is a state of the
moment is the worst of those who are there.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_WORST: Mapping[str, Callable[[float, float], float]] = {
    "freehold_target_up": min, "freehold_breaker_state": max, "freehold_target_share_ratio": min,
    "freehold_target_quota_wait_seconds": max, "freehold_budget_remaining_ratio": min,
}  # fmt: skip
_LASTING = frozenset({"counter", "histogram"})
_Key: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]


class Family(msgspec.Struct, frozen=True):
    """One metric of one process: each sample is its name, its labels and its value."""

    name: str
    kind: str
    documentation: str
    samples: list[tuple[str, dict[str, str], float]]


def families_of(registry: CollectorRegistry) -> list[Family]:
    """Everything one process has counted."""
    return [
        Family(m.name, m.type, m.documentation, [(s.name, s.labels, s.value) for s in m.samples]) for m in registry.collect()
    ]  # fmt: skip


class Pool:
    """The processes by a name that stays when one takes another's place."""

    def __init__(self) -> None:
        self._alive: dict[int, list[Family]] = {}
        self._gone: list[Family] = []

    def take(self, number: int, families: list[Family]) -> None:
        """What that process has counted since it began, in place of what it said before."""
        self._alive[number] = families

    def bury(self, number: int) -> None:
        """That process is no more: what it had counted when it was last asked stays counted, its states go."""
        lasting = [family for family in self._alive.pop(number, []) if family.kind in _LASTING]
        self._gone = _added([*self._gone, *lasting])

    def render(self) -> bytes:
        """The exposition text over all of them."""
        families = [*self._gone, *(family for families in self._alive.values() for family in families)]
        registry = CollectorRegistry()
        registry.register(_Added(_added(families)))
        return generate_latest(registry)


def _added(families: Iterable[Family]) -> list[Family]:
    """One family of each name, in the order they first came."""
    heads: dict[str, Family] = {}
    values: dict[str, dict[_Key, float]] = {}
    for family in families:
        heads.setdefault(family.name, family)
        into = values.setdefault(family.name, {})
        for name, labels, value in family.samples:
            key = name, tuple(sorted(labels.items()))
            into[key] = value if key not in into else _both(family.name, name, into[key], value)
    return [
        Family(name, head.kind, head.documentation, [(sample, dict(key), value) for (sample, key), value in values[name].items()])
        for name, head in heads.items()
    ]  # fmt: skip


def _both(family: str, sample: str, one: float, other: float) -> float:
    if sample.endswith("_created"):  # when the first of them began
        return min(one, other)
    worse = _WORST.get(family)
    return one + other if worse is None else worse(one, other)


class _Added(Collector):
    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        for family in self._families:
            metric = Metric(family.name, family.documentation, family.kind)
            for name, labels, value in family.samples:
                metric.add_sample(name, labels, value)
            yield metric
