"""A prediction as Replicate's API writes it."""

from typing import Any, Literal, TypeAlias

import msgspec

State: TypeAlias = Literal["starting", "processing", "succeeded", "failed", "canceled", "aborted"]
NULL = msgspec.Raw(b"null")


class Urls(msgspec.Struct):
    get: str | None = None
    stream: str | None = None


class Prediction(msgspec.Struct):
    """`output` is a text or a list of them, None until there is one; `error` is a text."""

    id: str
    status: State
    model: str | None = None
    version: str | None = None
    output: Any = None
    urls: Urls = msgspec.field(default_factory=Urls)
    metrics: msgspec.Raw = NULL
    error: Any = None


predictions = msgspec.json.Decoder(Prediction)
