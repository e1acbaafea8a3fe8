"""Whole answers of chat completions: read from a target, written for a caller."""

from typing import Any

import msgspec

from freehold.core.conversation import Call, Media, Refusal, Text, Thinking
from freehold.core.said import Choice, Said, Whole
from freehold.core.usage import UsageSource
from freehold.wire.openai_chat.error_names import error_name
from freehold.wire.openai_chat.fields import NULL
from freehold.wire.openai_chat.finish import call_id, finish_of, stop_of
from freehold.wire.openai_chat.quirks import Quirks
from freehold.wire.openai_chat.reasoning_details import detail_of
from freehold.wire.openai_chat.spoken import Spoken
from freehold.wire.openai_chat.usage import of_all_choices, read_usage, usage_body


class _Function(msgspec.Struct):
    name: str
    arguments: str = ""


class _Call(msgspec.Struct):
    function: _Function
    id: str | None = None


class _Message(Spoken):
    tool_calls: list[_Call] | None = None


class Logprobs(msgspec.Struct):
    content: msgspec.Raw = NULL


class _Choice(msgspec.Struct):
    message: _Message
    index: int = 0
    finish_reason: str | None = None
    stop_reason: str | int | None = None  # vLLM: the sequence that ended it
    logprobs: Logprobs | None = None


class _Completion(msgspec.Struct):
    id: str = ""
    model: str = ""
    created: int | None = None
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    object: str | None = None
    service_tier: str | None = None


_completions = msgspec.json.Decoder(_Completion)


def read_whole(body: bytes, source: UsageSource, quirks: Quirks) -> Whole:
    """Raises ValueError on a body that is no answer, though the status said 200."""
    seen = _completions.decode(body)
    if not seen.choices or bytes(seen.error) != b"null" or seen.object == "error":
        raise ValueError(f"200 with no completion in it ({error_name(body)})")
    usage, raw = read_usage(seen.usage, source)
    choices = sorted(seen.choices, key=lambda choice: choice.index)
    if usage is not None and quirks.counts_one_choice:
        usage = of_all_choices(usage, [_text_bytes(choice.message) for choice in choices])
    return Whole(
        id=seen.id, model=seen.model, choices=tuple(_read_choice(choice, seen.id) for choice in choices), usage=usage,
        raw_usage=raw, created=seen.created, service_tier=seen.service_tier,
    )  # fmt: skip


def _read_choice(choice: _Choice, answer_id: str) -> Choice:
    message, parts = choice.message, list[Said]()
    for kind, text in message.words():
        parts.append(Thinking(text) if kind == "thinking" else Refusal(text) if kind == "refusal" else Text(text))
    for index, call in enumerate(message.tool_calls or ()):
        known = call_id(call.id, answer_id, choice.index, index)
        parts.append(Call(known, call.function.name, call.function.arguments))
    sequence = choice.stop_reason if isinstance(choice.stop_reason, str) else None
    stop = None
    if choice.finish_reason is not None:
        calls, refused = bool(message.tool_calls), bool(message.refusal)
        stop = stop_of(choice.finish_reason, calls=calls, refused=refused, stop_sequence=sequence)
    logprobs = NULL if choice.logprobs is None else choice.logprobs.content
    return Choice(
        parts=tuple(parts), stop=stop, stop_sequence=sequence if stop == "stop_sequence" else None,
        logprobs=None if bytes(logprobs) in (b"null", b"[]") else logprobs,
    )  # fmt: skip


def _text_bytes(message: _Message) -> int:
    calls = [call.function.name + call.function.arguments for call in message.tool_calls or ()]
    return sum(len(text.encode()) for text in [*calls, *(text for _, text in message.words())])


def whole_body(whole: Whole) -> bytes:
    """The body its caller reads. Raises ValueError for a part that a chat completion cannot hold."""
    body: dict[str, Any] = {
        "id": whole.id, "object": "chat.completion", "created": whole.created or 0, "model": whole.model,
        "choices": [_choice_body(index, choice) for index, choice in enumerate(whole.choices)],
    }  # fmt: skip
    if whole.usage is not None:
        body["usage"] = usage_body(whole.usage)
    if whole.service_tier is not None:
        body["service_tier"] = tier_of(whole.service_tier)
    return msgspec.json.encode(body)


def tier_of(tier: str) -> str:
    """A tier in OpenAI's words, where it has one for it."""
    return "default" if tier == "standard" else tier


def call_body(call: Call) -> dict[str, Any]:
    """A tool call of a message; a signature goes where Google's own endpoint of this dialect has it."""
    body: dict[str, Any] = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
    return body | ({} if call.signature is None else {"extra_content": {"google": {"thought_signature": call.signature}}})


def _choice_body(index: int, choice: Choice) -> dict[str, Any]:
    if any(isinstance(part, Media) for part in choice.parts):
        raise ValueError("an answer with media in it cannot be said as a chat completion")
    words = "".join(part.text for part in choice.parts if isinstance(part, Text))
    refusal = "".join(part.text for part in choice.parts if isinstance(part, Refusal))
    thinking = [part for part in choice.parts if isinstance(part, Thinking)]
    calls = [call_body(part) for part in choice.parts if isinstance(part, Call)]
    message: dict[str, Any] = {
        "role": "assistant", "content": words if words or not (calls or refusal) else None, "refusal": refusal or None,
    }  # fmt: skip
    if thought := "".join(part.text for part in thinking):
        message["reasoning_content"] = thought
    if signed := [part for part in thinking if part.signature is not None]:
        message["reasoning_details"] = [detail_of(part, at) for at, part in enumerate(signed)]
    if calls:
        message["tool_calls"] = calls
    return {
        "index": index, "message": message, "finish_reason": finish_of(choice.stop, refused=bool(refusal)),
        "logprobs": None if choice.logprobs is None else {"content": choice.logprobs, "refusal": None},
    }  # fmt: skip
