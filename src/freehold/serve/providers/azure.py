"""Azure OpenAI: OpenAI's dialects at an address of the customer's, with the key in a header of its own.

`url` is the resource (`https://NAME.openai.azure.com`), `model` the deployment there: the path names the deployment and the query
the API's version, which the URL may state (`?api-version=...`). A URL that ends in `/openai/v1` is Microsoft's newer API, which
takes the deployment as the model and needs no version. Keys only: there is no sign-in with Microsoft Entra here.
"""

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from freehold.core.conversation import Conversation
from freehold.core.ports import Codec, Composer, HttpCall, StepReader
from freehold.core.said import Whole
from freehold.core.target import Target
from freehold.serve.codecs import Adapted, openai_codec
from freehold.serve.providers.provider import Provider
from freehold.wire.openai_chat import OPENAI

VERSION = "2024-10-21"  # the dated one that is generally available, as of 2026-11-21
_KEY_HEADER = msgspec.structs.replace(OPENAI, key_header="api-key")


def deployment(target: Target) -> Target:
    """The same target with the URL of its deployment."""
    root, mark, query = target.url.partition("?")
    root = root.rstrip("/")
    if root.endswith("/v1"):
        return target
    if "/openai/deployments/" not in root:
        root = f"{root.removesuffix('/openai')}/openai/deployments/{quote(target.model, safe='')}"
    return msgspec.structs.replace(target, url=f"{root}?{query if mark else f'api-version={VERSION}'}")


class _DeployedComposer:
    """A composer that asks a deployment."""

    def __init__(self, composer: Composer) -> None:
        self._composer = composer
        self.dialect, self.carries = composer.dialect, composer.carries

    def compose(self, conversation: Conversation, target: Target, *, stream: bool) -> HttpCall:
        return self._composer.compose(conversation, deployment(target), stream=stream)

    def whole(self, body: bytes) -> Whole:
        return self._composer.whole(body)

    def reader(self) -> StepReader:
        return self._composer.reader()


def _codec() -> Codec:
    plain = openai_codec("provider", ("openai_completions", "openai_embeddings"), quirks=_KEY_HEADER)
    assert plain.composer is not None
    return Codec(
        natives={dialect: Adapted(native, deployment) for dialect, native in plain.natives.items()},
        composer=_DeployedComposer(plain.composer),
        verdict=plain.verdict,
    )


PROVIDERS: Mapping[str, Provider] = {"azure": Provider(url=None, key_env="AZURE_OPENAI_API_KEY", speaks=_codec, queries=True)}
