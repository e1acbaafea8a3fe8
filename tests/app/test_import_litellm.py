"""`freehold import litellm`: what it makes passes `freehold check`, every key is accounted for, no secret is anywhere."""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from freehold.app.cli import main
from freehold.app.config_file import ConfigFile
from freehold.app.imports.litellm.converting import Circumstances, convert_file
from freehold.app.imports.litellm.fates import Fates, leaves, shown
from freehold.app.imports.litellm.prices import stated_price
from freehold.catalog.prices import PriceBook
from freehold.core.data import DataClass
from freehold.serve.engines import ENGINES
from freehold.serve.providers import PROVIDERS

AZURE = """\
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: azure/gpt-4o-eu
      api_base: https://team-eu.openai.azure.com/
      api_key: os.environ/AZURE_API_KEY_EU
      api_version: "2024-08-01-preview"
      region_name: eu
      weight: 1
      rpm: 6
    model_info: {base_model: azure/gpt-4o}
  - model_name: gpt-4o
    litellm_params: {model: gpt-4o, api_key: os.environ/OPENAI_API_KEY, weight: 9, rpm: 60}
  - model_name: cheap
    litellm_params: {model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY, rpm: 30, tpm: 5000, temperature: 0.1}
    model_info: {mode: chat, id: cheap-1}
  - model_name: cheap
    litellm_params: {model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_KEY_2, rpm: 12, max_parallel_requests: 4}
litellm_settings:
  num_retries: 3
  request_timeout: 30
  fallbacks: [{gpt-4o: [cheap, gone]}, {nobody: [cheap]}]
  context_window_fallbacks: [{cheap: [gpt-4o]}]
  content_policy_fallbacks: [{gpt-4o: [cheap]}]
  drop_params: true
  success_callback: [langfuse]
  budget_duration: 24h
  max_budget: 100
router_settings:
  routing_strategy: usage-based-routing-v2
  model_group_alias: {gpt-4: gpt-4o, hidden-4: {model: gpt-4o, hidden: true}}
  allowed_fails: 3
  cooldown_time: 30
  redis_host: os.environ/REDIS_HOST
  redis_password: os.environ/REDIS_PASSWORD
general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
  database_url: os.environ/DATABASE_URL
"""
OWN = """\
model_list:
  - model_name: llama
    litellm_params:
      model: hosted_vllm/meta-llama/Llama-3.1-8B-Instruct
      api_base: http://10.0.0.5:8000/v1
      api_key: none
    model_info:
      {input_cost_per_token: 0, output_cost_per_token: 0, max_input_tokens: 8192, max_output_tokens: 1024,
       supports_function_calling: true, supports_vision: false}
  - model_name: llama
    litellm_params: {model: openai/meta-llama/Llama-3.1-8B-Instruct, api_base: "http://vllm-2:8000/v1", api_key: EMPTY}
  - model_name: local
    litellm_params: {model: ollama_chat/llama3.1, api_base: "http://localhost:11434"}
  - model_name: embed
    litellm_params: {model: hosted_vllm/bge-embedding, api_base: "http://10.0.0.6:8000"}
  - model_name: gpt-4o-mini
    litellm_params: {model: gpt-4o-mini}
litellm_settings: {default_fallbacks: [gpt-4o-mini], request_timeout: 1200, stream_timeout: 20, json_logs: true}
"""
HOSTED = """\
model_list:
  - model_name: claude
    litellm_params: {model: anthropic/claude-sonnet-4-5-20250929, api_key: os.environ/ANTHROPIC_API_KEY, order: 2}
  - model_name: claude
    litellm_params: {model: openrouter/anthropic/claude-sonnet-4.5, api_key: os.environ/OPENROUTER_API_KEY, order: 1}
    model_info: {input_cost_per_token: 3e-6, output_cost_per_token: 0.000015, cache_read_input_token_cost: 3.0e-07}
  - model_name: gemini
    litellm_params: {model: gemini/gemini-2.5-pro, api_key: os.environ/GEMINI_API_KEY}
  - model_name: fast
    litellm_params: {model: groq/llama-3.3-70b-versatile, api_key: gsk_written-into-the-file}
  - model_name: fast
    litellm_params: {model: together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo, litellm_credential_name: together}
  - model_name: house
    litellm_params: {model: openai/house-70b, api_base: "https://llm.vendor.example/v1", api_key: os.environ/HOUSE_KEY}
    model_info: {input_cost_per_token: 0.0000004, output_cost_per_token: 0.0000012}
  - model_name: unpriced
    litellm_params: {model: openai/other-70b, api_base: "https://llm.vendor.example/v1", api_key: os.environ/HOUSE_KEY}
  - model_name: cohere
    litellm_params: {model: nowhere_ai/command-a, api_key: os.environ/NOWHERE_KEY}
credential_list:
  - credential_name: together
    credential_values: {api_key: tgp_also-written-into-the-file}
    credential_info: {description: production}
guardrails:
  - guardrail_name: pii
    litellm_params: {guardrail: presidio, mode: pre_call}
environment_variables: {REDIS_PASSWORD: hunter2-in-the-file}
general_settings: {master_key: sk-1234-in-the-file, database_url: "postgresql://u:p4ss-in-the-file@db/litellm"}
"""
WILD = """\
model_list:
  - model_name: openai/*
    litellm_params: {model: openai/*, api_key: os.environ/OPENAI_API_KEY}
  - model_name: "*"
    litellm_params: {model: "mistral/*", api_key: os.environ/MISTRAL_API_KEY}
  - model_name: mine
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY}
router_settings: {fallbacks: [{mine: [openai/gpt-4o-mini]}]}
"""
CLOUDS = """\
model_list:
  - model_name: claude
    litellm_params:
      model: bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0
      aws_region_name: us-west-2
      aws_access_key_id: os.environ/AWS_ACCESS_KEY_ID
      aws_secret_access_key: wJalr-in-the-file
  - model_name: nova
    litellm_params: {model: bedrock/eu-central-1/amazon.nova-pro-v1:0, api_key: os.environ/AWS_BEARER_TOKEN_BEDROCK}
  - model_name: nova
    litellm_params: {model: bedrock/amazon.nova-lite-v1:0, aws_region_name: os.environ/FREEHOLD_TEST_REGION}
  - model_name: private
    litellm_params:
      model: bedrock/amazon.nova-micro-v1:0
      aws_bedrock_runtime_endpoint: https://vpce-1a.bedrock-runtime.eu-west-1.vpce.amazonaws.com
  - model_name: nowhere
    litellm_params: {model: bedrock_converse/meta.llama3-3-70b-instruct-v1:0}
  - model_name: gpt-4o
    litellm_params:
      model: azure/gpt-4o-eu
      api_base: https://team-eu.openai.azure.com/
      tenant_id: os.environ/AZURE_TENANT_ID
      client_id: os.environ/AZURE_CLIENT_ID
      client_secret: s3cret-in-the-file
    model_info: {base_model: azure/gpt-4o, id: eu}
"""
IN_THE_FILE = ("gsk_written", "tgp_also", "hunter2", "sk-1234", "p4ss")


