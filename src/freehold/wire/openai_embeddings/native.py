"""Embeddings for a target that takes them as they come: untouched, only counted."""

from collections.abc import Mapping

import msgspec

from freehold.core.ports import Delta, HttpCall, Reply
from freehold.core.request import Request
from freehold.core.target import Target
from freehold.core.usage import UsageSource
from freehold.wire.openai_chat.calls import model_of, post
from freehold.wire.openai_chat.error_names import error_name
from freehold.wire.openai_chat.fields import NULL
from freehold.wire.openai_chat.quirks import OTHERS, Quirks
from freehold.wire.openai_chat.usage import read_usage
from freehold.wire.stateless import Stateless


class _Embeddings(msgspec.Struct):
    data: list[msgspec.Raw] | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    object: str | None = None


_embeddings = msgspec.json.Decoder(_Embeddings)


class OpenAiEmbeddings(Stateless):
    """The Native port. `usage_source` says whose count its usage is."""

    def __init__(
        self, usage_source: UsageSource = "provider", headers: Mapping[str, str] | None = None, quirks: Quirks = OTHERS
    ) -> None:
        self._source: UsageSource = usage_source
        self._headers = dict(headers or {})
        self._quirks = quirks

    def encode(self, request: Request, target: Target) -> HttpCall:
        """The same request with the target's model name, our hints taken out."""
        fields = {name: raw for name, raw in request.fields.items() if name not in {"provider", "stream"}}
        fields["model"] = msgspec.Raw(msgspec.json.encode(model_of(target)))
        return post(target, "embeddings", fields, self._headers, self._quirks)

    def decode(self, body: bytes) -> Reply:
        """A whole answer; ValueError on an error body or anything else that is not one. Vectors are no tokens: output is 0."""
        seen = _embeddings.decode(body)
        if seen.data is None or bytes(seen.error) != b"null" or seen.object == "error":
            raise ValueError(f"200 with no embeddings in it ({error_name(body)})")
        usage, raw = read_usage(seen.usage, self._source)
        if usage is not None:
            usage = msgspec.structs.replace(usage, output_tokens=0, reasoning=None)
        return Reply(usage, raw, 0)

    def delta(self, event: bytes) -> Delta:
        """Embeddings never stream, so any event is malformed: ValueError."""
        raise ValueError("an event where embeddings should be")
