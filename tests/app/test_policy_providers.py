"""Targets of every kind of provider become a policy: address, key, company, price and what is known of the server."""

from datetime import date
from pathlib import Path

import pytest

from freehold.app import config_file
from freehold.app.policy import build_policy
from freehold.core.errors import BadSettings
from freehold.serve.gateway.policy import Policy

TODAY = date(2026, 11, 21)
PRICE = "price: {input: 1, output: 2}"


def policy(tmp_path: Path, target: str) -> Policy:
    path = tmp_path / "freehold.yaml"
    keys = f"keys: [{{name: app, sha256: {'a' * 64}}}]"
    text = f"version: 1\n{keys}\ntargets:\n  t: {{clearance: public, {target}}}\nworkloads:\n  w: {{targets: [t]}}\n"
    path.write_text(text, encoding="utf-8")
    return build_policy(config_file.load(path), TODAY)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEHOLD_TEST_KEY", "k")


@pytest.mark.parametrize(
    ("provider", "model", "company"),
    [
        ("google", "gemini-2.5-pro", "google"),
        ("google_openai", "gemini-2.5-pro", "google"),
        ("anthropic", "claude-sonnet-4-5-20250929", "anthropic"),
        ("replicate", f"meta/meta-llama-3-70b-instruct, {PRICE}", "replicate"),
        ("cohere", f"command-a-03-2025, {PRICE}", "cohere"),
    ],
)
def test_a_provider_needs_its_key_and_no_address(provider: str, model: str, company: str, tmp_path: Path) -> None:
    made = policy(tmp_path, f"provider: {provider}, model: {model}, key: env:FREEHOLD_TEST_KEY")
    target = made.targets["t"]
    assert target.url.startswith("https://")
    assert target.provider == company
    assert made.price(target, TODAY) is not None
    assert made.codecs["t"].composer is not None
    with pytest.raises(BadSettings, match=r"key is missing; for example key: env:[A-Z_]+"):
        policy(tmp_path, f"provider: {provider}, model: {model}")


def test_both_of_googles_dialects_cost_the_same(tmp_path: Path) -> None:
    made = [
        policy(tmp_path, f"provider: {p}, model: gemini-2.5-pro, key: env:FREEHOLD_TEST_KEY") for p in ("google", "google_openai")
    ]
    assert made[0].price(made[0].targets["t"], TODAY) == made[1].price(made[1].targets["t"], TODAY)


def test_an_address_of_azure_may_say_the_version_of_its_api(tmp_path: Path) -> None:
    url = "https://n.openai.azure.com?api-version=2025-01-01-preview"
    made = policy(tmp_path, f'provider: azure, model: eu, url: "{url}", key: env:FREEHOLD_TEST_KEY, {PRICE}')
    assert made.targets["t"].url == url


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (f"provider: azure, model: eu, {PRICE}", "url is missing"),
        (f'provider: azure, url: "https://n.test?x=1", model: eu, {PRICE}', "without a query"),
        (f'provider: azure, url: "https://n.test?api-version=1?api-version=2", model: eu, {PRICE}', "without a query"),
        (f'provider: openai_compatible, url: "https://n.test?api-version=1", model: eu, {PRICE}', "only azure"),
        ('engine: sglang, url: "http://127.0.0.1:9?api-version=1", model: eu', "only azure"),
    ],
)
def test_other_queries_are_refused(target: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=says):
        policy(tmp_path, target)


@pytest.mark.parametrize("engine", ["sglang", "tgi", "tensorrt_llm", "ollama"])
def test_engines(engine: str, tmp_path: Path) -> None:
    made = policy(tmp_path, f'engine: {engine}, url: "http://127.0.0.1:9", model: m')
    assert "openai_chat" in made.codecs["t"].natives
    assert not made.targets["t"].rented


def test_what_is_known_of_a_server(tmp_path: Path) -> None:
    replicate = (
        policy(tmp_path, f"provider: replicate, model: a/b, key: env:FREEHOLD_TEST_KEY, {PRICE}").targets["t"].capabilities
    )
    assert (replicate["tools"], replicate["json_schema"], replicate["stream_usage"]) == (False, False, False)
    google = policy(tmp_path, "provider: google, model: gemini-2.5-pro, key: env:FREEHOLD_TEST_KEY").targets["t"].capabilities
    assert google["json_schema"] is True