class Imported:
    """What a configuration became, as read back from where it was written."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], text: str, *options: str) -> None:
        (folder / "config.yaml").write_text(text, encoding="utf-8")
        self.path = folder / "freehold.yaml"
        with pytest.raises(SystemExit) as ended:
            main(["import", "litellm", str(folder / "config.yaml"), "--out", str(self.path), "--json", *options])
        assert ended.value.code == 0
        self.printed = capsys.readouterr().out
        self.told: dict[str, Any] = json.loads(self.printed)
        self.text = self.path.read_text(encoding="utf-8")
        self.settings = ConfigFile(self.path, self.text).settings
        self.fates = {line["key"]: (line["fate"], line["says"]) for line in self.told["report"]}

    def checked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It passes `freehold check` once the variables are set that the import named, and not before."""
        for name in self.told["environment"]:
            monkeypatch.setenv(name, "set-for-the-test")
        assert _code("check", "-c", str(self.path)) == 0
        for name in self.told["environment"]:
            monkeypatch.delenv(name)
            assert _code("check", "-c", str(self.path)) == 2
            monkeypatch.setenv(name, "set-for-the-test")

    def targets(self, workload: str) -> list[str]:
        """The models of a workload's targets, in order."""
        return [self.settings.targets[name].model for name in self.settings.workloads[workload].targets]


