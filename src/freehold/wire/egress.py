"""Which parts of a request would make a provider fetch, store or chain data. Each such kind needs its own clearance.

Kinds: `store` (kept at the provider) · `chain` (refers to kept data) · `files` (uploaded files) · `remote_media` (a URL the
provider would fetch) · `server_tools` (tools the provider runs) · `remote_url` (a URL in a field not known here) ·
`unknown_field` (a field not known here; it counts only for confidential data at rented targets). What is judged is what is
sent: messages are rebuilt from what was read, so that no second key hides behind a first.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from freehold.core.errors import BadRequest
from freehold.core.request import Dialect

EGRESS_KINDS = frozenset({"store", "chain", "files", "remote_media", "server_tools", "remote_url", "unknown_field"})


class Part(msgspec.Struct, frozen=True):
    """What is known of one type of content part: keys that hold prose, ids or arguments, which lead nowhere, and those that hold
    a part or a list of parts again. A part with any other key is judged in whole."""

    free: frozenset[str]
    inner: frozenset[str] = frozenset()


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one dialect's bodies: `fields` at the top that lead nowhere, `chains` to kept data, `tools` that the
    provider runs, `elsewhere` naming another place; a message's fields, content beside the messages, its parts, local tools.
    `items`: the field whose list holds parts itself, where the dialect has no messages. `groups`: tools that only hold others."""

    fields: frozenset[str]
    chains: frozenset[str]
    tools: frozenset[str]
    elsewhere: frozenset[str] = frozenset()
    message: frozenset[str]
    contents: frozenset[str] = frozenset()
    items: str | None = None
    groups: frozenset[str] = frozenset()
    parts: Mapping[str, Part]
    local_tools: re.Pattern[str]


