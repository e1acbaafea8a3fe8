"""The plan's pace: simulated where published curves cover it, the estimate with the reason everywhere else."""

import datetime as dt
import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from freehold.app.cli import main
from freehold.app.scenario import expand, find_scenario
from freehold.catalog.efficiency import load_efficiency
from freehold.catalog.facts import load_facts
from freehold.catalog.prices import PriceBook
from freehold.plan.capacity.simulator.compiling import compiled
from freehold.plan.choice import Choice
from freehold.plan.demand.traffic import Traffic
from freehold.plan.owning.capacity import Deployment, estimate_rates
from freehold.plan.owning.terms import PlanTerms
from freehold.plan.quote import Quotes
from freehold.plan.simulating import Paced, Simulating, paced

FACTS, FITTED = load_facts(), load_efficiency()
HOW = Simulating(FITTED)
needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="the extra simulate is not installed")


def traffic(count: int = 2500, rate_rps: float = 20.0) -> Traffic:
    random = np.random.default_rng(5)
    at = np.cumsum(random.exponential(1 / rate_rps, count))
    inputs = random.integers(300, 3000, count)
    return Traffic(
        time_s=at - at[0],
        input_tokens=inputs,
        cache_read=inputs // 4,
        output_tokens=random.integers(50, 500, count),
        sensitive=np.zeros(count, np.bool_),
        span_s=float(at[-1] - at[0]),
    )


def found(model: str = "Llama-3.1-8B", gpu: str = "L40S", precision: str = "fp8", how: Simulating = HOW) -> Paced:
    deployment = Deployment(model=FACTS.model(model), precision=precision, gpu=FACTS.gpu(gpu))  # type: ignore[arg-type]
    seen = traffic()
    return paced(deployment, seen, how, estimate_rates(deployment, seen))


@needs_numba
def test_what_is_covered_is_simulated() -> None:
    made = found()
    assert made.words.startswith("simulated with vllm: ")
    assert made.rates.origin.startswith("simulated: 2,500 of these requests")
    assert made.interval is not None
    assert made.interval[0] < 1 < made.interval[1]
    assert made.highest_use is not None


@pytest.mark.parametrize(
    ("gpu", "precision", "how", "why"),
    [
        ("A100-80GB-SXM", "bf16", HOW, "no published curve of dense bf16 on Ampere"),
        ("L40S", "fp8", Simulating(FITTED, engine="sglang"), "no published curve of dense on sglang"),
        ("L40S", "fp8", Simulating(FITTED, tpot_s=1e-4), "one sequence alone takes longer than 0.1 ms"),
    ],
)
@needs_numba
def test_what_is_not_covered_stays_the_estimate_and_says_why(gpu: str, precision: str, how: Simulating, why: str) -> None:
    made = found(gpu=gpu, precision=precision, how=how)
    assert made.rates.origin.startswith("first-cut figure")
    assert made.words.startswith(f"capacity is the first-cut figure, not simulated: {why}")
    assert made.interval is None
    assert made.highest_use is None


def test_without_the_extra_the_estimate_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", None)
    try:
        assert "pip install 'freehold[simulate]'" in found().words
    finally:
        compiled.cache_clear()


@needs_numba
def test_the_curve_uses_the_simulated_use_unless_one_is_stated() -> None:
    quotes = Quotes(FACTS, PriceBook(), dt.date(2026, 11, 21), simulating=HOW)
    made = quotes.workload("busy", traffic(), Choice(), PlanTerms())
    candidate = made.candidates[0]
    assert candidate.highest_use is not None
    assert candidate.ranges["max_utilisation"].point == candidate.highest_use
    assert candidate.ranges["decode_speed"].origin.startswith("80 % interval of the step-time model")
    stated = PlanTerms(max_utilisation=0.5, chosen=frozenset({"max_utilisation"}))
    assert quotes.workload("busy", traffic(), Choice(), stated).candidates[0].highest_use is None


@needs_numba
def test_the_command_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = expand(find_scenario("seed-saas"))
    rows = zip(seen.time_s[:900], seen.input_tokens, seen.output_tokens, strict=False)
    trace = tmp_path / "trace.jsonl"
    trace.write_text("\n".join(
        json.dumps({"timestamp": 1000 * float(at), "input_length": int(i), "output_length": int(o)}) for at, i, o in rows
    ))  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main(["plan", "--trace", str(trace), "--json"])
    assert not ended.value.code
    (workload,) = json.loads(capsys.readouterr().out)["workloads"]
    (said,) = [row for row in workload["assumptions"] if row["name"] == "capacity of a replica"]
    assert said["value"] == "simulated"
    with pytest.raises(SystemExit) as ended:
        main(["plan", "--trace", str(trace), "--tpot-ms", "0"])
    assert ended.value.code == 2
    assert "--tpot-ms is 0" in capsys.readouterr().err
