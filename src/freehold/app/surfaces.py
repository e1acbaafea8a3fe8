"""Which inbound dialect a saved request is in: as its owner says, by name or path, or as its shape tells.

The shape is that of the fields that only one dialect knows, after the tables by which egress is judged.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from freehold.core.errors import BadSettings
from freehold.core.ports import Surface
from freehold.wire.dialects import PATHS
from freehold.wire.egress import CHAT, MESSAGES, RESPONSES, Table

_BY_NAME: Mapping[str, str] = {
    "chat": "/v1/chat/completions", "completions": "/v1/completions", "responses": "/v1/responses",
    "embeddings": "/v1/embeddings", "messages": "/v1/messages", "count_tokens": "/v1/messages/count_tokens",
}  # fmt: skip
_EMBEDDINGS = frozenset({"encoding_format", "dimensions"})
_CHAT_ROLES = frozenset("system developer tool function".split())
_CHAT_PARTS = frozenset("image_url input_audio file refusal".split())
_MESSAGES_PARTS = frozenset({*MESSAGES.parts, "image"} - CHAT.parts.keys())


def surface_named(name: str) -> Surface:
    """By its name, such as messages, or its path, such as /v1/messages. Raises BadSettings naming those there are."""
    surface = PATHS.get(_BY_NAME.get(name, name))
    if surface is None:
        raise BadSettings(f"--surface is {name!r}; use one of {', '.join(_BY_NAME)}, or the path that it was sent to")
    return surface


def surface_of(body: bytes, headers: Mapping[str, str]) -> Surface:
    """As the body's shape tells. What is no object is taken for a chat request, which says what is wrong with it.
    Raises BadSettings where it may be of several dialects."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return surface_named("chat")
    fitting = _fitting(fields, any(name.startswith("anthropic-") for name in headers))
    if len(fitting) > 1:
        ways = " or ".join(f"--surface {name}" for name in fitting)
        raise BadSettings(f"the body may be a request to {' or to '.join(_BY_NAME[name] for name in fitting)}; say {ways}")
    return surface_named(fitting[0])


def _fitting(fields: Mapping[str, Any], anthropic: bool) -> list[str]:
    """The names of all that it may be."""
    if "messages" in fields:
        to_messages = anthropic or bool(fields.keys() & (_known(MESSAGES) - _known(CHAT))) or _holds(fields, _is_of_messages)
        to_chat = bool(fields.keys() & (_known(CHAT) - _known(MESSAGES))) or _holds(fields, _is_of_chat)
        of_messages = "messages" if "max_tokens" in fields else "count_tokens"
        if to_messages != to_chat:
            return [of_messages] if to_messages else ["chat"]
        return ["chat", of_messages] if to_messages else ["chat"]  # without a sign of either it is what most requests are
    if "prompt" in fields and not isinstance(fields["prompt"], dict):  # an object names a prompt that is kept: of Responses
        return ["completions"]
    if "input" not in fields:
        return ["responses"] if fields.keys() & (_known(RESPONSES) - _known(CHAT)) else list(_BY_NAME)
    given = fields["input"]
    to_embeddings = bool(fields.keys() & _EMBEDDINGS) or (isinstance(given, list) and not _objects(given))
    to_responses = bool(fields.keys() & (_known(RESPONSES) - {"model", "input", "user"})) or bool(_objects(given))
    return ["responses", "embeddings"] if to_responses == to_embeddings else ["responses" if to_responses else "embeddings"]


def _known(table: Table) -> frozenset[str]:
    return table.fields | table.chains | table.tools | table.elsewhere


def _holds(fields: Mapping[str, Any], sign: Any) -> bool:
    """Whether a tool, the choice of one, a message or a part of one has that sign."""
    messages = _objects(fields["messages"])
    parts = [part for message in messages for part in _objects(message.get("content"))]
    things = [("tool", one) for one in _objects(fields.get("tools"))]
    things += [("choice", one) for one in _objects([fields.get("tool_choice")])]
    things += [("message", one) for one in messages] + [("part", one) for one in parts]
    return any(sign(what, thing) for what, thing in things)


def _is_of_messages(what: str, thing: Mapping[str, Any]) -> bool:
    match what:
        case "tool":
            return "input_schema" in thing
        case "choice":
            return thing.get("type") in ("auto", "any", "tool", "none")
        case "part":
            return thing.get("type") in _MESSAGES_PARTS
    return False


def _is_of_chat(what: str, thing: Mapping[str, Any]) -> bool:
    match what:
        case "tool" | "choice":
            return "function" in thing
        case "message":
            return thing.get("role") in _CHAT_ROLES or "tool_calls" in thing
        case "part":
            return thing.get("type") in _CHAT_PARTS
    return False


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