def _code(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return ended.value.code


@pytest.mark.parametrize("text", [AZURE, OWN, HOSTED, WILD], ids=["azure", "own", "hosted", "wild"])
def test_it_passes_check_and_every_key_is_in_the_report(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Imported(tmp_path, capsys, text)
    made.checked(monkeypatch)
    assert list(made.fates) == [shown(path) for path in leaves(yaml.safe_load(text))]
    assert {fate for fate, _ in made.fates.values()} == {"mapped", "approximated", "ignored"}
    assert all(says for _, says in made.fates.values())
    assert not [key for key, (_, says) in made.fates.items() if "goes by this name" in says]


@pytest.mark.parametrize("text", [AZURE, OWN, HOSTED], ids=["azure", "own", "hosted"])
def test_what_nobody_said_is_closed_and_marked(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Imported(tmp_path, capsys, text)
    for target in made.settings.targets.values():
        assert target.clearance == DataClass.public
        assert (target.terms.retention_days, target.terms.trains_on_data, target.terms.baa) == (None, None, False)
        assert (target.egress, target.labels) == ({}, None)
    lines = made.text.splitlines()
    for field in ("clearance: public", "data: public"):
        places = [n for n, line in enumerate(lines) if line.strip() == field]
        assert len(places) >= 2
        assert all("CHOOSE" in lines[n - 1] for n in places)
    assert not any(workload.spill for workload in made.settings.workloads.values())


def test_groups_fallbacks_and_aliases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Imported(tmp_path, capsys, AZURE)
    azure = ["gpt-4o-eu"] if "azure" in PROVIDERS else []
    assert made.targets("gpt-4o") == ["gpt-4o", *azure, "gpt-4o-mini", "gpt-4o-mini"]
    assert made.targets("cheap") == ["gpt-4o-mini", "gpt-4o-mini", "gpt-4o", *azure]
    assert made.targets("gpt-4") == made.targets("hidden-4") == made.targets("gpt-4o")
    fate, says = made.fates["litellm_settings.fallbacks[0].gpt-4o"]
    assert fate == "approximated"
    assert "without gone" in says
    assert made.fates["litellm_settings.fallbacks[1].nobody"][0] == "ignored"
    assert made.fates["router_settings.model_group_alias.hidden-4.model"][0] == "mapped"
    assert made.fates["router_settings.model_group_alias.hidden-4.hidden"][0] == "ignored"
    assert made.fates["litellm_settings.content_policy_fallbacks[0].gpt-4o"][0] == "ignored"
    assert [left["model_name"] for left in made.told["left_out"]] == ([] if azure else ["gpt-4o"])
    assert made.fates["model_list[0].litellm_params.region_name"][0] == ("approximated" if azure else "ignored")


def test_money_and_bounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Imported(tmp_path, capsys, AZURE)
    (budget,) = made.settings.budgets
    assert (budget.scope, budget.period, budget.usd, budget.mode) == ("key", "day", Decimal(100), "hard")
    assert made.settings.bounds.whole_s == 30
    assert made.settings.limits.rules == [], "a rate would refuse what the group's fallbacks could serve"
    assert made.settings.targets["cheap-openai-2"].concurrency == 4


def test_rates_of_a_group_that_stands_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = AZURE.replace("context_window_fallbacks", "content_policy_fallbacks_old")
    made = Imported(tmp_path, capsys, text)
    (rule,) = made.settings.limits.rules
    assert (rule.match, rule.requests_per_minute, rule.tokens_per_minute) == ("cheap", 42, None)
    assert made.fates["model_list[2].litellm_params.rpm"][0] == "approximated"
    assert made.fates["model_list[2].litellm_params.tpm"][0] == "ignored"
    assert "goes by this name" in made.fates["litellm_settings.content_policy_fallbacks_old[0].cheap"][1]


def test_engines_of_your_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Imported(tmp_path, capsys, OWN)
    engine = made.settings.targets["llama-vllm"]
    assert (engine.engine, engine.url, engine.key, engine.price) == ("vllm", "http://10.0.0.5:8000", None, None)
    assert (engine.context_tokens, engine.max_output_tokens) == (9216, 1024)
    assert engine.capabilities == {"tools": True, "vision": False}
    assert made.settings.targets["llama-vllm-2"].engine == "vllm"
    assert made.fates["model_list[1].litellm_params.model"][0] == "approximated"
    assert made.targets("llama")[-1] == "gpt-4o-mini"
    assert ("local" in made.settings.workloads) == ("ollama" in ENGINES)
    assert "embed" not in made.settings.workloads
    bounds = made.settings.bounds
    assert (bounds.whole_s, bounds.total_s, bounds.first_token_s) == (1200, 1200, 20)
    assert made.told["environment"] == ["OPENAI_API_KEY"], "the provider's own variable, where the file names none"


def test_hosted_providers_and_prices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Imported(tmp_path, capsys, HOSTED)
    prices = {target.model: target.price for target in made.settings.targets.values()}
    routed, house = prices["anthropic/claude-sonnet-4.5"], prices["house-70b"]
    assert routed is not None
    assert house is not None
    assert (routed.input, routed.output, routed.cache_read) == (Decimal(3), Decimal(15), Decimal("0.3"))
    assert (house.input, house.output) == (Decimal("0.4"), Decimal("1.2"))
    assert made.targets("claude")[0] == "anthropic/claude-sonnet-4.5", "order 1 comes first"
    assert ("claude-sonnet-4-5-20250929" in made.targets("claude")) == ("anthropic" in PROVIDERS)
    assert made.targets("gemini") == ["gemini-2.5-pro"]
    left = {one["model_name"]: one["why"] for one in made.told["left_out"]}
    assert "no price" in left["unpriced"]
    assert "no provider or engine for 'nowhere_ai' yet" in left["cohere"]


def test_no_secret_of_the_file_is_written_or_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Imported(tmp_path, capsys, HOSTED)
    said = made.text + made.printed
    made.path.unlink()
    assert _code("import", "litellm", str(tmp_path / "config.yaml"), "--out", str(made.path)) == 0
    printed = capsys.readouterr()
    said += printed.out + printed.err + made.path.read_text(encoding="utf-8")
    assert [secret for secret in IN_THE_FILE if secret in HOSTED] == list(IN_THE_FILE)
    assert not [secret for secret in IN_THE_FILE if secret in said]
    assert made.settings.targets["fast-groq"].key == "env:FREEHOLD_FAST_GROQ_KEY"
    assert made.settings.targets["fast-together"].key == "env:FREEHOLD_FAST_TOGETHER_KEY"
    assert made.fates["model_list[3].litellm_params.api_key"][0] == "approximated"
    assert "FREEHOLD_FAST_GROQ_KEY" in made.told["environment"]


def test_wildcards_serve_the_names_that_are_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Imported(tmp_path, capsys, WILD, "--model", "openai/gpt-4.1", "--model", "mistral-large-latest")
    assert made.targets("mine") == ["gpt-4o", "gpt-4o-mini"]
    assert made.targets("openai/gpt-4.1") == ["gpt-4.1"]
    mistral = made.settings.targets[made.settings.workloads["mistral-large-latest"].targets[0]]
    assert (mistral.provider, mistral.model) == ("mistral", "mistral-large-latest")
    fate, says = made.fates["model_list[0].model_name"]
    assert fate == "approximated"
    assert "openai/gpt-4o-mini, openai/gpt-4.1" in says


def test_a_wildcard_nobody_names_is_ignored_aloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Imported(tmp_path, capsys, WILD)
    assert made.fates["model_list[1].model_name"][0] == "ignored"
    assert "--model" in made.fates["model_list[1].model_name"][1]


def test_included_files_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "more.yaml").write_text(OWN, encoding="utf-8")
    made = Imported(tmp_path, capsys, f"include: [more.yaml]\n{WILD}")
    assert {"mine", "llama"} <= made.settings.workloads.keys()
    assert made.fates["include"][0] == "mapped"
    assert made.fates["model_list[3].litellm_params.api_base"][0] == "mapped"


def test_an_address_in_the_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = OWN.replace("http://10.0.0.5:8000/v1", "os.environ/FREEHOLD_TEST_BASE")
    monkeypatch.setenv("FREEHOLD_TEST_BASE", "http://10.1.1.1:9000/v1")
    assert Imported(tmp_path, capsys, text).settings.targets["llama-vllm"].url == "http://10.1.1.1:9000"
    monkeypatch.delenv("FREEHOLD_TEST_BASE")
    (tmp_path / "freehold.yaml").unlink()
    (left, *_) = Imported(tmp_path, capsys, text).told["left_out"]
    assert "FREEHOLD_TEST_BASE" in left["why"]


def test_the_report_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text(AZURE, encoding="utf-8")
    assert _code("import", "litellm", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "made.yaml")) == 0
    printed = capsys.readouterr()
    assert "model_list[2].litellm_params.tpm" in printed.out
    assert "shown once: fh_" in printed.err
    assert "OPENAI_KEY_2" in printed.err


def test_nothing_to_take_over_is_a_no(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text(
        "model_list: [{model_name: a, litellm_params: {model: nowhere_ai/b}}]", encoding="utf-8"
    )
    assert _code("import", "litellm", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "made.yaml"), "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["file"], told["key"], told["workloads"]) == (None, None, [])
    assert not (tmp_path / "made.yaml").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model_list: 3", "has no model_list"),
        ("- a", "expected a mapping"),
        ("model_list: [", "not YAML"),
        ("model_list: []\nmodel_list: []", "'model_list' stands here a second time"),
        ("model_list: [3]", "model_list[0] is no mapping"),
        ("model_list: [{litellm_params: {model: a}}]", "model_list[0].model_name is missing"),
        ("model_list: [{model_name: a, litellm_params: {}}]", "model_list[0].litellm_params.model is missing"),
        ("model_list: [{model_name: a}]", "model_list[0].litellm_params is no mapping"),
        ("include: [gone.yaml]\nmodel_list: []", "cannot read"),
        ("include: 3\nmodel_list: []", "include is no list"),
        ("a: &a [*a]", "alias"),
    ],
)
def test_bad_files_are_refused_in_one_line(text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    assert _code("import", "litellm", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "made.yaml")) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert (printed.out, len(printed.err.splitlines())) == ("", 1)
    assert not (tmp_path / "made.yaml").exists()


