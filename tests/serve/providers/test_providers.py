"""The table of providers: every row speaks, keys travel in headers only, and a module is all that one takes."""

import importlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from freehold.core.conversation import Conversation, Text, Turn, Untranslatable
from freehold.core.data import DataClass
from freehold.core.request import Dialect
from freehold.core.target import Secret, Target
from freehold.serve import providers
from freehold.serve.engines import ENGINES
from freehold.serve.providers import PROVIDERS
from freehold.wire.openai_chat import ChatSurface

ASK = Conversation(turns=(Turn("user", (Text("hi"),)),), max_tokens=9, seed=3)
CHAT = ChatSurface().read(b'{"model":"w","messages":[{"role":"user","content":"hi"}],"stream":true}', {})
NAMED = (
    "openai anthropic google google_openai replicate mistral xai groq together deepseek openrouter fireworks qwen azure cohere"
    " bedrock"
)
KEYS = {"anthropic": "x-api-key", "google": "x-goog-api-key", "azure": "api-key"}
URLS = {
    "anthropic": "https://api.anthropic.com/v1/messages",
    "google": "https://generativelanguage.googleapis.com/v1beta/models/owner/m:generateContent",
    "replicate": "https://api.replicate.com/v1/models/owner/m/predictions",
    "bedrock": "https://house.test/model/owner%2Fm/converse",
    "azure": "https://house.test/openai/deployments/owner%2Fm/chat/completions?api-version=2024-10-21",
    "openrouter": "https://openrouter.ai/api/v1/chat/completions",
    "google_openai": "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
}


def target(name: str, url: str | None = None, model: str = "owner/m") -> Target:
    return Target(
        name="t", kind="rented", codec=name, url=url or PROVIDERS[name].url or "https://house.test", model=model,
        clearance=DataClass.public, secret=Secret("top-secret"),
    )  # fmt: skip


def plain(conversation: Conversation = ASK) -> Conversation:
    """Without what not every dialect has."""
    return Conversation(turns=conversation.turns, max_tokens=conversation.max_tokens)


def test_the_names() -> None:
    assert PROVIDERS.keys() == {*NAMED.split(), "openai_compatible", "lab"}
    assert not PROVIDERS.keys() & ENGINES.keys()
    own = {name for name, provider in PROVIDERS.items() if provider.url is None}
    assert own == {"azure", "bedrock", "openai_compatible", "lab"}
    assert all(provider.key_env for name, provider in PROVIDERS.items() if name not in {"openai_compatible", "lab"})
    assert (PROVIDERS["google_openai"].company, PROVIDERS["bedrock"].company) == ("google", "aws")
    assert {name: set(row.sign_ins) for name, row in PROVIDERS.items() if row.sign_ins} == {
        "azure": {"entra"},
        "bedrock": {"aws"},
    }


