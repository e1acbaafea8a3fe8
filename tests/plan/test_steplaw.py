"""The simulator's law against the step-time model it is made from."""

from collections.abc import Iterator

import numpy as np
import pytest

from freehold.catalog.efficiency import load_efficiency
from freehold.catalog.facts import load_facts
from freehold.plan.capacity.layouts import layouts
from freehold.plan.capacity.sizing.steplaw import step_law
from freehold.rules.steptime.efficiency import family_efficiency
from freehold.rules.steptime.step import StepTime, fitted_to
from freehold.rules.steptime.work import model_work

FACTS, FITTED = load_facts(), load_efficiency()
CONSTANTS = {name: constant.value for name, constant in FITTED.constants.items()}
MOST = 8192


def steps(model: str) -> Iterator[StepTime]:
    for name in ("H100-SXM", "L40S", "B200"):
        gpu = FACTS.gpu(name)
        for precision in ("bf16", "fp8"):
            work = fitted_to(model_work(FACTS.model(model), precision), gpu)
            for engine in FITTED.engines:
                efficiency = family_efficiency(CONSTANTS, engine, gpu, work)
                for layout in layouts(work, gpu, 8):
                    yield StepTime(work=work, gpu=gpu, layout=layout, efficiency=efficiency)


def errors(model: str) -> list[float]:
    random, found = np.random.default_rng(1), []
    for step in steps(model):
        law = step_law(step, MOST)
        for prefill in (0.0, float(random.integers(1, MOST - 512))):
            batch = float(2 ** random.integers(0, 9))
            context, pairs = batch * 2 ** random.uniform(5, 15), prefill * 2 ** random.uniform(5, 14)
            true = step.seconds(prefill, batch, context, pairs)
            found.append(law.seconds(prefill, pairs, batch, context) / true - 1)
    return found


@pytest.mark.parametrize("model", ["Llama-3.1-8B", "Llama-3.3-70B", "Gemma-2-27B", "Qwen3-0.6B"])
def test_a_dense_model_is_the_same_to_rounding(model: str) -> None:
    assert max(map(abs, errors(model))) < 1e-9


@pytest.mark.parametrize("model", ["DeepSeek-V3", "gpt-oss-120b", "Mixtral-8x7B", "Qwen3-235B-A22B"])
def test_experts_are_close(model: str) -> None:
    found = np.abs(errors(model))
    assert np.median(found) < 0.01
    assert np.quantile(found, 0.99) < 0.15
    assert found.max() < 0.25


def test_a_law_never_takes_less_for_more() -> None:
    for step in steps("gpt-oss-120b"):
        law = step_law(step, MOST)
        taken = [law.seconds(prefill=tokens) for tokens in (0.0, 1.0, 10.0, 100.0, 1000.0, 8000.0)]
        assert taken == sorted(taken)
        assert taken[0] > 0
