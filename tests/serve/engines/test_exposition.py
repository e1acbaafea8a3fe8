"""Reading named series out of Prometheus text, judged against the official client's writer."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from freehold.serve.engines.exposition import read_series

VALUES = st.floats(allow_nan=True, allow_infinity=True)
LABELS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(wanted=st.dictionaries(LABELS, VALUES, max_size=6), other=st.dictionaries(LABELS, VALUES, max_size=3))
def test_reads_what_the_official_client_writes(wanted: dict[str, float], other: dict[str, float]) -> None:
    registry = CollectorRegistry()
    gauge = Gauge("engine:wanted", "Help with a name in it: engine:wanted 99", ["model"], registry=registry)
    neighbour = Gauge("engine:wanted_too", "Its name begins alike.", ["model"], registry=registry)
    for label, value in wanted.items():
        gauge.labels(label).set(value)
    for label, value in other.items():
        neighbour.labels(label).set(value)
    found = read_series(generate_latest(registry).decode(), {"engine:wanted"})
    finite = [value for value in wanted.values() if math.isfinite(value)]
    assert sorted(found.get("engine:wanted", [])) == sorted(finite)
    assert found.keys() <= {"engine:wanted"}


@given(st.text(), st.integers(0, 200))
def test_torn_or_hostile_text_never_raises(text: str, cut: int) -> None:
    page = f'a{{x="{text}"}} 1\na{{y="2"}} 2.5e+01 1700000000000\r\n{text}\na 3\n'
    assert all(math.isfinite(value) for value in read_series(page[:cut], {"a"}).get("a", []))


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("up 1", [1.0]),
        ("  up\t1e3  ", [1000.0]),
        ("up 4 1700000000000", [4.0]),
        ('up{b="2",a="1",} 5', [5.0]),
        ('up {a="}"} 6', [6.0]),
        ('up{a="quote \\" and } 7"} 8', [8.0]),
        ("up +Inf", []),
        ("up NaN", []),
        ("# up 9", []),
        ("up", []),
        ("up nine", []),
        ('up{a="1} 9', []),
        ("up9{torn", []),
        ("up_total 9", []),
    ],
)
def test_one_line(line: str, values: list[float]) -> None:
    assert read_series(line, {"up"}).get("up", []) == values
