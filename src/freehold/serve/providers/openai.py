"""OpenAI itself."""

from collections.abc import Mapping
from functools import partial

from freehold.serve.codecs import openai_codec
from freehold.serve.providers.provider import Provider
from freehold.wire.openai_chat import OPENAI
from freehold.wire.openai_responses import Responses

PROVIDERS: Mapping[str, Provider] = {
    "openai": Provider(
        url="https://api.openai.com/v1",
        key_env="OPENAI_API_KEY",
        speaks=partial(
            openai_codec,
            "provider",
            ("openai_completions", "openai_embeddings"),
            quirks=OPENAI,
            others={"openai_responses": Responses("provider", quirks=OPENAI, signed=True)},
        ),
    )
}
