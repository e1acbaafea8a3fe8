"""What chat and legacy completions have in common beside the prompt: sampling, stops, users, and fields nobody else has."""

from collections.abc import Set
from typing import Any, TypeAlias

import msgspec

from freehold.core.errors import BadRequest
from freehold.core.request import Request
from freehold.wire.openai_chat.fields import NULL, field

Fields: TypeAlias = dict[str, msgspec.Raw]

_number, _whole = msgspec.json.Decoder(float | None), msgspec.json.Decoder(int | None)
_text, _stops = msgspec.json.Decoder(str | None), msgspec.json.Decoder(str | list[str] | None)
_metadata = msgspec.json.Decoder(dict[str, str] | None)
_NUMBERS = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
_WHOLES = ("top_k", "seed")
_TYPED = frozenset(
    "model stream stream_options provider n max_tokens max_completion_tokens temperature top_p top_k seed frequency_penalty"
    " presence_penalty stop service_tier".split()
)
# They name a caller or a cache, and change no answer.
_HINTS = frozenset("user metadata safety_identifier prompt_cache_key prompt_cache_retention prompt_cache_options".split())


def sampling(request: Request) -> dict[str, Any]:
    """The arguments of a Conversation that every OpenAI dialect gives alike. Raises BadRequest."""
    fields, limit = request.fields, request.max_output_tokens
    if limit is not None and limit < 1:
        name = (
            "max_completion_tokens" if field(fields, "max_completion_tokens", _whole, "a whole number") == limit else "max_tokens"
        )
        raise BadRequest(f"{name} is {limit}; use a whole number above 0", param=name)
    said: dict[str, Any] = {name: field(fields, name, _number, "a number") for name in _NUMBERS}
    said |= {name: field(fields, name, _whole, "a whole number") for name in _WHOLES}
    stop = field(fields, "stop", _stops, "a text or a list of texts")
    said["stop"] = (stop,) if isinstance(stop, str) else tuple(stop or ())
    said["service_tier"] = field(fields, "service_tier", _text, "a text")
    said["user"] = field(fields, "user", _text, "a text")
    said["metadata"] = field(fields, "metadata", _metadata, "an object of texts") or {}
    return said | {"max_tokens": limit, "choices": request.choices}


def leftovers(fields: Fields, typed: Set[str]) -> tuple[Fields, set[str]]:
    """(others, hints): the fields that are neither `typed` nor read by `sampling`, as a Conversation tells them apart."""
    others: Fields = {}
    hints: set[str] = set()
    for name in fields.keys() - _TYPED - typed:
        raw = bytes(fields[name])
        if raw in (b"null", b"[]") or (name == "logit_bias" and raw == b"{}"):
            continue
        if name in _HINTS or (name == "store" and raw == b"false"):
            hints.add(name)
        else:
            others[name] = fields[name]
    return others, hints


def is_given(fields: Fields, name: str) -> bool:
    """Whether the caller said anything there."""
    return bytes(fields.get(name, NULL)) not in (b"null", b"[]")
