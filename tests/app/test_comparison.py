"""What is compared for a workload: the command line over the configuration over what the ledger shows over defaults."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from freehold.app import config_file
from freehold.app.cli.plan import choices
from freehold.app.cli.plan_flags import Compared
from freehold.app.comparison import configured_choice, used_choice
from freehold.app.settings import Settings
from freehold.catalog.facts import load_facts
from freehold.catalog.prices import PriceBook
from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.core.price import PriceCard, Rate
from freehold.plan.choice import Choice
from freehold.plan.quote import Quotes
from freehold.serve.stores.use import Use

CONFIG = """\
version: 1
keys: [{name: app, sha256: SHA}]
targets:
  api: {provider: openai, model: gpt-4o-mini, key: "env:NOWHERE", clearance: confidential, price: {input: 2, output: 8}}
  like: {provider: openai, model: our-deployment, key: "env:NOWHERE", clearance: internal, price: {like: openai/gpt-4o}}
  listed: {provider: openai, model: gpt-4o, key: "env:NOWHERE", clearance: internal}
  box:
    {engine: vllm, url: "http://127.0.0.1:9", model: Qwen/Qwen2.5-7B-Instruct, clearance: restricted,
     cost: {gpu: H100-SXM, count: 2, provider: verda, plan: spot}}
  cellar:
    {engine: vllm, url: "http://127.0.0.1:9", model: Llama-3.1-8B, clearance: restricted,
     cost: {gpu: L40S, usd_per_hour: 0.37}}
  free: {engine: vllm, url: "http://127.0.0.1:9", model: m, clearance: restricted}
workloads:
  both: {targets: [box, api], spill: true}
  aliased: {targets: [free, cellar, like], spill: true}
  rented: {targets: [listed]}
  owned: {targets: [free]}
"""
CONTRACT = PriceCard(
    provider="lab", model="lab-model", input=Rate(10**9), output=Rate(2 * 10**9), valid_from="2026-11-01", source="a contract"
)


@pytest.fixture(scope="module")
def quotes() -> Quotes:
    return Quotes(load_facts(), PriceBook(), dt.date(2026, 11, 21))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "freehold.yaml"
    path.write_text(CONFIG.replace("SHA", "a" * 64), encoding="utf-8")
    return path


@pytest.fixture
def settings(config: Path) -> Settings:
    return config_file.load(config).settings


def test_what_was_billed_is_compared_at_the_price_it_was_billed_at(quotes: Quotes) -> None:
    found = used_choice(Use(owned_share=0.2, card=CONTRACT, imported_model="openai/gpt-4o"), quotes)
    assert (found.rent, found.price, found.rent_source) == ("lab/lab-model", CONTRACT, "measured")
    assert found.chosen == frozenset(), "nobody chose it"


def test_what_was_imported_is_compared_at_todays_price_where_somebody_sells_it(quotes: Quotes) -> None:
    found = used_choice(Use(imported_model="openai/gpt-4o-mini"), quotes)
    assert (found.rent, found.price, found.rent_source) == ("openai/gpt-4o-mini", None, "measured")
    assert used_choice(Use(imported_model="openai/our-private-name"), quotes) == Choice()
    assert used_choice(Use(), quotes) == Choice()


def test_a_workloads_first_rented_and_first_owned_target_with_a_cost(settings: Settings) -> None:
    both = configured_choice(settings, "both")
    assert (both.rent, both.clearance) == ("openai/gpt-4o-mini", DataClass.confidential)
    assert both.price is not None
    assert (both.price.input.nanousd_per_mtok, both.price.output.nanousd_per_mtok) == (2 * 10**9, 8 * 10**9)
    assert (both.model, both.gpu, both.gpu_count, both.provider, both.hire_plan) == (
        "Qwen/Qwen2.5-7B-Instruct", "H100-SXM", 2, "verda", "spot",
    )  # fmt: skip
    assert both.usd_per_hour is None
    assert {"rent", "price", "clearance", "gpu", "hire_plan"} <= both.chosen
    aliased = configured_choice(settings, "aliased")
    assert (aliased.rent, aliased.price, "price" in aliased.chosen) == ("openai/gpt-4o", None, False)
    assert (aliased.gpu, aliased.usd_per_hour) == ("L40S", Decimal("0.37"))


def test_what_is_not_configured_is_what_is_used(settings: Settings, quotes: Quotes) -> None:
    used = used_choice(Use(card=CONTRACT), quotes)
    assert configured_choice(settings, "owned", used) == used
    assert configured_choice(settings, "of-the-past", used) == used
    rented = configured_choice(settings, "rented", used)
    assert (rented.rent, rented.price) == ("openai/gpt-4o", None), "a used price is not that of another target"
    assert configured_choice(settings, "owned") == Choice()


def test_the_command_line_wins_over_the_configuration_over_use(config: Path, quotes: Quotes) -> None:
    used = used_choice(Use(card=CONTRACT), quotes)
    plain = choices(config, Compared(), lambda name: used)
    assert [plain(name).rent for name in ("both", "rented", "owned")] == ["openai/gpt-4o-mini", "openai/gpt-4o", "lab/lab-model"]
    told = choices(config, Compared(rent="groq/llama-3.1-8b-instant", gpu="L40S"), lambda name: used)
    for name in ("both", "owned"):
        found = told(name)
        assert (found.rent, found.price, found.gpu) == ("groq/llama-3.1-8b-instant", None, "L40S")
        assert {"rent", "gpu"} <= found.chosen
        assert "price" not in found.chosen
    assert choices(None, Compared(), lambda name: used)("any") == used


def test_a_trace_of_an_unknown_workload_is_a_mistake(config: Path) -> None:
    strict = choices(config, Compared(), strict=True)
    assert strict("both").gpu == "H100-SXM"
    with pytest.raises(BadSettings, match="has no workload 'bth'; name one of both, aliased, rented, owned with --workload"):
        strict("bth")
