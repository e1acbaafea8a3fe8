from importlib import resources
from pathlib import Path

import pytest

from freehold.catalog.efficiency import Fitted, load_efficiency, load_truth
from freehold.catalog.facts import load_facts
from freehold.core.errors import BadSettings

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "throughput_truth.csv"
SHIPPED = resources.files("freehold.catalog") / "data" / "throughput_truth.csv"


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return load_efficiency()


def test_every_constant_names_where_it_started_and_why(fitted: Fitted) -> None:
    assert all(one.source and one.start > 0 and one.spread > 0 for one in fitted.constants.values())
    shares = {name: one.value for name, one in fitted.constants.items() if not name.endswith("_s") and "." not in name}
    assert {name: value for name, value in shares.items() if name != "skew" and not 0 < value < 1} == {}
    assert fitted.rows > 100


def test_the_shipped_throughput_is_verbatim_and_every_row_names_its_source() -> None:
    assert [row["id"] for row in load_truth() if not row["source"]] == []
    if SHARED.is_file():
        assert SHIPPED.read_bytes() == SHARED.read_bytes()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("TensorRT-LLM v1.1-1.2", "tensorrt-llm"),
        ("TensorRT 10.11, CUDA 12.9", "tensorrt-llm"),
        ("trtllm 1.2.0rc6", "tensorrt-llm"),
        ("Mango LLMBoost AI Enterprise Platform, ROCm 6.12.12", "vllm"),
        ("vLLM 0.10.0, RHEL 9.6", "vllm"),
        ("sglang 0.5.9", "sglang"),
    ],
)
def test_engines_are_found_by_what_tables_write(fitted: Fitted, text: str, name: str) -> None:
    assert fitted.engine(text) == name


def test_an_unknown_engine_is_one_line(fitted: Fitted) -> None:
    with pytest.raises(BadSettings, match="unknown engine 'tgi'; known: tensorrt-llm, vllm, sglang"):
        fitted.engine("tgi")


def test_windows_belong_to_models_there_are() -> None:
    models = load_facts().models.values()
    assert {m.model for m in models if m.window_layers} == {m.model for m in models if m.sliding_window}
    assert all(m.window_layers < m.layers for m in models)
    assert load_facts().model("gpt-oss-120b").window_layers == 18
