import datetime as dt
from decimal import Decimal
from importlib import resources
from pathlib import Path

import pytest

from freehold.catalog.facts import Facts, load_facts
from freehold.core.errors import BadSettings

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
DATA = resources.files("freehold.catalog") / "data"


@pytest.fixture(scope="module")
def facts() -> Facts:
    return load_facts()


@pytest.mark.parametrize("file", ["gpus.csv", "gpu_prices.csv", "models.csv"])
def test_the_shipped_tables_are_verbatim(file: str) -> None:
    if not (SHARED / file).is_file():
        pytest.skip("the original tables are not beside this checkout")
    assert (DATA / file).read_bytes() == (SHARED / file).read_bytes()


def test_every_row_is_read(facts: Facts) -> None:
    lines = {file: len((DATA / file).read_text().splitlines()) - 1 for file in ("gpus.csv", "gpu_prices.csv", "models.csv")}
    assert lines == {"gpus.csv": len(facts.gpus), "gpu_prices.csv": len(facts.all_offers), "models.csv": len(facts.models)}


def test_every_fact_names_its_source(facts: Facts) -> None:
    assert [gpu for gpu in facts.gpus.values() if not gpu.source] == []
    assert [model for model in facts.models.values() if not model.source] == []
    assert [offer for offer in facts.all_offers if not offer.source or not offer.price_date] == []


def test_a_gpu_has_its_dense_figures_and_unknown_is_none(facts: Facts) -> None:
    h100, a100 = facts.gpu("H100-SXM"), facts.gpu("A100-80GB-SXM")
    assert (h100.bf16_tflops_dense, h100.mem_gb, h100.gpus_per_node) == (989.0, 80.0, 8)
    assert h100.fp8_tflops_dense == pytest.approx(1979, abs=1)
    assert a100.fp8_tflops_dense is None


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("h100", "H100-SXM"),
        ("A100", "A100-80GB-SXM"),
        ("A100 PCIe", "A100-80GB-PCIe"),
        ("H200 SXM5", "H200-SXM"),
        ("nvidia_l40s", "L40S"),
        ("NVIDIA A100-SXM4-40GB", "A100-40GB-SXM"),
    ],
)
def test_gpus_are_found_by_the_names_people_use(facts: Facts, alias: str, name: str) -> None:
    assert facts.gpu(alias).gpu == name


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("qwen2.5-7b", "Qwen2.5-7B"),
        ("Qwen/Qwen2.5-7B-Instruct@a09a35458c702b33eeacc393d103063234e8bc28", "Qwen2.5-7B"),
        ("Qwen/Qwen2.5-72B-Instruct-AWQ", "Qwen2.5-72B"),
        ("qwen2.5-7b-instruct-q4_k_m.gguf", "Qwen2.5-7B"),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "Llama-3.1-8B"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "Mixtral-8x7B"),
        ("deepseek-ai/DeepSeek-V3-0324", "DeepSeek-V3"),
        ("deepseek-ai/DeepSeek-V3.2-Exp", "DeepSeek-V3.2"),
        ("zai-org/GLM-4.5-Air-FP8", "GLM-4.5-Air"),
        ("Qwen/Qwen3-30B-A3B-Thinking-2507", "Qwen3-30B-A3B"),
    ],
)
def test_models_are_found_by_hub_id_and_variant(facts: Facts, asked: str, name: str) -> None:
    assert facts.model(asked).model == name


@pytest.mark.parametrize(
    "other",
    [
        "deepseek-ai/DeepSeek-R1-Distill-Llama-70B",
        "deepseek-ai/DeepSeek-V3.1",
        "Qwen/Qwen2.5-VL-7B-Instruct",
        "Qwen/Qwen3-8B-VL",
        "Qwen/Qwen2.5-0.5B-Instruct",
        "microsoft/phi-4-mini-instruct",
        "",
    ],
)
def test_another_model_is_never_taken_for_a_known_one(facts: Facts, other: str) -> None:
    with pytest.raises(BadSettings, match="unknown model"):
        facts.model(other)


