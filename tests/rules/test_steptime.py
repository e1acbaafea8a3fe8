import math
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.catalog.facts import load_facts
from freehold.core.errors import BadSettings
from freehold.rules.steptime.efficiency import IDEAL, Efficiency, EngineLimits
from freehold.rules.steptime.layout import Layout, read_layout
from freehold.rules.steptime.offline import Shape, kv_room_bytes, kv_sequences, steady
from freehold.rules.steptime.step import StepTime, fitted_to, peak_flops
from freehold.rules.steptime.work import FORMATS, model_work

FACTS = load_facts()
REAL = Efficiency(
    gemm=0.7,
    experts=0.5,
    memory=0.9,
    attention=0.6,
    link=0.7,
    overlap=0.5,
    step_s=0.004,
    sequence_s=4e-6,
    allreduce_s=2e-5,
    skew=0.8,
    speed=0.9,
)
LIMITS = EngineLimits(usable_memory=0.9, of_rest=False, reserve=1.0, max_sequences=1024, step_tokens=8192, block_tokens=16)
MODELS = st.sampled_from(sorted(FACTS.models))
GPUS = st.sampled_from(sorted(FACTS.gpus))
LAYOUTS = st.builds(
    lambda wide, deep: Layout(tensor=wide, pipeline=deep), st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 2])
) | st.builds(lambda wide: Layout(data=wide, expert=wide), st.sampled_from([2, 4, 8]))


def step(model: str = "Llama-3.1-8B", gpu: str = "H100-SXM", precision: str = "bf16", **layout: int) -> StepTime:
    work = model_work(FACTS.model(model), precision)
    return StepTime(work=work, gpu=FACTS.gpu(gpu), layout=Layout(**layout), efficiency=REAL)


STEPS = st.builds(
    lambda model, gpu, layout: StepTime(
        work=model_work(FACTS.model(model), "bf16"), gpu=FACTS.gpu(gpu), layout=layout, efficiency=REAL
    ),
    MODELS,
    GPUS,
    LAYOUTS,
)


def test_a_dense_decode_step_by_hand() -> None:
    one = msgspec.structs.replace(step(), efficiency=IDEAL)
    # 8.03 G parameters less 0.525 G of embedding, read once at 3,350 GB/s; their arithmetic hides behind it.
    read = (8.03e9 - 128_256 * 4_096) * 2 / 3.35e12
    assert one.seconds(0, 1, 0, 0) == pytest.approx(read, rel=1e-9)
    # 100,000 tokens of context at 131,072 bytes come on top.
    assert one.seconds(0, 1, 100_000, 0) == pytest.approx(read + 100_000 * 131_072 / 3.35e12, rel=1e-9)


def test_a_long_chunk_takes_its_arithmetic() -> None:
    one = msgspec.structs.replace(step(), efficiency=IDEAL)
    always, flops = 8.03e9 - 2 * 128_256 * 4_096, 700 * 1.117e12
    attention = 2 * 32 * 256 * 32 * 8_192 * 4_096
    assert one.seconds(8_192, 0, 0, 8_192 * 4_096) == pytest.approx((2 * always * 8_192 + attention) / flops, rel=1e-9)
    assert one.seconds(0, 0, 0, 0) == 0.0


def test_power_sets_the_peak_where_it_is_lower() -> None:
    assert peak_flops(FACTS.gpu("B300"), "fp4") == (1_100 * 1.25 * 4 * 1e12, True)
    assert peak_flops(FACTS.gpu("L40S"), "fp8") == (733e12, False)
    with pytest.raises(BadSettings, match="A100-80GB-SXM has no fp8 arithmetic"):
        peak_flops(FACTS.gpu("A100"), "fp8")


def test_mxfp4_is_unpacked_where_there_is_no_8_bit_arithmetic() -> None:
    work = model_work(FACTS.model("gpt-oss-20b"), "mxfp4")
    assert fitted_to(work, FACTS.gpu("A100")).format.routed == "bf16"
    assert fitted_to(work, FACTS.gpu("H100")).format.routed == "fp8"
    with pytest.raises(BadSettings, match="no fp4 arithmetic"):
        fitted_to(model_work(FACTS.model("gpt-oss-20b"), "fp4"), FACTS.gpu("H100"))


