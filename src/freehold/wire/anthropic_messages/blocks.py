"""The content blocks of a Messages request, as they are written in its body."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Cache(msgspec.Struct):
    type: str
    ttl: str | None = None


class TextBlock(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    text: str
    cache_control: Cache | None = None
    citations: Any = None


class Source(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: Any = None


class ImageBlock(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    source: Source
    cache_control: Cache | None = None
    transformations: Any = None


class DocumentBlock(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    source: Source
    title: str | None = None
    context: str | None = None
    citations: Any = None
    cache_control: Cache | None = None


class ThinkingBlock(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    thinking: str
    signature: str | None = None


class RedactedBlock(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    data: str


class ToolUseBlock(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    id: str
    name: str
    input: msgspec.Raw
    cache_control: Cache | None = None
    caller: Any = None
    toolset_name: str | None = None


class ToolResultBlock(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    tool_use_id: str
    content: msgspec.Raw = msgspec.Raw(b"null")
    is_error: bool | None = None
    cache_control: Cache | None = None
    toolset_name: str | None = None


class Tagged(msgspec.Struct):
    """Of any block, what kind it is."""

    type: str


BLOCKS: Mapping[str, msgspec.json.Decoder[Any]] = {
    "text": msgspec.json.Decoder(TextBlock),
    "image": msgspec.json.Decoder(ImageBlock),
    "document": msgspec.json.Decoder(DocumentBlock),
    "thinking": msgspec.json.Decoder(ThinkingBlock),
    "redacted_thinking": msgspec.json.Decoder(RedactedBlock),
    "tool_use": msgspec.json.Decoder(ToolUseBlock),
    "tool_result": msgspec.json.Decoder(ToolResultBlock),
}
