"""Which parts of a request would make a provider fetch, store or chain data. Each such kind needs its own clearance.

Kinds: `store` (kept at the provider) · `chain` (refers to kept data) · `files` (uploaded files) · `remote_media` (a URL the
provider would fetch) · `server_tools` (tools the provider runs) · `remote_url` (a URL in a field not known here) ·
`unknown_field` (a field not known here; it counts only for confidential data at rented targets). What is judged is what is
sent: messages are rebuilt from what was read, so that no second key hides behind a first.
"""

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

Fields: TypeAlias = dict[str, msgspec.Raw]
_objects = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_tools = msgspec.json.Decoder(list[dict[str, msgspec.Raw]] | None)
_any = msgspec.json.Decoder()


def judge(fields: Fields) -> frozenset[str]:
    """The kinds of egress a chat request asks for; `fields["messages"]` is rebuilt in place from what was judged.

    Raises ValueError (msgspec's errors are such) on content in a shape that no dialect has.
    """
    kinds: set[str] = set()
    if "messages" in fields:
        fields["messages"] = _judge_messages(fields["messages"], kinds)
    for name in fields.keys() - _HARMLESS:
        _judge_field(name, fields[name], kinds)
    if "tools" in fields:
        tools = _tools.decode(fields["tools"])
        kinds.update({"server_tools"} if any(_kind(tool) not in _LOCAL_TOOLS for tool in tools or ()) else ())
        fields["tools"] = _raw(tools)
    return frozenset(kinds)


def _judge_messages(raw: msgspec.Raw, kinds: set[str]) -> msgspec.Raw:
    messages = _objects.decode(raw)
    for message in messages:
        for name in message.keys() - _MESSAGE_FIELDS:
            value = _any.decode(message[name])
            if name == "audio" and value is not None:
                kinds.add("chain")
            kinds.update(_of_value({name: value}))
            message[name] = _raw(value)
        if "content" in message:
            message["content"] = _judge_content(message["content"], kinds)
    return _raw(messages)


def _judge_content(raw: msgspec.Raw, kinds: set[str]) -> msgspec.Raw:
    """Text stays the bytes it was; a list is rebuilt part by part."""
    first = memoryview(raw)[0]
    if first in b'"n':
        return raw
    if first != ord("["):
        raise ValueError("content is neither text nor a list of parts")
    parts: list[Any] = []
    for part in _objects.decode(raw):
        if _kind(part) in {"text", "refusal"} and part.keys() <= _TEXT_PART_FIELDS:
            parts.append(part)
        else:
            whole = {name: _any.decode(value) for name, value in part.items()}
            kinds.update(_of_value(whole))
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
        kinds.update("files" if kind == "files" else "remote_url" for kind in _of_value({name: value}))


def _of_value(root: dict[str, Any]) -> Iterator[str]:
    """Kinds found in a value, each key judged with the strings below it. A list of places to look, not recursion: no depth is too
    deep."""
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
                yield "files"
            elif (key.endswith(("url", "uri", "urls")) or key in _MEDIA or above in _MEDIA) and not value.startswith("data:"):
                yield from () if key in {"detail", "format", "type"} else ("remote_media",)
            elif _names_another_place(value):
                yield "remote_media"


def _names_another_place(text: str) -> bool:
    """Whether a string is a URL as lenient parsers read one: no controls, no leading blanks, backslashes as slashes."""
    start = "".join(letter for letter in text[:64] if letter >= " ").lstrip().replace("\\", "/").lower()
    scheme, colon, rest = start.partition(":")
    named = bool(colon) and scheme.isascii() and scheme.replace("+", "").replace("-", "").replace(".", "").isalnum()
    return start.startswith("//") or (named and (rest.startswith("/") or scheme in {"http", "https", "file", "ftp", "s3", "gs"}))


def _kind(thing: dict[str, msgspec.Raw]) -> Any:
    """The `type` of a part or tool; a tool without one is a function."""
    return _any.decode(thing["type"]) if "type" in thing else "function"


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