def test_a_file_that_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text(WILD, encoding="utf-8")
    (tmp_path / "freehold.yaml").write_text("mine", encoding="utf-8")
    assert _code("import", "litellm", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "freehold.yaml")) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "freehold.yaml").read_text(encoding="utf-8") == "mine"


_WORDS = st.text("ab*/.-: #'\"\n[{é", min_size=1, max_size=6)
_PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _WORDS
_TREES = st.recursive(
    _PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3), max_leaves=8
)
_PARAMS = st.fixed_dictionaries(
    {"model": st.sampled_from(["openai/gpt-4o", "gpt-4o-mini", "openai/*", "hosted_vllm/x", "nowhere/x", "groq/unknown"])},
    optional={
        "api_base": st.sampled_from(["http://10.0.0.1:8000/v1", "https://api.example.org", "http://u:p@h", "no url"]),
        "api_key": _WORDS, "rpm": _PLAIN, "tpm": _PLAIN, "order": _PLAIN, "weight": _PLAIN, "region_name": _PLAIN,
        "max_parallel_requests": _PLAIN, "input_cost_per_token": _PLAIN, "output_cost_per_token": _PLAIN, "odd": _TREES,
    },
)  # fmt: skip
_ENTRIES = st.fixed_dictionaries(
    {"model_name": _WORDS, "litellm_params": _PARAMS},
    optional={"model_info": st.dictionaries(st.sampled_from(["mode", "id", "max_input_tokens", "base_model"]), _PLAIN)},
)
_SECTION = st.dictionaries(
    st.sampled_from(
        ["fallbacks", "default_fallbacks", "model_group_alias", "request_timeout", "max_budget", "budget_duration", "odd"]
    ),
    _TREES,
)
_FILES = st.fixed_dictionaries(
    {"model_list": st.lists(_ENTRIES, min_size=1, max_size=4)},
    optional={"litellm_settings": _SECTION, "router_settings": _SECTION, "general_settings": _TREES, "odd": _TREES},
)


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook()


