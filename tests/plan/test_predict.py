import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from freehold.catalog.efficiency import load_efficiency
from freehold.catalog.facts import load_facts
from freehold.core.errors import BadSettings
from freehold.plan.capacity.intervals import WIDER, Family, judge
from freehold.plan.capacity.layouts import layouts
from freehold.plan.capacity.predict import Deployment, Prediction, predict
from freehold.rules.steptime.layout import Layout, read_layout
from freehold.rules.steptime.offline import Shape
from freehold.rules.steptime.work import model_work

FACTS, FITTED = load_facts(), load_efficiency()
SHAPE = Shape(input_tokens=1_000, output_tokens=1_000)
# 671 G parameters in bf16 on cards without a fast link, of which sixteen are the most for one copy.
TOO_BIG = {("DeepSeek-R1", "L40S"), ("DeepSeek-R1", "RTX-PRO-6000")}
MODELS = st.sampled_from(["Llama-3.1-8B", "Llama-3.3-70B", "Qwen3-30B-A3B", "DeepSeek-R1", "gpt-oss-120b"])
GPUS = st.sampled_from(["A100-80GB-SXM", "H100-SXM", "H200-NVL", "L40S", "B200", "MI300X", "RTX-PRO-6000"])


def asked(model: str = "Llama-3.3-70B", gpu: str = "H100-SXM", count: int = 8, **given: object) -> Deployment:
    fields = {"precision": "bf16", "engine": "tensorrt-llm", "layout": None} | given
    return msgspec.convert(fields | {"model": FACTS.model(model), "gpu": FACTS.gpu(gpu), "count": count}, Deployment)


def predicted(*at: Deployment, shape: Shape = SHAPE) -> list[Prediction]:
    return [predict(one, shape, FITTED) for one in at]


def names(model: str, gpu: str, count: int) -> set[str]:
    return {one.name for one in layouts(model_work(FACTS.model(model), "fp8"), FACTS.gpu(gpu), count)}


def test_tensor_groups_need_a_fast_link_and_stay_in_one_node() -> None:
    assert names("Llama-3.3-70B", "L40S", 8) == {
        "TP1 x8",
        "TP1 PP2 x4",
        "TP1 PP4 x2",
        "TP1 PP8",
        "TP2 x4",
        "TP2 PP2 x2",
        "TP2 PP4",
    }
    assert "TP8 PP2" in names("Llama-3.1-405B", "H100-SXM", 16)
    assert "TP16" not in names("Llama-3.1-405B", "H100-SXM", 16)
    assert "TP16" in names("Llama-3.1-405B", "GB200", 16)


def test_experts_are_spread_only_where_there_are_some() -> None:
    assert {"DEP8", "DEP4 x2", "DEP2 x4"} < names("DeepSeek-R1", "H200-SXM", 8)
    assert not any("DEP" in name for name in names("Llama-3.3-70B", "H200-SXM", 8))


def test_idle_gpus_are_allowed_so_that_three_are_not_worse_than_two() -> None:
    assert "TP2" in names("Llama-3.3-70B", "H100-SXM", 3)


@given(MODELS, GPUS, st.integers(1, 20), st.integers(1, 4))
def test_more_gpus_never_put_out_less(model: str, gpu: str, count: int, more: int) -> None:
    try:
        few = predict(asked(model, gpu, count), SHAPE, FITTED)
    except BadSettings as error:
        assert " GB or more for its weights" in error.message  # noqa: PT017 - too few are the other outcome, not the subject
        return
    assert predict(asked(model, gpu, count + more), SHAPE, FITTED).output_tok_s >= few.output_tok_s * (1 - 1e-9)


@given(MODELS, st.floats(1.0, 4.0))
def test_a_better_gpu_never_puts_out_less(model: str, factor: float) -> None:
    now = asked(model, "H200-SXM", 16)
    for field in ("mem_bw_gb_s", "mem_gb", "bf16_tflops_dense", "tdp_w", "interconnect_gb_s_per_dir"):
        better = msgspec.structs.replace(now.gpu, **{field: getattr(now.gpu, field) * factor})
        first, second = predicted(now, msgspec.structs.replace(now, gpu=better))
        assert second.output_tok_s >= first.output_tok_s * (1 - 1e-9)


