"""Anthropic: Messages and the counting of tokens as they come, all else as Messages."""

from collections.abc import Mapping

from freehold.core.ports import Codec
from freehold.serve.providers.provider import Provider
from freehold.wire.anthropic_messages import CountTokens, Messages, MessagesComposer, verdict


def _codec() -> Codec:
    return Codec(
        natives={
            "anthropic_messages": Messages("provider", "x-api-key", signed=True),
            "anthropic_count_tokens": CountTokens("x-api-key", signed=True),
        },
        composer=MessagesComposer(),
        verdict=verdict,
    )


PROVIDERS: Mapping[str, Provider] = {
    "anthropic": Provider(url="https://api.anthropic.com/v1", key_env="ANTHROPIC_API_KEY", speaks=_codec)
}
