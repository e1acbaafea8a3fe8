"""Counters and histograms kept as plain numbers read as the library's own would."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from freehold.serve.sinks.tallies import Spread, Tally

BOUNDS = (0.01, 0.1, 1.0)
labels = st.tuples(st.sampled_from(["triage", "draft"]), st.sampled_from(["api", 'a "quoted" one']))


def lines(registry: CollectorRegistry) -> set[str]:
    """Without the library's own moments of creation."""
    return {line for line in generate_latest(registry).decode().splitlines() if "_created" not in line}


@given(st.lists(st.tuples(labels, st.integers(0, 2**60))))
def test_a_tally_reads_as_a_counter(added: list[Any]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = Tally("x_cost", "Cost.", ("workload", "target"), ours)
    counter = Counter("x_cost", "Cost.", ("workload", "target"), registry=theirs)
    total: dict[tuple[str, str], int] = {}
    for where, amount in added:
        tally.add(where, amount)
        total[where] = total.get(where, 0) + amount
    for where, amount in total.items():
        counter.labels(*where).inc(amount)
    assert lines(ours) == lines(theirs)


@given(st.lists(st.tuples(labels, st.sampled_from([0.0, 0.005, 0.01, 0.02, 0.1, 0.5, 1.0, 7.0]))))
def test_a_spread_reads_as_a_histogram(seen: list[Any]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    spread = Spread("x_seconds", "Time.", ("workload", "target"), BOUNDS, ours)
    histogram = Histogram("x_seconds", "Time.", ("workload", "target"), registry=theirs, buckets=BOUNDS)
    for where, value in seen:
        spread.observe(where, value)
        histogram.labels(*where).observe(value)
    assert lines(ours) == lines(theirs)


def test_a_name_is_taken_once() -> None:
    registry = CollectorRegistry()
    Tally("x", "One.", (), registry)
    with pytest.raises(ValueError, match="Duplicated"):
        Counter("x", "Another.", registry=registry)
