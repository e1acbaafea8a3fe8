"""Which parts of a request would make a provider fetch, store or chain data. Each such kind needs its own clearance.

Kinds: `store` (kept at the provider) · `chain` (refers to kept data) · `files` (uploaded files) · `remote_media` (a URL the
provider would fetch) · `server_tools` (tools the provider runs) · `remote_url` (a URL in a field not known here) ·
`unknown_field` (a field not known here; it counts only for confidential data at rented targets). What is judged is what is
sent: messages are rebuilt from what was read, so that no second key hides behind a first.
"""

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec

EGRESS_KINDS = frozenset({"store", "chain", "files", "remote_media", "server_tools", "remote_url", "unknown_field"})

_HARMLESS = frozenset(
    "model messages max_completion_tokens max_tokens n stop seed temperature top_p top_k min_p typical_p tools tool_choice"
    " functions function_call parallel_tool_calls response_format logprobs top_logprobs logit_bias reasoning_effort verbosity"
    " modalities prediction service_tier metadata user safety_identifier prompt_cache_key stream stream_options"
    " frequency_penalty presence_penalty repetition_penalty audio provider guided_json guided_regex guided_choice ignore_eos"
    " min_tokens stop_token_ids chat_template_kwargs cache_prompt grammar json_schema reasoning thinking".split()
)
_CHAIN = frozenset("previous_response_id conversation background cached_content".split())
_TOOLS = frozenset("web_search_options plugins mcp_servers enable_search search_options search_parameters".split())
_ELSEWHERE = frozenset("models route kv_transfer_params".split())
_LOCAL_TOOLS = frozenset({"function", "custom"})
_MESSAGE_FIELDS = frozenset("role content name tool_calls tool_call_id refusal function_call reasoning_content reasoning".split())
_TEXT_PART_FIELDS = frozenset("type text refusal cache_control".split())
_MEDIA = frozenset("image_url video_url audio_url file_url images videos image".split())
_FILES = frozenset("file_id file_ids".split())
_MAX_UNKNOWN_BYTES = 256 * 1024
# Written so that every parser reads the same host in it: no credentials, port, backslash, blank or control.
_PLAIN_HTTPS = re.compile(r"https://([a-z0-9.-]+)(?:[/?#][!-\[\]-~]*)?", re.IGNORECASE)

Fields: TypeAlias = dict[str, msgspec.Raw]
_objects = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_tools = msgspec.json.Decoder(list[dict[str, msgspec.Raw]] | None)
_any = msgspec.json.Decoder()


def judge(fields: Fields, parts: set[str]) -> frozenset[str]:
    """The kinds of egress a chat request asks for; `fields["messages"]` is rebuilt in place from what was judged.

    Types and keys of the content parts that are no plain text are added to `parts`.
    Raises ValueError (msgspec's errors are such) on content in a shape that no dialect has.
    """
    kinds: set[str] = set()
    if "messages" in fields:
        fields["messages"] = _judge_messages(fields["messages"], kinds, parts)
    for name in fields.keys() - _HARMLESS:
        _judge_field(name, fields[name], kinds)
    if "tools" in fields:
        tools = _tools.decode(fields["tools"])
        kinds.update({"server_tools"} if any(_kind(tool) not in _LOCAL_TOOLS for tool in tools or ()) else ())
        fields["tools"] = _raw(tools)
    return frozenset(kinds)


def media_hosts(fields: Fields) -> frozenset[str]:
    """The hosts that the `remote_media` of a judged request leads to, in lower case.

    "" stands for whatever is not plainly https, a host and no port; it is never empty where `judge` found remote media.
    """
    values: list[dict[str, Any]] = []
    for message in _objects.decode(fields.get("messages", b"[]")):
        values.append({name: _any.decode(message[name]) for name in message.keys() - _MESSAGE_FIELDS})
        content = message.get("content", msgspec.Raw(b"null"))
        if memoryview(content)[0] == ord("["):
            values += ({n: _any.decode(v) for n, v in part.items()} for part in _objects.decode(content) if not _is_plain(part))
    texts = (text for value in values for kind, text in _of_value(value) if kind == "remote_media")
    return frozenset(found[1].lower() if (found := _PLAIN_HTTPS.fullmatch(text)) else "" for text in texts)


def _judge_messages(raw: msgspec.Raw, kinds: set[str], parts: set[str]) -> msgspec.Raw:
    messages = _objects.decode(raw)
    for message in messages:
        for name in message.keys() - _MESSAGE_FIELDS:
            value = _any.decode(message[name])
            if name == "audio" and value is not None:
                kinds.add("chain")
            kinds.update(kind for kind, _ in _of_value({name: value}))
            message[name] = _raw(value)
        if "content" in message:
            message["content"] = _judge_content(message["content"], kinds, parts)
    return _raw(messages)


def _judge_content(raw: msgspec.Raw, kinds: set[str], seen: set[str]) -> msgspec.Raw:
    """Text stays the bytes it was; a list is rebuilt part by part."""
    first = memoryview(raw)[0]
    if first in b'"n':
        return raw
    if first != ord("["):
        raise ValueError("content is neither text nor a list of parts")
    parts: list[Any] = []
    for part in _objects.decode(raw):
        if _is_plain(part):
            parts.append(part)
        else:
            whole = {name: _any.decode(value) for name, value in part.items()}
            kinds.update(kind for kind, _ in _of_value(whole))
            seen.update([*whole, kind] if isinstance(kind := whole.get("type"), str) else whole)
            parts.append(whole)
    return _raw(parts)


def _judge_field(name: str, raw: msgspec.Raw, kinds: set[str]) -> None:
    if len(memoryview(raw)) > _MAX_UNKNOWN_BYTES:
        raise ValueError(f"{name} is not a field known here and exceeds {_MAX_UNKNOWN_BYTES} bytes")
    value = _any.decode(raw)
    if name == "store":
        kinds.update({"store"} if value else ())
    elif name == "prompt_cache_retention":
        kinds.update({"store"} if value not in (None, "in_memory", "in-memory") else ())
    elif name == "prompt_cache_options":
        lasting = isinstance(value, dict) and value.get("ttl") not in (None, "5m", "1h")
        kinds.update({"store"} if lasting else ())
    elif name in _CHAIN:
        kinds.update({"chain"} if value else ())
    elif name in _TOOLS:
        kinds.update({"server_tools"} if value not in (None, False) else ())
    elif name in _ELSEWHERE:
        kinds.update({"remote_url"} if value else ())
    elif value is not None:
        kinds.add("unknown_field")
        kinds.update("files" if kind == "files" else "remote_url" for kind, _ in _of_value({name: value}))


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


def _is_plain(part: dict[str, msgspec.Raw]) -> bool:
    return _kind(part) in {"text", "refusal"} and part.keys() <= _TEXT_PART_FIELDS


def _kind(thing: dict[str, msgspec.Raw]) -> str:
    """The `type` of a part or tool; a tool without one is a function, and what is no text is of no known type."""
    kind = _any.decode(thing["type"]) if "type" in thing else "function"
    return kind if isinstance(kind, str) else ""


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