_TEXT_PART = Part(frozenset("type text refusal cache_control".split()))
CHAT = Table(
    fields=frozenset(
        "model messages max_completion_tokens max_tokens n stop seed temperature top_p top_k min_p typical_p tools tool_choice"
        " functions function_call parallel_tool_calls response_format logprobs top_logprobs logit_bias reasoning_effort verbosity"
        " modalities prediction service_tier metadata user safety_identifier prompt_cache_key stream stream_options"
        " frequency_penalty presence_penalty repetition_penalty audio provider guided_json guided_regex guided_choice ignore_eos"
        " min_tokens stop_token_ids chat_template_kwargs cache_prompt grammar json_schema reasoning thinking".split()
    ),
    chains=frozenset("previous_response_id conversation background cached_content".split()),
    tools=frozenset("web_search_options plugins mcp_servers enable_search search_options search_parameters".split()),
    elsewhere=frozenset("models route kv_transfer_params".split()),
    message=frozenset("role content name tool_calls tool_call_id refusal function_call reasoning_content reasoning".split()),
    parts={"text": _TEXT_PART, "refusal": _TEXT_PART},
    local_tools=re.compile("function|custom"),
)
MESSAGES = Table(
    fields=frozenset(
        "model messages max_tokens system stop_sequences stream temperature top_p top_k thinking output_config output_format"
        " tools tool_choice metadata service_tier speed cache_control context_management provider".split()
    ),
    chains=frozenset("container diagnostics".split()),
    tools=frozenset({"mcp_servers"}),
    message=frozenset({"role", "content"}),
    contents=frozenset({"system"}),
    parts={
        # A document's source is judged as a part too: text in it is prose, all else is looked into.
        "text": Part(frozenset("type text citations cache_control data media_type".split())),
        "content": Part(frozenset({"type"}), frozenset({"content"})),
        "thinking": Part(frozenset("type thinking signature".split())),
        "redacted_thinking": Part(frozenset("type data".split())),
        "tool_use": Part(frozenset("type id name input caller toolset_name cache_control".split())),
        "tool_result": Part(frozenset("type tool_use_id is_error toolset_name cache_control".split()), frozenset({"content"})),
        "search_result": Part(frozenset("type source title citations cache_control".split()), frozenset({"content"})),
        "document": Part(frozenset("type title context citations cache_control".split()), frozenset({"source"})),
    },
    # Tools with a dated name that the caller runs itself; every other dated one runs at the provider.
    local_tools=re.compile(r"function|custom|(?:bash|text_editor|computer|memory)_[0-9]{8}"),
)
_MESSAGE_ITEM = Part(frozenset("type id role status phase".split()), frozenset({"content"}))
RESPONSES = Table(
    fields=frozenset(
        "model input instructions max_output_tokens max_tool_calls temperature top_p top_logprobs tools tool_choice"
        " parallel_tool_calls text reasoning include truncation context_management image metadata user safety_identifier"
        " prompt_cache_key client_metadata service_tier stream stream_options provider".split()
    ),
    chains=frozenset("previous_response_id conversation background prompt cached_content".split()),
    tools=CHAT.tools,
    elsewhere=CHAT.elsewhere,
    message=frozenset(),
    contents=frozenset({"instructions"}),
    items="input",
    parts={
        "function": _MESSAGE_ITEM,  # what has no type: here an item, and an item without one is a message
        "message": _MESSAGE_ITEM,
        "input_text": Part(frozenset({"type", "text"})),
        "output_text": Part(frozenset("type text annotations logprobs".split())),
        "summary_text": Part(frozenset({"type", "text"})),
        "reasoning_text": Part(frozenset({"type", "text"})),
        "refusal": Part(frozenset({"type", "refusal"})),
        "reasoning": Part(frozenset("type id status encrypted_content".split()), frozenset({"summary", "content"})),
        "compaction": Part(frozenset("type id encrypted_content".split())),
        "function_call": Part(frozenset("type id call_id name namespace arguments status caller async".split())),
        "function_call_output": Part(frozenset("type id call_id name namespace status caller".split()), frozenset({"output"})),
        "custom_tool_call": Part(frozenset("type id call_id name namespace input status caller".split())),
        "custom_tool_call_output": Part(frozenset("type id call_id name status caller".split()), frozenset({"output"})),
        "computer_call_output": Part(
            frozenset("type id call_id status acknowledged_safety_checks".split()), frozenset({"output"})
        ),
        "local_shell_call": Part(frozenset("type id call_id status action".split())),
        "local_shell_call_output": Part(frozenset("type id call_id status output".split())),
        "apply_patch_call": Part(frozenset("type id call_id status operation caller".split())),
        "apply_patch_call_output": Part(frozenset("type id call_id status output caller".split())),
        "web_search_call": Part(frozenset("type id status action".split())),
    },
    groups=frozenset({"namespace"}),
    local_tools=re.compile("function|custom|local_shell|apply_patch"),
)
TABLES: Mapping[Dialect, Table] = {
    "openai_chat": CHAT, "openai_completions": CHAT, "openai_responses": RESPONSES, "openai_embeddings": CHAT,
    "anthropic_messages": MESSAGES, "anthropic_count_tokens": MESSAGES,
}  # fmt: skip
_MEDIA = frozenset("image_url video_url audio_url file_url images videos image".split())
_FILES = frozenset("file_id file_ids".split())
_MAX_UNKNOWN_BYTES = 256 * 1024
# Written so that every parser reads the same host in it: no credentials, port, backslash, blank or control.
_PLAIN_HTTPS = re.compile(r"https://([a-z0-9.-]+)(?:[/?#][!-\[\]-~]*)?", re.IGNORECASE)

Fields: TypeAlias = dict[str, msgspec.Raw]
_objects = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_tools = msgspec.json.Decoder(list[dict[str, msgspec.Raw]] | None)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any = msgspec.json.Decoder()


