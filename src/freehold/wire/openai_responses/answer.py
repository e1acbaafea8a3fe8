"""Answers that came in another dialect as `response` objects: every part is an output item of its own."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from freehold.core.conversation import Call, Refusal, Text, Thinking
from freehold.core.request import Request
from freehold.core.said import Choice, Opened, PartKind, Said, StopReason, Used, Whole
from freehold.wire.openai_chat.answer import tier_of
from freehold.wire.openai_responses.signatures import item_id, marked
from freehold.wire.openai_responses.usage import usage_body

# What a response repeats of its request, and what it says where the caller said nothing. The instructions are not repeated:
# they are the longest of it, and the caller's own words.
_REPEATED: Mapping[str, Any] = {
    "background": False, "max_output_tokens": None, "max_tool_calls": None, "metadata": {}, "parallel_tool_calls": True,
    "previous_response_id": None, "prompt_cache_key": None, "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None, "store": False, "temperature": None, "text": {"format": {"type": "text"}}, "tool_choice": "auto",
    "tools": [], "top_logprobs": 0, "top_p": None, "truncation": "disabled", "user": None,
}  # fmt: skip
_PREFIXES: Mapping[PartKind, str] = {"text": "msg", "refusal": "msg", "thinking": "rs", "call": "fc"}
# Not all of it was said: `paused` has no word of its own here.
_CUT: Mapping[StopReason, str] = {
    "length": "max_output_tokens", "paused": "max_output_tokens", "refused": "content_filter",
}  # fmt: skip


class Ending(msgspec.Struct, frozen=True):
    """How a response ended: `status`, and why it is incomplete where it is; `code` where it failed."""

    status: str
    reason: str | None = None
    code: str | None = None


UNDER_WAY = Ending("in_progress")


def ending_of(stop: StopReason | None, *, refused: bool) -> Ending:
    """A refusal in words is an answer like any other; one without is a filter's."""
    if stop is None or stop not in _CUT or (stop == "refused" and refused):
        return Ending("completed")
    return Ending("incomplete", _CUT[stop])


def repeated_of(request: Request) -> dict[str, Any]:
    """The settings of a response: the caller's own as raw JSON."""
    fields = request.fields
    return {
        name: fields[name] if name in fields and bytes(fields[name]) != b"null" else usual for name, usual in _REPEATED.items()
    }


def response_of(
    opened: Opened, repeated: Mapping[str, Any], ending: Ending, output: Sequence[dict[str, Any]], used: Used
) -> dict[str, Any]:
    """A `response` object, whole or as an event holds it."""
    failure = {"code": "server_error", "message": f"the model's server broke off ({ending.code})"}
    response: dict[str, Any] = {
        "id": opened.id, "object": "response", "created_at": opened.created or 0, "status": ending.status,
        "error": failure if ending.status == "failed" else None,
        "incomplete_details": None if ending.reason is None else {"reason": ending.reason}, "instructions": None,
        "model": opened.model, "output": output, **repeated, "usage": None if used.usage is None else usage_body(used.usage),
    }  # fmt: skip
    return response | ({} if used.service_tier is None else {"service_tier": tier_of(used.service_tier)})


def whole_body(whole: Whole, request: Request) -> bytes:
    """The body its caller reads. Raises ValueError on media, which no item of an answer holds."""
    choice = whole.choices[0] if whole.choices else Choice(parts=(), stop=None)
    ending = ending_of(choice.stop, refused=any(isinstance(part, Refusal) for part in choice.parts))
    logprobs = choice.logprobs
    output: list[dict[str, Any]] = []
    for at, part in enumerate(choice.parts):
        last = at == len(choice.parts) - 1
        said = item_of(part, id_of(part_kind(part), whole.id, at), ending.status if last else "completed", logprobs)
        logprobs = None if isinstance(part, Text) else logprobs
        output.append(said)
    opened = Opened(id=whole.id, model=whole.model, created=whole.created)
    used = Used(whole.usage, service_tier=whole.service_tier)
    return msgspec.json.encode(response_of(opened, repeated_of(request), ending, output, used))


def part_kind(part: Said) -> PartKind:
    """Raises ValueError on media."""
    match part:
        case Text():
            return "text"
        case Refusal():
            return "refusal"
        case Thinking():
            return "thinking"
        case Call():
            return "call"
        case _:
            raise ValueError("an answer with media in it cannot be said as a response")


def id_of(kind: PartKind, answer_id: str, index: int) -> str:
    """The id of the item that stands for a part."""
    return item_id(_PREFIXES[kind], answer_id, index)


def item_of(part: Said, some_id: str, status: str, logprobs: msgspec.Raw | None = None) -> dict[str, Any]:
    """An output item. Only text has a place for `logprobs`, and a call has none for a signature."""
    match part:
        case Text() | Refusal():
            content = [content_of(part_kind(part), part.text, logprobs)]
            return {"id": some_id, "type": "message", "status": status, "role": "assistant", "content": content}
        case Thinking():
            summary = [{"type": "summary_text", "text": part.text}] if part.text else []
            sealed = marked(part.signature, part.maker)
            return {"id": some_id, "type": "reasoning", "status": status, "summary": summary, "encrypted_content": sealed}
        case Call():
            return {
                "id": some_id, "type": "function_call", "status": status, "arguments": part.arguments, "call_id": part.id,
                "name": part.name,
            }  # fmt: skip
        case _:
            raise ValueError("an answer with media in it cannot be said as a response")


def content_of(kind: PartKind, text: str, logprobs: msgspec.Raw | None = None) -> dict[str, Any]:
    """The content part of a message."""
    if kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "annotations": [], "logprobs": [] if logprobs is None else logprobs, "text": text}
