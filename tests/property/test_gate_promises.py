"""What the gate promises, by the simulation that ships: 200 runs here, the whole of it in `make test-long`."""

import importlib.util
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "gate.py"


@pytest.fixture(scope="module")
def gate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gate_benchmark", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("discordance", [0.03, 0.10, 0.25, 0.40])
def test_two_hundred_runs_keep_to_the_promises(gate: ModuleType, discordance: float) -> None:
    """With 200 runs, 5 % are 10; more than 18 would come in 1 of 170 cases. Medians may stray by a sixth."""
    found = gate.simulate(discordance, 200, 10_000, replayed=2)
    assert 0 < gate.hits(found.false_promotions) <= 18
    assert gate.hits(found.false_rollbacks) <= 18
    assert gate.share(found.peeked) > 0.3
    assert found.replayed_alike == found.replayed > 0
    if found.rollbacks is not None:
        assert np.median(found.promotions) <= gate.PROMOTE_BARS[discordance] * 7 / 6
        assert np.median(found.rollbacks) <= gate.ROLLBACK_BARS[discordance] * 7 / 6


@pytest.mark.long
@pytest.mark.parametrize("discordance", [0.03, 0.10, 0.25, 0.40])
def test_two_thousand_runs_reach_every_bar(gate: ModuleType, discordance: float) -> None:
    found = gate.simulate(discordance, gate.RUNS, gate.REQUESTS)
    assert found.missed() == []
    assert gate.share(found.peeked) > 0.35


def test_differences_have_the_discordance_and_mean_asked_for(gate: ModuleType) -> None:
    drawn = gate.differences(np.random.default_rng(1), 0.25, -0.08, (100, 10_000))
    assert set(np.unique(drawn)) == {-1, 0, 1}
    assert float(np.abs(drawn).mean()) == pytest.approx(0.25, abs=0.002)
    assert float(drawn.mean()) == pytest.approx(-0.08, abs=0.002)


def test_the_upper_limit_is_exact_where_it_can_be_worked_out_by_hand(gate: ModuleType) -> None:
    """None of 10: (1 - p)^10 = 0.05. One of 2: 1 - p^2 = 0.05."""
    assert gate.upper_limit(0, 10) == pytest.approx(1 - 0.05**0.1)
    assert gate.upper_limit(1, 2) == pytest.approx(math.sqrt(0.95))