def judge(fields: Fields, parts: set[str], table: Table = CHAT) -> frozenset[str]:
    """The kinds of egress a request asks for; its messages or items are rebuilt in place from what was judged.

    Types and keys of the content parts that are no plain text are added to `parts`.
    Raises BadRequest naming the field that has a shape which no dialect has.
    """
    kinds: set[str] = set()
    name = ""
    try:
        for name in fields.keys() & table.contents:
            led: set[str] = set()
            fields[name] = _judged(fields[name], table, led, parts)
            if led:
                raise ValueError("it holds what leads elsewhere; nothing but text stands there")
        if (name := "messages") in fields:
            fields[name] = _judge_messages(fields[name], table, kinds, parts)
        if table.items is not None and (name := table.items) in fields:
            fields[name] = _judged(fields[name], table, kinds, parts)
        for name in fields.keys() - table.fields:
            _judge_field(name, fields[name], table, kinds)
        if (name := "tools") in fields:
            tools = _tools.decode(fields[name])
            theirs = any(not _is_local(tool, table) for tool in tools or ())
            kinds.update({"server_tools"} if theirs else ())
            fields[name] = _raw(tools)
    except ValueError as error:  # msgspec's are such, and so is text that is no UTF-8
        raise BadRequest(f"{name}: {error}", param=name) from None
    return frozenset(kinds)


def _is_local(tool: Fields, table: Table) -> bool:
    """Whether the caller runs it: of a group, all that is in it, which is rebuilt from what was judged. None holds another."""
    if _kind(tool) not in table.groups:
        return table.local_tools.fullmatch(_kind(tool)) is not None
    inner = _tools.decode(tool.get("tools", b"null"))
    tool["tools"] = _raw(inner)
    return bool(inner) and all(table.local_tools.fullmatch(_kind(one)) for one in inner)


def media_hosts(fields: Fields, table: Table = CHAT) -> frozenset[str]:
    """The hosts that the `remote_media` of a judged request leads to, in lower case.

    "" stands for whatever is not plainly https, a host and no port; it is never empty where `judge` found remote media.
    """
    values: list[dict[str, Any]] = []
    for message in _objects.decode(fields.get("messages", b"[]")):
        values.append({name: _any.decode(message[name]) for name in message.keys() - table.message})
        _judge_content(message.get("content", msgspec.Raw(b"null")), table, values, set())
    if table.items is not None:
        _judge_content(fields.get(table.items, msgspec.Raw(b"null")), table, values, set())
    texts = (text for value in values for kind, text in _of_value(value) if kind == "remote_media")
    return frozenset(found[1].lower() if (found := _PLAIN_HTTPS.fullmatch(text)) else "" for text in texts)


def _judge_messages(raw: msgspec.Raw, table: Table, kinds: set[str], parts: set[str]) -> msgspec.Raw:
    messages = _objects.decode(raw)
    for message in messages:
        for name in message.keys() - table.message:
            value = _any.decode(message[name])
            if name == "audio" and value is not None:
                kinds.add("chain")
            kinds.update(kind for kind, _ in _of_value({name: value}))
            message[name] = _raw(value)
        if "content" in message:
            message["content"] = _judged(message["content"], table, kinds, parts)
    return _raw(messages)


def _judged(raw: msgspec.Raw, table: Table, kinds: set[str], seen: set[str]) -> msgspec.Raw:
    """The content as it is sent, its kinds added to `kinds`."""
    values: list[dict[str, Any]] = []
    judged = _judge_content(raw, table, values, seen)
    kinds.update(kind for value in values for kind, _ in _of_value(value))
    return judged


def _judge_content(raw: msgspec.Raw, table: Table, values: list[dict[str, Any]], seen: set[str]) -> msgspec.Raw:
    """Text stays the bytes it was; a list is rebuilt part by part. What may lead elsewhere is added to `values`."""
    first = memoryview(raw)[0]
    if first in b'"n':
        return raw
    if first != ord("["):
        raise ValueError("content is neither text nor a list of parts")
    return _raw([_judge_part(part, table, values, seen) for part in _objects.decode(raw)])


