"""Hosted APIs. One that speaks OpenAI's dialect is a row of data: its base URL, and the variable its key is usually in."""

from collections.abc import Mapping

import msgspec

from freehold.core.ports import Codec
from freehold.wire.openai_chat import OpenAiChat


class Provider(msgspec.Struct, frozen=True):
    """`url`: API root; None where every customer has their own. `key_env`: the environment variable its SDK reads."""

    url: str | None
    key_env: str | None = None

    def codec(self) -> Codec:
        """What speaks to it."""
        chat = OpenAiChat(usage_source="provider")
        return Codec(natives={"openai_chat": chat}, composer=None, verdict=chat.verdict)


# Base URLs as each vendor documents its OpenAI-compatible endpoint, read 2026-11-21.
PROVIDERS: Mapping[str, Provider] = {
    "openai": Provider("https://api.openai.com/v1", "OPENAI_API_KEY"),
    "mistral": Provider("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "xai": Provider("https://api.x.ai/v1", "XAI_API_KEY"),
    "groq": Provider("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "together": Provider("https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "deepseek": Provider("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "openrouter": Provider("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "fireworks": Provider("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "google": Provider("https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"),
    "qwen": Provider("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"),
    "openai_compatible": Provider(None),
    "lab": Provider(None),
}
