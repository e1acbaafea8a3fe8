"""Targets of every kind of provider become a policy: address, key, company, price and what is known of the server."""

import json
import sys
from datetime import date
from pathlib import Path

import msgspec
import pytest
import yaml

from freehold.app import config_file
from freehold.app.policy import build_policy
from freehold.core.conversation import Conversation, Text, Turn
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


BEDROCK = 'provider: bedrock, url: "https://bedrock-runtime.eu-west-1.amazonaws.com", model: "eu.amazon.nova-pro-v1:0"'
AZURE = f'provider: azure, url: "https://n.openai.azure.com", model: eu, {PRICE}'
ELSEWHERE = AZURE.replace("n.openai.azure.com", "llm.example.org")
NEARLY = AZURE.replace("n.openai.azure.com", "n.westeurope.cloudapp.azure.com")


@pytest.mark.parametrize(("target", "auth"), [(BEDROCK, "aws"), (AZURE, "entra")], ids=["bedrock", "azure"])
def test_one_may_be_signed_in_in_place_of_a_key(target: str, auth: str, tmp_path: Path) -> None:
    ask = Conversation(turns=(Turn("user", (Text("hi"),)),))
    signers = []
    for credential in ("key: env:FREEHOLD_TEST_KEY", f"auth: {auth}"):
        made = policy(tmp_path, f"{target}, {credential}")
        composer = made.codecs["t"].composer
        assert composer is not None
        signers.append(composer.compose(ask, made.targets["t"], stream=False).signer)
        assert (made.targets["t"].secret is None) == (auth in credential)
    assert signers[0] is None
    assert signers[1] is not None


@pytest.mark.parametrize(
    "target",
    [
        f"{ELSEWHERE}, auth: entra, auth_host: LLM.example.org",
        AZURE.replace("https://n.openai.azure.com", "http://127.0.0.1:9") + ", auth: entra",
        AZURE.replace("n.openai.azure.com", "n.services.ai.azure.com/openai/v1") + ", auth: entra",
        AZURE.replace("n.openai.azure.com", "N.cognitiveservices.azure.us") + ", auth: entra",
        BEDROCK.replace("bedrock-runtime.", "vpce-1a.bedrock-runtime.") + ", auth: aws",
    ],
)
def test_where_a_token_may_go(target: str, tmp_path: Path) -> None:
    assert policy(tmp_path, target).targets["t"].secret is None


def test_what_the_guide_shows_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "clouds.md").read_text(encoding="utf-8")
    shown = yaml.safe_load(guide.partition("```yaml\n")[2].partition("```")[0])["targets"]
    assert {target["auth"] for target in shown.values()} == {"aws", "entra"}
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "k")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    for target, variable in zip(shown.values(), ("AWS_BEARER_TOKEN_BEDROCK", "AZURE_OPENAI_API_KEY"), strict=True):
        del target["clearance"]
        for credential in ({}, {"auth": None, "key": f"env:{variable}"}):
            made = policy(tmp_path, json.dumps(target | credential)[1:-1])
            assert made.price(made.targets["t"], TODAY) is not None


def test_bedrocks_models_have_the_price_of_aws(tmp_path: Path) -> None:
    made = policy(tmp_path, f"{BEDROCK}, auth: aws")
    card = made.price(made.targets["t"], TODAY)
    assert card is not None
    assert (card.provider, made.targets["t"].provider) == ("aws", "aws")
    like = policy(tmp_path, f"{BEDROCK}, auth: aws, price: {{like: bedrock/amazon.nova-lite-v1:0}}")
    cheaper = like.price(like.targets["t"], TODAY)
    assert cheaper is not None
    assert msgspec.structs.astuple(cheaper.input) < msgspec.structs.astuple(card.input)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (BEDROCK, r"key is missing; key: env:AWS_BEARER_TOKEN_BEDROCK, or auth: aws"),
        (AZURE, r"key is missing; key: env:AZURE_OPENAI_API_KEY, or auth: entra"),
        (f"{BEDROCK}, auth: entra", "bedrock has no auth: entra; give it a key"),
        (f"{BEDROCK}, auth: gcp", "unknown auth 'gcp'; known: aws, entra"),
        (f"{BEDROCK}, auth: aws, key: env:FREEHOLD_TEST_KEY", "give either key: or auth:, not both"),
        (f"{BEDROCK.replace('https', 'http')}, auth: aws", "auth: aws sends a token to bedrock-runtime.eu-west-1.* use https"),
        (f"{AZURE.replace('https', 'http')}, auth: entra", "auth: entra sends a token to n.openai.azure.com, and by plain http"),
        (
            f"{ELSEWHERE}, auth: entra",
            "llm.example.org is no host of the vendor's; if it may have .*host: llm.example.org$",
        ),
        (f"{ELSEWHERE}, auth: entra, auth_host: llm2.example.org", "llm.example.org is no host of the vendor's"),
        (f"{NEARLY}, auth: entra", "n.westeurope.cloudapp.azure.com is no host of the vendor's"),
        (f"{AZURE}, key: env:FREEHOLD_TEST_KEY, auth_host: llm.example.org", "auth_host says where the token of auth: may go"),
        (f"{BEDROCK}, auth: aws, auth_host: llm.example.org", "auth_host is for auth: entra; what auth: aws sends is for"),
        (f"provider: openai, model: gpt-4o, auth: entra, {PRICE}", "openai has no auth: entra"),
        ('engine: sglang, url: "http://127.0.0.1:9", model: m, auth: aws', "sglang has no auth: aws"),
        (f'provider: bedrock, model: "amazon.nova-pro-v1:0", auth: aws, {PRICE}', "url is missing"),
    ],
)
def test_a_credential_that_cannot_be_is_refused_at_the_start(target: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=says):
        policy(tmp_path, target)


@pytest.mark.parametrize(
    ("target", "library", "extra"),
    [(f"{BEDROCK}, auth: aws", "botocore.auth", "bedrock"), (f"{AZURE}, auth: entra", "azure.identity", "azure")],
    ids=["bedrock", "azure"],
)
def test_a_missing_extra_is_named(target: str, library: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(BadSettings, match=rf"targets\.t\.auth: .* needs the extra: pip install 'freehold\[{extra}\]'"):
        policy(tmp_path, target)
    key = target.replace("auth: aws", "key: env:FREEHOLD_TEST_KEY").replace("auth: entra", "key: env:FREEHOLD_TEST_KEY")
    assert policy(tmp_path, key), "with a key the library is not needed"


def test_a_region_that_nothing_names_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    elsewhere = BEDROCK.replace("bedrock-runtime.eu-west-1.amazonaws.com", "gate.example.org")
    with pytest.raises(BadSettings, match=r"targets\.t\.auth: its url names no region"):
        policy(tmp_path, f"{elsewhere}, auth: aws")