def _judge_part(part: Fields, table: Table, values: list[dict[str, Any]], seen: set[str]) -> dict[str, Any]:
    kind = _kind(part)
    known = table.parts.get(kind)
    if known is not None and part.keys() <= known.free:
        return part
    if known is not None and part.keys() <= known.free | known.inner:
        seen.add(kind)
        return {name: _judge_inner(raw, table, values, seen) if name in known.inner else raw for name, raw in part.items()}
    whole = {name: _any.decode(value) for name, value in part.items()}
    values.append(whole)
    seen.update([*whole, kind] if "type" in whole else whole)
    return whole


def _judge_inner(raw: msgspec.Raw, table: Table, values: list[dict[str, Any]], seen: set[str]) -> msgspec.Raw:
    if memoryview(raw)[0] == ord("{"):
        return _raw(_judge_part(_fields.decode(raw), table, values, seen))
    return _judge_content(raw, table, values, seen)


def _judge_field(name: str, raw: msgspec.Raw, table: Table, kinds: set[str]) -> None:
    if len(memoryview(raw)) > _MAX_UNKNOWN_BYTES:
        raise ValueError(f"not a field known here, and it exceeds {_MAX_UNKNOWN_BYTES} bytes")
    value = _any.decode(raw)
    if name == "store":
        kinds.update({"store"} if value else ())
    elif name == "prompt_cache_retention":
        kinds.update({"store"} if value not in (None, "in_memory", "in-memory") else ())
    elif name == "prompt_cache_options":
        lasting = isinstance(value, dict) and value.get("ttl") not in (None, "5m", "1h")
        kinds.update({"store"} if lasting else ())
        kinds.update({"chain"} if isinstance(value, dict) and value.get("comparison_response_id") else ())
    elif name in table.chains:
        if value:  # a template's variables, besides what they are filled into, may lead elsewhere
            kinds.update({"chain"}, _led(name, value))
    elif name in table.tools:
        kinds.update({"server_tools"} if value not in (None, False) else ())
    elif name in table.elsewhere:
        kinds.update({"remote_url"} if value else ())
    elif value is not None:
        kinds.update({"unknown_field"}, _led(name, value))


def _led(name: str, value: Any) -> set[str]:
    """Where a whole top-level field leads: to files, or to other places."""
    return {"files" if kind == "files" else "remote_url" for kind, _ in _of_value({name: value})}


def _of_value(root: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Kinds found in a value, each with its text, each key judged with the strings below it. A list of places to look, not
    recursion: no depth is too deep."""
    places: list[tuple[str, str, Any]] = [("", name, value) for name, value in root.items()]
    while places:
        above, name, value = places.pop()
        if isinstance(value, dict):
            places.extend((name, inner, item) for inner, item in value.items())
        elif isinstance(value, list):
            places.extend((above, name, item) for item in value)
        elif isinstance(value, str) and value:
            key = name.lower()
            if key in _FILES or (key == "id" and above in {"file", "audio", "image"}):
                yield "files", value
            elif (key.endswith(("url", "uri", "urls")) or key in _MEDIA or above in _MEDIA) and not value.startswith("data:"):
                yield from () if key in {"detail", "format", "type"} else (("remote_media", value),)
            elif _names_another_place(value):
                yield "remote_media", value


def _names_another_place(text: str) -> bool:
    """Whether a string is a URL as lenient parsers read one: no controls, no leading blanks, backslashes as slashes."""
    start = "".join(letter for letter in text[:64] if letter >= " ").lstrip().replace("\\", "/").lower()
    scheme, colon, rest = start.partition(":")
    named = bool(colon) and scheme.isascii() and scheme.replace("+", "").replace("-", "").replace(".", "").isalnum()
    return start.startswith("//") or (named and (rest.startswith("/") or scheme in {"http", "https", "file", "ftp", "s3", "gs"}))


def _kind(thing: dict[str, msgspec.Raw]) -> str:
    """The `type` of a part or tool; a tool without one is a function, and what is no text is of no known type."""
    kind = _any.decode(thing["type"]) if "type" in thing else "function"
    return kind if isinstance(kind, str) else ""


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