@given(MODELS, GPUS, st.integers(64, 8_000), st.integers(16, 2_000))
def test_an_interval_holds_its_middle_and_no_one_beats_the_ceiling(model: str, gpu: str, isl: int, osl: int) -> None:
    assume((model, gpu) not in TOO_BIG)
    made = predict(asked(model, gpu, 64), Shape(input_tokens=isl, output_tokens=osl), FITTED)
    assert 0 < made.low80 < made.output_tok_s <= made.high80 <= made.ceiling_tok_s


def test_a_stated_layout_is_kept_and_is_never_better_than_the_best() -> None:
    best, stated = predicted(asked(), asked(layout=read_layout("TP8", 8)))
    assert stated.layout == "TP8"
    assert stated.output_tok_s <= best.output_tok_s


def test_eight_cards_without_a_fast_link_are_not_one_tensor_group() -> None:
    best, stated = predicted(
        asked(gpu="RTX-PRO-6000", precision="fp8"), asked(gpu="RTX-PRO-6000", precision="fp8", layout=Layout(tensor=8))
    )
    assert best.layout != "TP8"
    assert best.output_tok_s > 2 * stated.output_tok_s


def test_few_requests_use_few_copies() -> None:
    one, two, sixteen = (
        predict(asked("Llama-3.1-8B", count=8), msgspec.structs.replace(SHAPE, concurrency=c), FITTED) for c in (1.0, 2.0, 16.0)
    )
    assert one.output_tok_s < two.output_tok_s < sixteen.output_tok_s
    assert (one.batch, one.batch_limit) == (1.0, "concurrency")


def test_limits_are_named() -> None:
    decode = predict(asked("Llama-3.1-8B", count=1), Shape(input_tokens=16, output_tokens=4_000, concurrency=1), FITTED)
    prefill = predict(asked("Llama-3.1-8B", "L40S", 1), Shape(input_tokens=8_000, output_tokens=16), FITTED)
    powered = predict(asked("Llama-3.1-8B", "B200", 1, precision="fp4"), Shape(input_tokens=8_000, output_tokens=16), FITTED)
    linked = predict(asked("Llama-3.1-405B", "L40S", 2, precision="int4", layout=Layout(tensor=8)), SHAPE, FITTED)
    assert [made.limit for made in (decode, prefill, powered, linked)] == ["bandwidth", "compute", "power", "link"]


def test_what_no_published_curve_covers_is_wider_and_says_so() -> None:
    seen = Family(work="dense", arch="Hopper", precision="fp8", engine="tensorrt-llm")
    other = msgspec.structs.replace(seen, arch="Turing", engine="sglang")
    near, far = judge(100.0, seen, "offline", FITTED), judge(100.0, other, "offline", FITTED)
    assert near.words == "published curves cover dense fp8 on Hopper and dense on tensorrt-llm"
    assert far.words == "no published curve of dense fp8 on Turing or of dense on sglang: the interval is widened"
    assert far.high80 / 100 == pytest.approx((near.high80 / 100) ** WIDER**2)
    assert far.middle == near.middle == 100.0


def test_a_promise_on_latency_costs_output() -> None:
    family = Family(work="dense", arch="Hopper", precision="fp8", engine="tensorrt-llm")
    offline, server, tight = (judge(100.0, family, s, FITTED) for s in ("offline-max", "mlperf-server", "mlperf-interactive"))
    assert offline.middle > server.middle > tight.middle
    assert tight.low80 < tight.middle < tight.high80


@pytest.mark.parametrize(
    ("changed", "shape", "message"),
    [
        ({"gpu": "A100-80GB-SXM", "precision": "fp8"}, SHAPE, "A100-80GB-SXM has no fp8 arithmetic; use bf16 or int4"),
        (
            {"count": 1},
            SHAPE,
            r"of 2,000 tokens and the engine; one copy on 1x H100-SXM \(TP1\) has 80 GB: more GPUs",
        ),
        ({"count": 0}, SHAPE, "count is 0; give 1 to 100,000 GPUs"),
        ({"precision": "fp7"}, SHAPE, "unknown precision 'fp7'"),
        ({"engine": "tgi"}, SHAPE, "unknown engine 'tgi'"),
        ({"model": "Llama-2-70B"}, Shape(input_tokens=4_000, output_tokens=100), "made for at most 4,096"),
    ],
)
def test_what_cannot_be_is_one_line(changed: dict[str, object], shape: Shape, message: str) -> None:
    with pytest.raises(BadSettings, match=message) as refused:
        predict(asked(**changed), shape, FITTED)  # type: ignore[arg-type]
    assert "\n" not in refused.value.message
