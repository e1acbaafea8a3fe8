"""The replies of Converse as they are written: one body, or the payload of each frame of a stream."""

from collections.abc import Mapping
from typing import Any

import msgspec

from freehold.core.said import StopReason

NULL = msgspec.Raw(b"null")

_STOPS: Mapping[str, StopReason] = {
    "end_turn": "end", "tool_use": "calls", "max_tokens": "length", "model_context_window_exceeded": "length",
    "stop_sequence": "stop_sequence", "guardrail_intervened": "refused", "content_filtered": "refused", "refusal": "refused",
}  # fmt: skip


class ReasoningText(msgspec.Struct):
    text: str = ""
    signature: str = ""


class Reasoning(msgspec.Struct):
    reasoningText: ReasoningText | None = None  # noqa: N815  the vendor's own names, as below
    redactedContent: str | None = None  # noqa: N815


class ToolUse(msgspec.Struct):
    toolUseId: str  # noqa: N815
    name: str
    input: msgspec.Raw = msgspec.Raw(b"{}")
    type: str | None = None


class Block(msgspec.Struct):
    """One of text, call or reasoning; what else there may be was not asked for."""

    text: str | None = None
    toolUse: ToolUse | None = None  # noqa: N815
    reasoningContent: Reasoning | None = None  # noqa: N815


class Message(msgspec.Struct):
    content: list[Block]


class Output(msgspec.Struct):
    message: Message


class OwnFields(msgspec.Struct):
    stop_sequence: str | None = None


class Tier(msgspec.Struct):
    type: str | None = None


class Answer(msgspec.Struct):
    """A whole answer."""

    output: Output
    stopReason: str  # noqa: N815
    usage: msgspec.Raw = NULL
    additionalModelResponseFields: Any = None  # noqa: N815
    serviceTier: Tier | None = None  # noqa: N815


class BlockStart(msgspec.Struct):
    toolUse: ToolUse | None = None  # noqa: N815


class Started(msgspec.Struct):
    start: BlockStart
    contentBlockIndex: int  # noqa: N815


class ReasoningDelta(msgspec.Struct):
    text: str | None = None
    signature: str | None = None
    redactedContent: str | None = None  # noqa: N815


class ToolUseDelta(msgspec.Struct):
    input: str


class Delta(msgspec.Struct):
    text: str | None = None
    toolUse: ToolUseDelta | None = None  # noqa: N815
    reasoningContent: ReasoningDelta | None = None  # noqa: N815


class Moved(msgspec.Struct):
    delta: Delta
    contentBlockIndex: int  # noqa: N815


class Stopped(msgspec.Struct):
    stopReason: str  # noqa: N815
    additionalModelResponseFields: Any = None  # noqa: N815


class Metadata(msgspec.Struct):
    usage: msgspec.Raw = NULL
    serviceTier: Tier | None = None  # noqa: N815


answers = msgspec.json.Decoder(Answer)
starts, deltas = msgspec.json.Decoder(Started), msgspec.json.Decoder(Moved)
stops, metadata = msgspec.json.Decoder(Stopped), msgspec.json.Decoder(Metadata)


def stop_of(reason: str) -> StopReason | None:
    """Ours; None for an end that left no answer (malformed_tool_use). One that is not known here is an end like any other."""
    return None if reason.startswith("malformed_") else _STOPS.get(reason, "end")


def sequence_of(fields: Any) -> str | None:
    """The stop sequence, where the model's own fields tell it."""
    said = fields.get("stop_sequence") if isinstance(fields, dict) else None
    return said if isinstance(said, str) else None


def tier_of(tier: Tier | None) -> str | None:
    """The service that the reply says it bills."""
    return None if tier is None else tier.type