def test_experts_touched_are_the_chosen_ones_first_and_all_of_them_last() -> None:
    work = model_work(FACTS.model("DeepSeek-R1"), "fp8")
    assert work.touched(1) == pytest.approx(8 / 256)
    assert work.touched(2) == pytest.approx(1 - (1 - 8 / 256) ** 2)
    assert work.touched(100_000) == pytest.approx(1.0)
    assert work.always + work.routed + work.embedding == pytest.approx(671.03e9)
    assert model_work(FACTS.model("Llama-3.1-8B"), "fp8").touched(9) == 0.0


def test_a_window_bounds_the_cache_of_its_layers() -> None:
    work = model_work(FACTS.model("gpt-oss-120b"), "bf16")
    assert work.kv_bytes(100) == pytest.approx(73_728 * 100)
    assert work.kv_bytes(10_000) == pytest.approx(73_728 / 2 * (10_000 + 128))


def test_what_the_weights_leave_is_shared_as_the_engine_does() -> None:
    one = step()
    weights = 8.03e9 * 2
    assert kv_room_bytes(one, LIMITS) == pytest.approx(80e9 * 0.9 - weights)
    assert kv_room_bytes(one, msgspec.structs.replace(LIMITS, of_rest=True)) == pytest.approx((80e9 - weights) * 0.9)
    copied = step("DeepSeek-R1", "H200-SXM", "fp8", data=8, expert=8)
    own = copied.work.weight_bytes - copied.work.routed
    assert kv_room_bytes(copied, LIMITS) == pytest.approx(8 * 141e9 * 0.9 - copied.work.routed - 8 * own)


def test_a_latent_is_copied_and_heads_are_split() -> None:
    shape = Shape(input_tokens=900, output_tokens=100)
    for model, factor in (("Llama-3.3-70B", 1.0), ("DeepSeek-R1", 8.0)):
        one = step(model, "B200", tensor=8)
        fitting = kv_room_bytes(one, LIMITS) / (one.work.kv_bytes(1_008) * factor)
        assert kv_sequences(one, LIMITS, shape) == (pytest.approx(fitting) if fitting >= 1 else 0)


def test_uneven_experts_cost_and_even_ones_do_not() -> None:
    apart = step("DeepSeek-R1", "H200", "fp8", data=8, expert=8)
    even = msgspec.structs.replace(REAL, skew=0.0)
    chance = msgspec.structs.replace(apart, efficiency=even)
    assert apart.parts(8_192, 0, 0, 0).compute > chance.parts(8_192, 0, 0, 0).compute
    together = step("DeepSeek-R1", "H200", "fp8", tensor=8)
    assert together.parts(8_192, 0, 0, 0) == msgspec.structs.replace(together, efficiency=even).parts(8_192, 0, 0, 0)


@given(STEPS, st.integers(1, 512), st.integers(0, 100_000), st.integers(1, 400))
def test_many_decode_steps_have_the_closed_form(one: StepTime, batch: int, context: int, count: int) -> None:
    if one.work.kv_window_bytes:
        context = max(context, 5_000 * batch)  # beyond every window, where the line is straight
    first, slope = one.decode_line(batch, context)
    walked = math.fsum(one.seconds(0, batch, context + k * batch, 0) for k in range(count))
    assert count * first + slope * batch * count * (count - 1) / 2 == pytest.approx(walked, rel=1e-9)


@given(STEPS, st.integers(0, 8_192), st.integers(0, 512), st.integers(0, 10**6), st.integers(1, 10**5))
def test_more_work_never_takes_less(one: StepTime, chunk: int, batch: int, context: int, more: int) -> None:
    now = one.seconds(chunk, batch, context, chunk * 500)
    assert one.seconds(chunk, batch, context + more, chunk * 500) >= now * (1 - 1e-12)
    assert one.seconds(chunk + more, batch, context, (chunk + more) * 500) >= now * (1 - 1e-12)
    assert one.seconds(chunk, batch + more, context, chunk * 500) >= now * (1 - 1e-12)


