"""Google's Gemini API in its own dialect; `google_openai` is its OpenAI-compatible endpoint."""

from collections.abc import Mapping

from freehold.core.ports import Codec
from freehold.serve.providers.provider import Provider
from freehold.wire.google_gemini import GeminiComposer, verdict


def _codec() -> Codec:
    return Codec(natives={}, composer=GeminiComposer(), verdict=verdict)


PROVIDERS: Mapping[str, Provider] = {
    "google": Provider(url="https://generativelanguage.googleapis.com/v1beta", key_env="GEMINI_API_KEY", speaks=_codec)
}
