"""One outbound call of the dialect: where it goes, and by which header the target knows us."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from freehold.core.ports import HttpCall
from freehold.core.target import Target
from freehold.wire.openai_chat import api_root

KeyHeader: TypeAlias = Literal["x-api-key", "authorization"]
VERSION = "2023-06-01"


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """How one call is made: the header with the key, whether a stream is wanted, the dialect's headers that the caller sent."""

    key_header: KeyHeader
    stream: bool = False
    headers: Mapping[str, str] = {}


def call(target: Target, path: str, body: Mapping[str, Any], spoken: Spoken) -> HttpCall:
    """POST this body to that path of the API."""
    headers = {"anthropic-version": VERSION} | dict(spoken.headers)
    headers |= {"content-type": "application/json", "accept-encoding": "identity"}
    headers["accept"] = "text/event-stream" if spoken.stream else "application/json"
    if target.secret is not None:
        secret = target.secret.reveal()
        headers[spoken.key_header] = secret if spoken.key_header == "x-api-key" else f"Bearer {secret}"
    return HttpCall(f"{api_root(target.url)}/{path}", headers, msgspec.json.encode(body))


def model_name(target: Target) -> str:
    """As the target knows its model: an owned engine without the revision."""
    return target.model if target.rented else target.model.partition("@")[0]
