"""Signed thinking in chat completions, which have no place of their own for signatures: `reasoning_details`.

OpenRouter's field, in the three types of its SDK (@openrouter/ai-sdk-provider, read 2026-11-21). A caller that sends an answer's
details back as they came keeps the signatures valid.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from freehold.core.conversation import Thinking

_FORMATS: Mapping[str, str] = {
    "anthropic_messages": "anthropic-claude-v1",
    "openai_responses": "openai-responses-v1",
    "google_gemini": "google-gemini-v1",
}
_MAKERS = {name: maker for maker, name in _FORMATS.items()}


class Detail(msgspec.Struct):
    """One of a message's details, in any of its three types; `id` and `index` say where it stood in an answer."""

    type: str
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    format: str | None = None
    id: str | None = None
    index: int | None = None


def detail_of(thinking: Thinking, index: int) -> dict[str, Any]:
    """Signed or redacted thinking as a detail."""
    shape: dict[str, Any] = {"format": _FORMATS.get(thinking.maker or "", thinking.maker or "unknown"), "index": index}
    if thinking.redacted:
        return {"type": "reasoning.encrypted", "data": thinking.signature or "", **shape}
    return {"type": "reasoning.text", "text": thinking.text, "signature": thinking.signature, **shape}


def thinking_of(detail: Detail) -> Thinking:
    """The thinking a detail stands for. Raises ValueError on a type that is none of the three."""
    maker = _MAKERS.get(detail.format or "", None if detail.format in (None, "unknown") else detail.format)
    match detail.type:
        case "reasoning.encrypted":
            return Thinking("", detail.data, redacted=True, maker=maker)
        case "reasoning.text":
            return Thinking(detail.text or "", detail.signature, maker=maker)
        case "reasoning.summary":
            return Thinking(detail.summary or "", maker=maker)
    raise ValueError("its type is not reasoning.text, reasoning.summary or reasoning.encrypted")