@given(values=_FILES)
@settings(deadline=None, phases=[Phase.generate])  # a file is a large example: shrinking takes minutes
def test_whatever_the_file_says_each_key_has_its_line_and_the_result_is_valid(
    values: dict[str, Any], book: PriceBook, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "config.yaml").write_text(yaml.safe_dump(values, allow_unicode=True, sort_keys=False), encoding="utf-8")
    given_ = Circumstances(today=dt.date(2026, 11, 21), book=book, environment={}, models=(), key_sha256="0" * 64)
    made = convert_file(folder / "config.yaml", folder / "freehold.yaml", given_)
    assert [line.key for line in made.report] == [shown(path) for path in leaves(values)]
    if made.text is not None:
        settings_ = ConfigFile(folder / "freehold.yaml", made.text).settings
        assert list(settings_.workloads) == made.workloads


def test_nothing_is_silent_about_a_key_nobody_thought_of() -> None:
    fates = Fates()
    fates.mapped(("a", "b"), "somewhere")
    lines = fates.lines({"a": {"b": {"c": 1}, "d": [{"e": 2}, 3]}, "f": {}})
    assert [(line.key, line.fate) for line in lines] == [
        ("a.b.c", "mapped"), ("a.d[0].e", "ignored"), ("a.d[1]", "ignored"), ("f", "ignored"),
    ]  # fmt: skip