@given(STEPS, st.integers(0, 8_192), st.integers(1, 512), st.integers(1, 4_000), st.floats(1.0, 4.0))
def test_better_hardware_is_never_slower(one: StepTime, chunk: int, batch: int, context: int, factor: float) -> None:
    gpu = one.gpu
    better = {
        "mem_bw_gb_s": gpu.mem_bw_gb_s * factor,
        "bf16_tflops_dense": gpu.bf16_tflops_dense * factor,
        "interconnect_gb_s_per_dir": gpu.interconnect_gb_s_per_dir * factor,
        "tdp_w": gpu.tdp_w * factor,
    }
    now = one.seconds(chunk, batch, context * batch, chunk * context)
    for name, value in better.items():
        upgraded = msgspec.structs.replace(one, gpu=msgspec.structs.replace(gpu, **{name: value}))
        assert upgraded.seconds(chunk, batch, context * batch, chunk * context) <= now * (1 + 1e-12)


@given(STEPS, st.integers(16, 20_000), st.integers(16, 4_000), st.integers(1, 10_000))
@settings(max_examples=3 * settings().max_examples)
def test_longer_prompts_never_put_out_more(one: StepTime, asked: int, answered: int, more: int) -> None:
    now = steady(one, LIMITS, Shape(input_tokens=asked, output_tokens=answered))
    then = steady(one, LIMITS, Shape(input_tokens=asked + more, output_tokens=answered))
    assert then is None or (now is not None and then.output_tok_s <= now.output_tok_s * (1 + 1e-9))


@given(STEPS, st.integers(16, 20_000), st.integers(16, 4_000), st.tuples(st.floats(1, 300), st.floats(1, 300)), st.floats(0, 0.9))
@settings(max_examples=3 * settings().max_examples)
def test_more_at_once_and_more_reuse_never_put_out_less(
    one: StepTime, asked: int, answered: int, at_once: tuple[float, float], reused: float
) -> None:
    few, many = sorted(at_once)
    seen = [
        steady(one, LIMITS, Shape(input_tokens=asked, output_tokens=answered, concurrency=few)),
        steady(one, LIMITS, Shape(input_tokens=asked, output_tokens=answered, concurrency=many)),
        steady(one, LIMITS, Shape(input_tokens=asked, output_tokens=answered, concurrency=many, reused=reused)),
    ]
    speeds = [s.output_tok_s for s in seen if s is not None]
    assert all(low <= high * (1 + 1e-9) for low, high in pairwise(speeds))


def test_the_mean_step_conserves_tokens() -> None:
    one, shape = step(), Shape(input_tokens=700, output_tokens=300)
    found = steady(one, LIMITS, shape)
    assert found is not None
    assert found.output_tok_s * found.step_s == pytest.approx(found.batch)
    assert sum(found.parts) == pytest.approx(found.step_s)


@pytest.mark.parametrize(
    ("text", "gpus", "name"),
    [
        ("TP8,EP8", 8, "TP8 EP8"),
        ("DEP4", 8, "DEP4 x2"),
        ("TP2, PP2", 8, "TP2 PP2 x2"),
        ("TP1", 1, "TP1"),
        ("TP8,EP1", 8, "TP8"),
    ],
)
def test_layouts_are_read_and_named(text: str, gpus: int, name: str) -> None:
    found = read_layout(text, gpus)
    assert found is not None
    assert (found.name, found.gpus * found.replicas) == (name, gpus)


@pytest.mark.parametrize(("text", "gpus"), [("", 8), ("TP4", 2), ("TP3", 8), ("none", 1), ("TP0", 4)])
def test_no_layout_is_read_where_none_is_stated_or_it_does_not_divide(text: str, gpus: int) -> None:
    assert read_layout(text, gpus) is None


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"input_tokens": 0.0}, "isl is 0; give at least 1"),
        ({"output_tokens": math.nan}, "osl is nan"),
        ({"concurrency": 0.5}, "concurrency is 0.5"),
        ({"reused": 1.0}, "share of reused input is 1"),
    ],
)
def test_impossible_shapes_are_refused(bad: dict[str, float], message: str) -> None:
    with pytest.raises(BadSettings, match=message):
        Shape(**({"input_tokens": 10.0, "output_tokens": 10.0} | bad))


def test_every_precision_takes_less_room_than_bf16() -> None:
    sizes = {name: model_work(FACTS.model("gpt-oss-120b"), name).weight_bytes for name in FORMATS}
    assert max(sizes, key=lambda name: sizes[name]) == "bf16"
    with pytest.raises(BadSettings, match="unknown precision 'fp7'; use one of bf16"):
        model_work(FACTS.model("gpt-oss-120b"), "fp7")
