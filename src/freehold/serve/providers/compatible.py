"""Hosted APIs that speak OpenAI's dialects, a row of data each: where, with which key, which dialects, and what differs.

Base URLs as each vendor documents its OpenAI-compatible endpoint, read 2026-11-21. A dialect or a difference that is not known of
a vendor is not in its row: the request then goes as chat completions, and the vendor says what it does not like.
"""

from collections.abc import Mapping
from functools import partial

from freehold.core.request import Dialect
from freehold.serve.codecs import openai_codec
from freehold.serve.providers.provider import Provider
from freehold.wire.openai_chat import OTHERS, Quirks

_MISTRAL = Quirks(
    renamed={"seed": "random_seed"},
    lacks=frozenset({"top_k", "logprobs", "top_logprobs", "user", "service_tier", "stream_options"}),
    most_stops=None,
)
_OPENROUTER = Quirks(lacks=frozenset(), cache_control=True)
_TAKES_TOP_K = Quirks(lacks=frozenset())


def _row(
    url: str | None, key_env: str | None, *also: Dialect, quirks: Quirks = OTHERS, company: str | None = None
) -> Provider:  # fmt: skip
    return Provider(url=url, key_env=key_env, speaks=partial(openai_codec, "provider", also, quirks=quirks), company=company)


PROVIDERS: Mapping[str, Provider] = {
    "mistral": _row("https://api.mistral.ai/v1", "MISTRAL_API_KEY", "openai_embeddings", quirks=_MISTRAL),
    "xai": _row("https://api.x.ai/v1", "XAI_API_KEY"),
    "groq": _row("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "together": _row(
        "https://api.together.xyz/v1", "TOGETHER_API_KEY", "openai_completions", "openai_embeddings", quirks=_TAKES_TOP_K
    ),
    "deepseek": _row("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "openrouter": _row(
        "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "openai_completions", "openai_embeddings", quirks=_OPENROUTER
    ),
    "fireworks": _row(
        "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", "openai_completions", "openai_embeddings",
        quirks=_TAKES_TOP_K,
    ),
    "google_openai": _row(
        "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY", "openai_embeddings", company="google"
    ),
    "qwen": _row("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY", "openai_embeddings"),
    "cohere": _row("https://api.cohere.ai/compatibility/v1", "CO_API_KEY", "openai_embeddings"),
    "openai_compatible": _row(None, None, "openai_completions", "openai_embeddings"),
    "lab": _row(None, None),
}  # fmt: skip