def test_unknown_names_are_answered_with_near_ones(facts: Facts) -> None:
    with pytest.raises(BadSettings, match=r"unknown model 'Qwen3-9B'; known: Qwen3-8B"):
        facts.model("Qwen/Qwen3-9B@main")
    with pytest.raises(BadSettings, match=r"unknown GPU 'H100-SMX'; known: H100-SXM"):
        facts.gpu("H100-SMX")
    with pytest.raises(BadSettings, match=r"unknown GPU 'H100-SMX'"):
        facts.offers("H100-SMX")
    with pytest.raises(BadSettings, match=r"unknown GPU provider 'awz'; known: aws"):
        facts.offers("H100", "awz")


def test_parameters_and_kv_bytes_follow_from_the_shape(facts: Facts) -> None:
    llama = facts.model("meta-llama/Llama-3.3-70B-Instruct")
    assert llama.params_b == pytest.approx(70.55)
    assert llama.kv_bytes_per_token_bf16 == 2 * llama.layers * llama.kv_heads * llama.head_dim * 2 == 327_680
    assert facts.model("gpt-oss-120b").sliding_window == 128
    assert llama.sliding_window is None
    for model in facts.models.values():
        assert 0 < model.active_b <= model.params_b
        assert (model.experts > 0) == (model.active_b < model.params_b) == (model.active_experts > 0)


def test_offers_are_current_and_cheapest_per_gpu_first(facts: Facts) -> None:
    offers = facts.offers("H100")
    prices = [o.usd_per_gpu_h for o in offers if o.usd_per_gpu_h is not None]
    assert {o.gpu for o in offers} == {"H100-SXM"}
    assert len({o.provider for o in offers}) > 5
    assert prices == sorted(prices)
    assert [o.usd_per_gpu_h is None for o in offers] == sorted(o.usd_per_gpu_h is None for o in offers)


def test_the_p4d_is_8_a100_of_40_gb_and_its_old_price_is_history(facts: Facts) -> None:
    [now] = [o for o in facts.offers("A100-40GB-SXM", "AWS") if o.instance == "p4d.24xlarge"]
    assert (now.gpu_count, now.vram_gb_per_gpu) == (8, 40)
    assert now.on_demand_usd_h is not None
    assert now.on_demand_usd_h.quantize(Decimal("0.01")) == Decimal("21.96")
    old = [o for o in facts.all_offers if o.instance == "p4d.24xlarge" and o.historic]
    assert [o.on_demand_usd_h for o in old] == [Decimal("32.77")]


def test_cards_of_one_name_are_told_apart_by_their_memory(facts: Facts) -> None:
    for name, memory in (("A100-40GB-PCIe", 40), ("A100-80GB-PCIe", 80), ("A100-40GB-SXM", 40), ("A100-80GB-SXM", 80)):
        assert {o.vram_gb_per_gpu for o in facts.offers(name)} == {memory}


def test_an_unknown_price_is_none_never_zero(facts: Facts) -> None:
    for offer in facts.all_offers:
        known = (offer.on_demand_usd_h, offer.spot_usd_h, offer.reserved_1y_usd_h, offer.reserved_3y_usd_h)
        assert all(price is None or price > 0 for price in known)
    assert facts.offers("MI325X") == []


def test_old_files_are_named_once_each(facts: Facts) -> None:
    assert facts.stale(dt.date(2026, 8, 3) + dt.timedelta(days=90)) == []
    [line] = facts.stale(dt.date(2026, 8, 3) + dt.timedelta(days=91))
    assert line.startswith("gpu_prices.csv: newest facts are of 2026-08-03, 91 days old")
    assert [line.split(":")[0] for line in facts.stale(dt.date(2027, 6, 1))] == ["gpu_prices.csv", "gpus.csv", "models.csv"]