@given(per_token=st.decimals("0.000000000001", "1", allow_nan=False, allow_infinity=False, places=12))
def test_a_price_is_exact(per_token: Decimal) -> None:
    price = stated_price({"input_cost_per_token": str(per_token), "output_cost_per_token": 0})
    assert price == {"input": per_token * 1_000_000, "output": Decimal(0)}


@pytest.mark.parametrize(
    "costs", [{"input_cost_per_token": 1e-6}, {"input_cost_per_token": 0, "output_cost_per_token": 0}, {}], ids=str
)
def test_half_a_price_and_none_at_all_are_no_price(costs: dict[str, float]) -> None:
    assert stated_price(costs) is None


@pytest.mark.parametrize("cost", ["x", -1, float("nan"), float("inf"), True, [1]], ids=str)
def test_what_is_no_price_is_refused(cost: object) -> None:
    with pytest.raises(ValueError, match="input_cost_per_token"):
        stated_price({"input_cost_per_token": cost, "output_cost_per_token": 1})


def test_a_budget_stated_twice_counts_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Imported(tmp_path, capsys, f"{WILD}litellm_settings: {{max_budget: 5}}\ngeneral_settings: {{max_budget: 7}}\n")
    (budget,) = made.settings.budgets
    assert (budget.usd, budget.period) == (Decimal(5), "month")
    assert made.fates["general_settings.max_budget"][0] == "ignored"


