"""The picture and the page: well formed, inside the frame, names escaped."""

import random
import re
import xml.etree.ElementTree as ET

import pytest

from freehold.app.cli.gate_chart import chart
from freehold.app.gate_page import gate_picture, render_gate
from freehold.move.migration.gate import open_gate
from freehold.move.migration.pair import GateSettings, Pair
from freehold.move.migration.verdict import Verdict


def verdict(better: float, count: int, margin: float = 0.03) -> Verdict:
    draws, gate = random.Random(2), open_gate(GateSettings(margin))
    for _ in range(count):
        gate.add(Pair(float(draws.random() < 0.8 + better), float(draws.random() < 0.8), slice="<b>&"))
    return gate.verdict()


CASES = [(0.0, 4000, 0.03), (-0.3, 300, 0.03), (0.0, 1, 0.03), (0.0, 20, 0.0), (0.2, 3000, 0.5), (0.0, 25, 0.99)]


@pytest.mark.parametrize(("better", "count", "margin"), CASES)
def test_the_picture_is_well_formed_with_everything_inside(better: float, count: int, margin: float) -> None:
    root = ET.fromstring(gate_picture(verdict(better, count, margin)))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        x, y, length = float(text.attrib["x"]), float(text.attrib["y"]), 7.4 * len(text.text or "")
        left = {"start": x, "middle": x - length / 2, "end": x - length}[text.attrib["text-anchor"]]
        assert left >= 0
        assert left + length <= width
        assert 0 < y <= height
    for shape in [*root.iter("{http://www.w3.org/2000/svg}polyline"), *root.iter("{http://www.w3.org/2000/svg}polygon")]:
        for x, y in (map(float, place.split(",")) for place in shape.attrib["points"].split()):
            assert 0 <= x <= width
            assert 0 <= y <= height


@pytest.mark.parametrize(("better", "count", "margin"), CASES)
def test_the_chart_has_rows_of_one_width(better: float, count: int, margin: float) -> None:
    made = verdict(better, count, margin)
    _, *rows, _ = chart(made).plain.splitlines()
    assert {len(row) for row in rows} == {71}
    assert len(rows) == min(14, len(made.sequence))
    assert rows[-1].startswith(f"{made.samples:>9,} ")


def test_the_page_loads_nothing_and_escapes_names() -> None:
    page = render_gate(verdict(0.0, 500))
    assert "slice &lt;b&gt;&amp;" in page
    assert "<b>" not in page
    assert "<script" not in page
    assert not re.search(r"""\b(src|href)\s*=|url\(|@import""", page)
    assert "$" not in page
