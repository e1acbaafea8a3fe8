"""How a request is said in each inbound dialect: how it begins, the places where text can stand, what leads data elsewhere.

In each of them the text to be answered is the last one, behind a mark by which the targets here know whose request they see.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from freehold.core.request import Dialect

Body: TypeAlias = dict[str, Any]

UNMARKED = "mark?mark "  # the rig puts the mark of the request there


class Extra(NamedTuple):
    """Something that leads data elsewhere: the kinds of egress it is; as fields, as one more message or item, as headers."""

    kinds: frozenset[str]
    fields: Mapping[str, Any] = {}
    item: Mapping[str, Any] = {}
    headers: Mapping[str, str] = {}


class Spoken(NamedTuple):
    """One dialect. `begin` makes a body of the last text, `put` a phrase into one of its `places`; `items`: its list of turns."""

    begin: Callable[[str], Body]
    put: Callable[[Body, str, str], None]
    places: tuple[str, ...]
    extras: tuple[Extra, ...]
    items: str = ""
    streams: bool = True
    words: bool = True  # its answer says words, and so can say them back


def _extra(
    kinds: str, fields: Body | None = None, *, item: Body | None = None, headers: Mapping[str, str] | None = None
) -> Extra:
    return Extra(frozenset(kinds.split()), fields or {}, item or {}, headers or {})


def _put_chat(body: Body, place: str, phrase: str) -> None:
    messages: list[Body] = body["messages"]
    match place:
        case "system":
            messages.insert(0, {"role": "system", "content": f"Be kind. {phrase}"})
        case "tool_result" | "arguments":
            said, back = ("q", phrase) if place == "tool_result" else (phrase, "ok")
            known = f"call_{len(messages)}"
            call = {"id": known, "type": "function", "function": {"name": "f", "arguments": json.dumps({"q": [said]})}}
            result = {"role": "tool", "tool_call_id": known, "content": json.dumps({"ok": {"text": back}})}
            messages[0:0] = [{"role": "assistant", "content": None, "tool_calls": [call]}, result]
        case "part":
            messages.insert(0, {"role": "user", "content": [{"type": "text", "text": "Look:"}, {"type": "text", "text": phrase}]})
        case "reasoning":
            messages.insert(0, {"role": "assistant", "content": "ok", "reasoning_content": phrase})
        case "prediction":
            body["prediction"] = {"type": "content", "content": phrase}
        case "schema":
            function = {"name": "f", "description": phrase, "parameters": _schema(phrase)}
            body["tools"] = [*body.get("tools", []), {"type": "function", "function": function}]
        case _:
            _put_field(body, place, phrase)


def _put_messages(body: Body, place: str, phrase: str) -> None:
    messages: list[Body] = body["messages"]
    text = {"type": "text", "text": "ok"}
    document: Body = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "It rains."}}
    match place:
        case "system":
            body["system"] = f"Be kind. {phrase}"
        case "system_part":
            body["system"] = [{"type": "text", "text": "Be kind."}, {"type": "text", "text": phrase}]
        case "tool_result" | "arguments":
            said, back = ("q", phrase) if place == "tool_result" else (phrase, "ok")
            known = f"toolu_{len(messages)}"
            call = {"type": "tool_use", "id": known, "name": "f", "input": {"q": [said]}}
            result = {"type": "tool_result", "tool_use_id": known, "content": [{"type": "text", "text": back}]}
            messages[0:0] = [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
        case "part":
            messages.insert(0, {"role": "user", "content": [{"type": "text", "text": "Look:"}, {"type": "text", "text": phrase}]})
        case "document":
            source = {"type": "text", "media_type": "text/plain", "data": phrase}
            messages.insert(0, {"role": "user", "content": [document | {"source": source}]})
        case "title" | "context":
            messages.insert(0, {"role": "user", "content": [document | {place: phrase}]})
        case "thinking":
            thought = {"type": "thinking", "thinking": phrase, "signature": "c2lnbmVk"}
            messages.insert(0, {"role": "assistant", "content": [thought, text]})
        case "sealed":
            messages.insert(0, {"role": "assistant", "content": [{"type": "redacted_thinking", "data": phrase}, text]})
        case "schema":
            tool = {"name": "f", "description": phrase, "input_schema": _schema(phrase)}
            body["tools"] = [*body.get("tools", []), tool]
        case "user":
            body.setdefault("metadata", {})["user_id"] = phrase
        case _:
            _put_field(body, place, phrase)


def _put_responses(body: Body, place: str, phrase: str) -> None:
    items: list[Body] = body["input"]
    match place:
        case "system":
            items.insert(0, {"role": "developer", "content": f"Be kind. {phrase}"})
        case "tool_result" | "arguments":
            said, back = ("q", phrase) if place == "tool_result" else (phrase, "ok")
            known = f"call_{len(items)}"
            call = {"type": "function_call", "call_id": known, "name": "f", "arguments": json.dumps({"q": [said]})}
            items[0:0] = [call, {"type": "function_call_output", "call_id": known, "output": json.dumps({"ok": {"text": back}})}]
        case "part":
            items.insert(0, {"type": "message", "role": "user", "content": [{"type": "input_text", "text": phrase}]})
        case "answered":
            items.insert(0, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": phrase}]})
        case "thinking":
            items.insert(0, {"type": "reasoning", "summary": [{"type": "summary_text", "text": phrase}]})
        case "sealed":
            items.insert(0, {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": phrase})
        case "schema":
            tool = {"type": "function", "name": "f", "description": phrase, "parameters": _schema(phrase)}
            body["tools"] = [*body.get("tools", []), tool]
        case "format":
            body["text"] = {"format": {"type": "json_schema", "name": "f", "schema": _schema(phrase), "strict": False}}
        case _:
            _put_field(body, place, phrase)


def _put_field(body: Body, place: str, phrase: str) -> None:
    """What several dialects have under one name, a whole field each."""
    match place:
        case "metadata":
            body.setdefault("metadata", {})["about"] = phrase
        case "metadata_key":
            body.setdefault("metadata", {})[phrase] = "yes"
        case "unknown":
            body["x_note"] = {"deep": [{"er": phrase}]}
        case "several":
            field = "prompt" if "prompt" in body else "input"
            before = body[field]
            body[field] = [phrase, *(before if isinstance(before, list) else [before])]
        case "stop":
            body["stop"] = [phrase]
        case _:
            body[place] = phrase


def _schema(phrase: str) -> Body:
    return {"type": "object", "properties": {"a": {"type": "string", "enum": [phrase]}}}


_FILE = {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}
_DOCUMENT = {"role": "user", "content": [{"type": "document", "source": {"type": "file", "file_id": "file-1"}}]}
_INPUT_FILE = {"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}
_STORE, _CHAIN = _extra("store", {"store": True}), _extra("chain", {"previous_response_id": "resp_1"})
_UNKNOWN = _extra("unknown_field", {"x_other": {"a": 1}})
_SEARCH = _extra("server_tools", {"tools": [{"type": "web_search"}]})
_PLAIN = (
    _STORE, _CHAIN, _UNKNOWN, _extra("server_tools", {"web_search_options": {"a": 1}}),
    _extra("unknown_field files", {"x_file": {"file_id": "file-1"}}),
)  # fmt: skip
_OF_MESSAGES = (
    _UNKNOWN, _extra("chain", {"container": "container_1"}), _extra("files", item=_DOCUMENT),
    _extra("server_tools", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
    _extra("server_tools", {"mcp_servers": [{"type": "url", "name": "there"}]}),
    _extra("store", headers={"anthropic-beta": "prompt-caching-2024-07-31,managed-agents-2026-04-01"}),
    _extra("files", headers={"anthropic-beta": "files-api-2025-04-14"}),
    _extra("unknown_field", headers={"anthropic-beta": "unheard-of-2026-01-01"}),
)  # fmt: skip
_MESSAGES_PLACES = (
    *("last",) * 4, "system", "system_part", "tool_result", "arguments", "part", "document", "title", "context", "thinking",
    "sealed", "schema", "user", "metadata", "metadata_key", "unknown",
)  # fmt: skip


def _one_message(text: str) -> Body:
    return {"messages": [{"role": "user", "content": text}]}


DIALECTS: Mapping[Dialect, Spoken] = {
    "openai_chat": Spoken(
        begin=_one_message, put=_put_chat, items="messages",
        places=(
            *("last",) * 4, "system", "tool_result", "arguments", "part", "reasoning", "user", "safety_identifier",
            "prompt_cache_key", "metadata", "metadata_key", "prediction", "schema", "unknown",
        ),
        extras=(_STORE, _CHAIN, _UNKNOWN, _SEARCH, _extra("files", item=_FILE)),
    ),
    "anthropic_messages": Spoken(
        begin=lambda text: {"max_tokens": 64, **_one_message(text)}, put=_put_messages, items="messages", places=_MESSAGES_PLACES,
        extras=_OF_MESSAGES,
    ),
    "openai_responses": Spoken(
        begin=lambda text: {"input": [{"role": "user", "content": text}]}, put=_put_responses, items="input",
        places=(
            *("last",) * 4, "instructions", "system", "tool_result", "arguments", "part", "answered", "thinking", "sealed",
            "schema", "format", "user", "safety_identifier", "prompt_cache_key", "metadata", "metadata_key", "unknown",
        ),
        extras=(
            _STORE, _CHAIN, _UNKNOWN, _SEARCH, _extra("files", item=_INPUT_FILE),
            _extra("chain", item={"type": "item_reference", "id": "msg_1"}),
            _extra("chain", item={"type": "reasoning", "id": "rs_1", "summary": []}),
        ),
    ),
    "openai_completions": Spoken(
        begin=lambda text: {"prompt": text, "max_tokens": 64}, put=_put_field,
        places=(*("last",) * 4, "suffix", "several", "stop", "user", "unknown"), extras=_PLAIN,
    ),
    "openai_embeddings": Spoken(
        begin=lambda text: {"input": text}, put=_put_field, places=(*("last",) * 4, "several", "user", "unknown"), extras=_PLAIN,
        streams=False, words=False,
    ),
    "anthropic_count_tokens": Spoken(
        begin=_one_message, put=_put_messages, items="messages", places=_MESSAGES_PLACES, extras=_OF_MESSAGES, streams=False,
        words=False,
    ),
}  # fmt: skip
SHARES: tuple[Dialect, ...] = (
    *("openai_chat",) * 9, *("anthropic_messages",) * 4, *("openai_responses",) * 4, *("openai_completions",) * 2,
    "openai_embeddings", "anthropic_count_tokens",
)  # fmt: skip
