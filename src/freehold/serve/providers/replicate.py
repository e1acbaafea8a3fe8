"""Replicate: text models, by prediction."""

from collections.abc import Mapping

from freehold.core.ports import Codec
from freehold.serve.providers.provider import Provider
from freehold.wire.replicate import ReplicateComposer, follow, verdict


def _codec() -> Codec:
    return Codec(natives={}, composer=ReplicateComposer(), verdict=verdict, follow=follow)


PROVIDERS: Mapping[str, Provider] = {
    "replicate": Provider(url="https://api.replicate.com/v1", key_env="REPLICATE_API_TOKEN", speaks=_codec)
}
