"""The shipped constants against the published rows; what docs/explain/capacity.md quotes is made by the long test's command."""

import math
import re
import statistics
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from freehold.catalog.efficiency import load_efficiency, load_truth
from freehold.catalog.facts import load_facts
from freehold.plan.capacity.predict import ceiling, predict
from freehold.plan.capacity.table import Question, read_question

ROOT = Path(__file__).parents[2]
FACTS, FITTED = load_facts(), load_efficiency()
OFFLINE = [
    (read_question(row, FACTS, FITTED), float(row["output_tok_s"]))
    for row in load_truth()
    if "offline" in row["scenario"] and row["isl"]
]


def ratio(question: Question, seen: float) -> float:
    """Predicted over published."""
    return predict(question.asked, question.shape, FITTED).output_tok_s / seen


def test_the_shipped_constants_are_those_of_the_shipped_rows() -> None:
    assert len(OFFLINE) == FITTED.rows
    found = {kind: [r for r in OFFLINE if bool(r[0].asked.model.experts) == (kind == "moe")] for kind in ("dense", "moe")}
    for kind, median in (("dense", 0.10), ("moe", 0.14)):
        ratios = [ratio(question, seen) for question, seen in found[kind]]
        assert statistics.median(abs(r - 1) for r in ratios) < median
        assert 0.92 < statistics.median(ratios) < 1.08


def test_nothing_published_beats_the_ceiling() -> None:
    over = {q.asked.model.model: seen for q, seen in OFFLINE if seen > ceiling(q.asked, q.shape, FITTED)}
    assert over == {}


def test_three_quarters_of_any_hardware_figure_would_be_noticed() -> None:
    """The rows carry each term: with a wrong fact about the hardware the errors are larger."""
    right = statistics.median(abs(math.log(ratio(q, seen))) for q, seen in OFFLINE)
    for field in ("mem_bw_gb_s", "tdp_w", "mem_gb"):
        wrong = []
        for question, seen in OFFLINE:
            gpu = msgspec.structs.replace(question.asked.gpu, **{field: getattr(question.asked.gpu, field) * 0.75})
            asked = msgspec.structs.replace(question.asked, gpu=gpu, layout=None)
            made = predict(asked, question.shape, FITTED).output_tok_s
            wrong.append(abs(math.log(made / seen)))
        assert statistics.median(wrong) > 1.3 * right, field


@pytest.mark.long
@pytest.mark.timeout(600)
def test_curves_left_out_are_within_the_bars_and_the_page_says_what_was_found() -> None:
    run = subprocess.run([sys.executable, "-m", "benchmarks.fit_capacity"], cwd=ROOT, capture_output=True, text=True, check=True)
    table = {cells[0]: cells for cells in (re.split(r"\s*\|\s*", line.strip("| ")) for line in run.stdout.splitlines()) if cells}
    dense, moe = ([float(cell.rstrip("%")) for cell in table[f"offline {kind}"][1:7]] for kind in ("dense", "moe"))
    assert dense[2] <= 15
    assert dense[3] <= 30
    assert moe[2] <= 25
    assert 65 <= dense[5] <= 92
    assert 65 <= moe[5] <= 92
    assert run.stdout.strip() in (ROOT / "docs" / "explain" / "capacity.md").read_text(encoding="utf-8")
