"""The HTTP call that carries a body to a server of OpenAI's dialects."""

from collections.abc import Mapping
from typing import Any

import msgspec

from freehold.core.ports import HttpCall
from freehold.core.request import Request
from freehold.core.target import Target
from freehold.wire.openai_chat.quirks import Quirks

_STREAMS = (True, msgspec.Raw(b"true"))
_options = msgspec.json.Decoder(dict[str, Any] | None)


def post(target: Target, path: str, body: Mapping[str, object], headers: Mapping[str, str], quirks: Quirks) -> HttpCall:
    """`body` to that path under the API's root, with the target's key; its `stream` says which kind of answer is wanted."""
    sent = dict(headers) | {"content-type": "application/json", "accept-encoding": "identity"}
    sent["accept"] = "text/event-stream" if body.get("stream") in _STREAMS else "application/json"
    if target.secret is not None:
        key = target.secret.reveal()
        sent |= {quirks.key_header: key} if quirks.key_header else {"authorization": f"Bearer {key}"}
    bare, mark, query = target.url.partition("?")  # some vendors want the API's version in the query
    return HttpCall(f"{api_root(bare)}/{path}{mark}{query}", sent, msgspec.json.encode(body))


def model_of(target: Target) -> str:
    """What the server calls the model: an engine serves a pinned revision under the name alone."""
    return target.model if target.rented else target.model.partition("@")[0]


def as_it_came(request: Request, target: Target, quirks: Quirks) -> dict[str, msgspec.Raw]:
    """The request's own fields with the target's model name, usage asked for where there is a way to, our hints taken out."""
    fields = {name: raw for name, raw in request.fields.items() if name != "provider"}
    fields["model"] = msgspec.Raw(msgspec.json.encode(model_of(target)))
    if "stream_options" in quirks.lacks:
        fields.pop("stream_options", None)
    elif request.stream:
        fields["stream_options"] = with_usage(fields)
    return fields


def with_usage(fields: Mapping[str, msgspec.Raw]) -> msgspec.Raw:
    """The caller's `stream_options` with usage asked for."""
    options = _options.decode(fields.get("stream_options", b"null")) or {}
    return msgspec.Raw(msgspec.json.encode(options | {"include_usage": True}))


def api_root(url: str) -> str:
    """Where the API's paths start: the URL as given, or `/v1` on a bare origin."""
    bare = url.rstrip("/")
    return bare if bare.count("/") > 2 else f"{bare}/v1"
