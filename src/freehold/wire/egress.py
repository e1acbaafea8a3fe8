"""Which parts of a request would make a provider fetch, store or chain data. Each such kind needs its own clearance.

Kinds: `store` (kept at the provider) · `chain` (refers to kept data) · `files` (uploaded files) · `remote_media` (a URL the
provider would fetch) · `server_tools` (tools the provider runs: search, MCP, code) · `remote_url` (a URL in an unknown field).
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

EGRESS_KINDS = frozenset({"store", "chain", "files", "remote_media", "server_tools", "remote_url"})
_HARMLESS = frozenset(
    "model messages max_completion_tokens max_tokens n stop seed temperature top_p top_k min_p tools tool_choice functions"
    " function_call parallel_tool_calls response_format logprobs top_logprobs logit_bias reasoning_effort verbosity modalities"
    " prediction service_tier metadata user safety_identifier prompt_cache_key prompt_cache_options stream stream_options"
    " frequency_penalty presence_penalty repetition_penalty audio provider".split()
)
_REMOTE = re.compile(r"\s*(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//")
_LOCAL_TOOLS = frozenset({"function", "custom"})
_decode = msgspec.json.decode


def egress_kinds(fields: dict[str, msgspec.Raw]) -> frozenset[str]:
    """The kinds of egress a chat request asks for. Raises msgspec.DecodeError on malformed messages or tools."""
    kinds = set(_of_messages(fields["messages"])) if "messages" in fields else set()
    for name in fields.keys() - _HARMLESS:
        kinds.update(_of_field(name, _decode(fields[name])))
    if "tools" in fields:
        tools: list[dict[str, Any]] = _decode(fields["tools"], type=list[dict[str, Any]] | None) or []
        if any(tool.get("type", "function") not in _LOCAL_TOOLS for tool in tools):
            kinds.add("server_tools")
    return frozenset(kinds)


def _of_field(name: str, value: Any) -> Iterator[str]:
    if name == "store":
        if value:
            yield "store"
    elif name == "prompt_cache_retention":
        if value not in (None, "in_memory", "in-memory"):
            yield "store"
    elif name in {"previous_response_id", "conversation", "background"}:
        if value:
            yield "chain"
    elif name in {"web_search_options", "plugins", "mcp_servers"}:
        if value is not None:
            yield "server_tools"
    else:
        yield from ("files" if kind == "files" else "remote_url" for kind in _of_value(value))


def _of_messages(raw: msgspec.Raw) -> Iterator[str]:
    for message in _decode(raw, type=list[dict[str, msgspec.Raw]]):
        if "audio" in message and bytes(message["audio"]).strip() != b"null":
            yield "chain"
        content = message.get("content")
        if content is not None and memoryview(content)[0] == 0x5B:
            for part in _decode(content):
                if not isinstance(part, dict) or part.get("type") not in {"text", "refusal"}:
                    yield from _of_value(part)


def _of_value(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if _REMOTE.match(value):
            yield "remote_media"
    elif isinstance(value, list):
        for item in value:
            yield from _of_value(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name in {"file_id", "file_ids"} and item:
                yield "files"
            yield from _of_value(item)