def test_a_rate_of_a_group_with_another_name_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = WILD.replace("OPENAI_API_KEY}\nrouter", "OPENAI_API_KEY, rpm: 5}\nrouter").replace(
        "fallbacks: [{mine: [openai/gpt-4o-mini]}]", "model_group_alias: {ours: mine}"
    )
    made = Imported(tmp_path, capsys, text)
    assert made.settings.limits.rules == [], "under its other name it would pass uncounted"
    assert made.fates["model_list[2].litellm_params.rpm"][0] == "ignored"


def test_credentials_in_odd_places_stay_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = WILD.replace(
        "litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY}",
        'litellm_params: {model: groq/llama-3.3-70b-versatile, api_key: s3cret, extra_headers: {x-key: s3cret}, timeout: s3cret,'
        ' api_base: "https://u:s3cret@h.example/v1"}',
    ) + "general_settings: {odd: s3cret}\nodd: [{s: s3cret}, s3cret]\n"  # fmt: skip
    made = Imported(tmp_path, capsys, text, "--model", "openai/gpt-4.1")
    assert "s3cret" in text
    assert "s3cret" not in made.text + made.printed
    assert "put no credentials into the URL" in made.told["left_out"][0]["why"]


def test_clouds_that_sign_in(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEHOLD_TEST_REGION", "ap-south-1")
    for name in ("AWS_REGION_NAME", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    made = Imported(tmp_path, capsys, CLOUDS)
    made.checked(monkeypatch)
    by_model = {target.model: target for target in made.settings.targets.values()}
    claude, nova = by_model["us.anthropic.claude-sonnet-4-5-20250929-v1:0"], by_model["amazon.nova-pro-v1:0"]
    assert (claude.provider, claude.url) == ("bedrock", "https://bedrock-runtime.us-west-2.amazonaws.com")
    assert (claude.auth, claude.key, claude.price) == ("aws", None, None)
    assert (nova.url, nova.auth) == ("https://bedrock-runtime.eu-central-1.amazonaws.com", None)
    assert nova.key == "env:AWS_BEARER_TOKEN_BEDROCK"
    assert by_model["amazon.nova-lite-v1:0"].url == "https://bedrock-runtime.ap-south-1.amazonaws.com"
    private = by_model["amazon.nova-micro-v1:0"]
    assert (private.url, private.auth) == ("https://vpce-1a.bedrock-runtime.eu-west-1.vpce.amazonaws.com", "aws")
    azure = by_model["gpt-4o-eu"]
    assert (azure.auth, azure.key) == ("entra", None)
    assert {one["model_name"]: one["why"] for one in made.told["left_out"]} == {
        "nowhere": "nothing says its region; state aws_region_name"
    }
    fates = {key.rpartition(".")[2]: fate for key, (fate, _) in made.fates.items()}
    assert (fates["aws_region_name"], fates["aws_bedrock_runtime_endpoint"]) == ("mapped", "mapped")
    assert {fates[name] for name in ("aws_secret_access_key", "tenant_id", "client_secret")} == {"approximated"}
    assert "in-the-file" not in made.text + made.printed
    assert not [key for key, (_, says) in made.fates.items() if "goes by this name" in says]


def test_a_region_is_that_of_the_environment_where_nothing_else_says_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION_NAME", "us-east-2")
    monkeypatch.delenv("FREEHOLD_TEST_REGION", raising=False)
    made = Imported(tmp_path, capsys, CLOUDS)
    urls = {target.model: target.url for target in made.settings.targets.values()}
    assert urls["meta.llama3-3-70b-instruct-v1:0"] == "https://bedrock-runtime.us-east-2.amazonaws.com"
    (left,) = made.told["left_out"]
    assert "its region is in the environment (FREEHOLD_TEST_REGION)" in left["why"]
