import numpy as np
import pytest

from freehold.catalog.facts import Facts, load_facts
from freehold.core.errors import BadSettings
from freehold.plan.demand.traffic import Traffic
from freehold.plan.owning.capacity import Deployment, Precision, estimate_rates, measured_rates


@pytest.fixture(scope="module")
def facts() -> Facts:
    return load_facts()


def alike(input_tokens: int, output_tokens: int) -> Traffic:
    two = np.ones(2, dtype=np.int64)
    return Traffic(np.arange(2.0), two * input_tokens, two * 0, two * output_tokens, two == 0, 2.0)


def deployment(facts: Facts, model: str, gpu: str, gpu_count: int = 1, precision: Precision = "fp8") -> Deployment:
    return Deployment(model=facts.model(model), precision=precision, gpu=facts.gpu(gpu), gpu_count=gpu_count)


def test_the_documented_figure_by_hand(facts: Facts) -> None:
    rates = estimate_rates(deployment(facts, "Llama-3.1-8B", "L40S"), alike(700, 300))
    # 0.32 x 733 TFLOPS / (2 x 8.03 G) and, at batch 256 and 850 tokens of 64 KiB fp8 cache, one step moves 8.03 + 14.26 GB.
    assert rates.prefill_tok_s == pytest.approx(0.32 * 733e12 / (2 * 8.03e9))
    assert rates.batch == 256
    step_s = (8.03e9 + 256 * 850 * 65_536) / (0.6 * 864e9)
    assert rates.decode_tok_s == pytest.approx(256 / step_s)
    work = np.add(*rates.replica_seconds(alike(700, 300)))
    assert work[0] == pytest.approx(700 / rates.prefill_tok_s + 300 / rates.decode_tok_s)


def test_the_batch_is_what_the_memory_holds(facts: Facts) -> None:
    rates = estimate_rates(deployment(facts, "Llama-3.1-8B", "L40S"), alike(20_000, 2_000))
    room = 48e9 * 0.9 - 8.03e9
    assert rates.batch == int(room // (21_000 * 65_536))


def test_weights_that_do_not_fit_are_refused(facts: Facts) -> None:
    with pytest.raises(BadSettings, match=r"Llama-3.3-70B at bf16 needs 141 GB .* 1x H100-SXM has 72 GB"):
        deployment(facts, "Llama-3.3-70B", "H100-SXM", precision="bf16")


def test_a_request_that_does_not_fit_beside_the_weights_is_refused(facts: Facts) -> None:
    with pytest.raises(BadSettings, match="no room beside"):
        estimate_rates(deployment(facts, "Llama-3.3-70B", "H100-SXM"), alike(100_000, 100))


def test_a_format_the_gpu_lacks_is_refused(facts: Facts) -> None:
    with pytest.raises(BadSettings, match="no fp8 arithmetic; use bf16 or int4"):
        deployment(facts, "Llama-3.1-8B", "A100-80GB-SXM")


def test_a_measurement_beyond_the_dense_peak_is_refused(facts: Facts) -> None:
    # Seed 001: one g5.12xlarge at 500 M tokens a day of a 70B model needs 817 TFLOPS, four A10G have 280.
    node = deployment(facts, "Llama-3.3-70B", "A10G", gpu_count=4, precision="int4")
    with pytest.raises(BadSettings, match=r"needs 817 TFLOPS; 4x A10G peaks at 280 dense"):
        measured_rates(node, 500e6 / 86_400, 100.0)
    assert measured_rates(node, 1000.0, 100.0).source == "user"


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
def test_a_measurement_must_be_a_speed(facts: Facts, speed: float) -> None:
    with pytest.raises(BadSettings, match="above 0"):
        measured_rates(deployment(facts, "Llama-3.1-8B", "L40S"), speed, 100.0)


def test_a_mixture_of_experts_reads_its_active_weights_alone_and_all_of_them_in_a_crowd(facts: Facts) -> None:
    mixtral = deployment(facts, "Mixtral-8x7B", "H200-SXM")
    assert mixtral.read_bytes(1) == pytest.approx(mixtral.model.active_b * 1e9)
    assert mixtral.read_bytes(256) == pytest.approx(mixtral.weight_bytes)
    assert mixtral.read_bytes(1) < mixtral.read_bytes(2) < mixtral.read_bytes(4)


def test_embeddings_without_output_still_have_a_pace(facts: Facts) -> None:
    rates = estimate_rates(deployment(facts, "Llama-3.1-8B", "L40S"), alike(500, 0))
    assert np.add(*rates.replica_seconds(alike(500, 0)))[0] == pytest.approx(500 / rates.prefill_tok_s)