def test_adding_one_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from freehold.serve.providers.azure import PROVIDERS as OTHERS\nPROVIDERS = {'newcomer': OTHERS['azure']}\n"
    (tmp_path / "newcomer.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path)])
    try:
        assert providers.find_providers().keys() == {*PROVIDERS, "newcomer"}
        (tmp_path / "second.py").write_text(text, encoding="utf-8")
        importlib.invalidate_caches()
        with pytest.raises(AssertionError, match="two providers are named"):
            providers.find_providers()
    finally:
        for module in ("newcomer", "second"):
            sys.modules.pop(f"freehold.serve.providers.{module}", None)
            vars(providers).pop(module, None)


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_can_be_asked(name: str) -> None:
    codec = PROVIDERS[name].codec()
    assert codec.composer is not None
    calls = [codec.composer.compose(plain(), target(name), stream=False)]
    if "openai_chat" in codec.natives:
        calls.append(codec.natives["openai_chat"].encode(CHAT, target(name)))
    for call in calls:
        secret = "top-secret" if name in KEYS else "Bearer top-secret"
        assert call.headers[KEYS.get(name, "authorization")] == secret
        assert sum("top-secret" in value for value in call.headers.values()) == 1
        assert "top-secret" not in call.url + call.body.decode()
    assert calls[0].url == URLS.get(name, calls[0].url)
    assert calls[0].url.startswith((PROVIDERS[name].url or "https://house.test") + "/")
    assert codec.verdict(500, {}, b"").elsewhere


@pytest.mark.parametrize("name", PROVIDERS)
def test_only_bedrock_streams_otherwise_than_in_server_sent_events(name: str) -> None:
    assert (PROVIDERS[name].codec().splitter is not None) == (name == "bedrock")


@pytest.mark.parametrize("name", PROVIDERS)
def test_only_replicate_takes_further_calls(name: str) -> None:
    assert (PROVIDERS[name].codec().follow is not None) == (name == "replicate")


NATIVES: Mapping[str, set[Dialect]] = {
    "openai": {"openai_chat", "openai_completions", "openai_embeddings", "openai_responses"},
    "anthropic": {"anthropic_messages", "anthropic_count_tokens"},
    "google": set(),
    "replicate": set(),
    "bedrock": set(),
    "azure": {"openai_chat", "openai_completions", "openai_embeddings"},
    "lab": {"openai_chat"},
}


@pytest.mark.parametrize("name", NATIVES)
def test_what_they_take_as_it_comes(name: str) -> None:
    assert PROVIDERS[name].codec().natives.keys() >= NATIVES[name]
    assert bool(PROVIDERS[name].codec().natives) == bool(NATIVES[name])


def composed(name: str, conversation: Conversation = ASK, *, stream: bool = False) -> dict[str, Any]:
    composer = PROVIDERS[name].codec().composer
    assert composer is not None
    said: dict[str, Any] = json.loads(composer.compose(conversation, target(name), stream=stream).body)
    return said


def test_what_differs() -> None:
    assert composed("openai")["max_completion_tokens"] == 9
    assert composed("groq")["max_tokens"] == 9
    mistral = composed("mistral", stream=True)
    assert (mistral["random_seed"], "seed" in mistral, "stream_options" in mistral) == (3, False, False)
    assert composed("groq", stream=True)["stream_options"] == {"include_usage": True}
    with pytest.raises(Untranslatable, match="top_k"):
        composed("groq", Conversation(turns=ASK.turns, top_k=4))
    assert composed("together", Conversation(turns=ASK.turns, top_k=4))["top_k"] == 4


@pytest.mark.parametrize(
    ("url", "called"),
    [
        ("https://n.openai.azure.com", "/openai/deployments/gpt-4o-eu/chat/completions?api-version=2024-10-21"),
        ("https://n.openai.azure.com/", "/openai/deployments/gpt-4o-eu/chat/completions?api-version=2024-10-21"),
        ("https://n.openai.azure.com/openai", "/openai/deployments/gpt-4o-eu/chat/completions?api-version=2024-10-21"),
        ("https://n.openai.azure.com?api-version=2025-01-01-preview",
         "/openai/deployments/gpt-4o-eu/chat/completions?api-version=2025-01-01-preview"),
        ("https://n.openai.azure.com/openai/deployments/other",
         "/openai/deployments/other/chat/completions?api-version=2024-10-21"),
        ("https://n.openai.azure.com/openai/v1", "/openai/v1/chat/completions"),
    ],
)  # fmt: skip
def test_azure_addresses(url: str, called: str) -> None:
    codec = PROVIDERS["azure"].codec()
    assert codec.composer is not None
    place = target("azure", url, "gpt-4o-eu")
    for call in (codec.composer.compose(ASK, place, stream=True), codec.natives["openai_chat"].encode(CHAT, place)):
        assert call.url == "https://n.openai.azure.com" + called
        assert (call.headers["api-key"], json.loads(call.body)["model"]) == ("top-secret", "gpt-4o-eu")
        assert "authorization" not in call.headers


def test_an_azure_answer_is_read_as_openais() -> None:
    codec = PROVIDERS["azure"].codec()
    body = {
        "id": "c", "model": "gpt-4o", "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    }  # fmt: skip
    native, composer = codec.natives["openai_chat"], codec.composer
    assert composer is not None
    reply, whole = native.decode(json.dumps(body).encode()), composer.whole(json.dumps(body).encode())
    assert reply.usage == whole.usage
    assert whole.choices[0].parts == (Text("hi"),)
    assert native.takes(CHAT)
    assert native.deltas().delta(b"data: [DONE]\n\n").done
    assert len(composer.reader().read(b"data: [DONE]\n\n")) == 1
