"""Anthropic's Messages: a caller's request from its body and its two headers."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from freehold.core.errors import BadRequest
from freehold.core.request import Dialect, Hints, Request
from freehold.wire.egress import MESSAGES, judge
from freehold.wire.needs import least_tokens, messages_needs_of

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])
_text, _whole, _flag = msgspec.json.Decoder(str), msgspec.json.Decoder(int), msgspec.json.Decoder(bool | None)
_hints = msgspec.json.Decoder(Hints | None)
_HEADERS = ("anthropic-version", "anthropic-beta")
_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BETAS = re.compile(r"\s*[A-Za-z0-9._-]{0,64}\s*(?:,\s*[A-Za-z0-9._-]{0,64}\s*)*")
# Flags that change the shape, length or price of an answer and nothing about where data goes; without their date.
_HARMLESS_BETAS = frozenset(
    "claude-code computer-use context-1m context-management dev-full-thinking extended-cache-ttl fast-mode"
    " fine-grained-tool-streaming interleaved-thinking max-tokens-3-5-sonnet mid-conversation-output-config"
    " mid-conversation-system mid-conversation-system-clear-at mid-conversation-tool-changes model-context-window-exceeded oauth"
    " output-128k output-300k pdfs prompt-caching structured-outputs task-budgets thinking-binding-controls"
    " thinking-display-updates thinking-token-count token-counting token-efficient-tools compact effort tool-examples".split()
)
_BETA_KINDS = {
    "files-api": "files", "skills": "server_tools", "code-execution": "server_tools", "mcp-client": "server_tools",
    "mcp-tunnels": "server_tools", "web-fetch": "server_tools", "web-search": "server_tools", "advisor-tool": "server_tools",
    "advanced-tool-use": "server_tools", "managed-agents": "store", "agent-memory": "store", "message-threads": "chain",
    "cache-diagnosis": "chain",
}  # fmt: skip


def read(body: bytes, headers: Mapping[str, str], dialect: Dialect = "anthropic_messages") -> Request:
    """A request for an answer, or to count its tokens. Raises BadRequest naming the field and what would be right."""
    try:
        fields = _fields.decode(body)
        parts: set[str] = set()
        egress = judge(fields, parts, MESSAGES)
        needs = messages_needs_of(fields, parts)
    except (ValueError, RecursionError, OverflowError) as error:
        raise BadRequest(f"the body is not a Messages request: {error}") from None
    model = _field(fields, "model", _text, "a string naming a workload, target or model")
    if not model:
        raise BadRequest("model is empty; name a workload, target or model", param="model")
    if not _field(fields, "messages", _list, "a list of messages"):
        raise BadRequest("messages is empty; give at least one", param="messages")
    counts = dialect == "anthropic_count_tokens"
    limit = 0 if counts else _field(fields, "max_tokens", _whole, "a whole number")
    if limit < 0:
        raise BadRequest(f"max_tokens is {limit}; use 1 or more", param="max_tokens")
    stream = _field(fields, "stream", _flag, "true or false") or False
    if counts and stream:
        raise BadRequest("stream is true; a count comes whole", param="stream")
    sent = {name: _sayable(name, headers[name]) for name in _HEADERS if name in headers}
    input_bytes = sum(len(memoryview(fields[name])) for name in ("system", "messages", "tools") if name in fields)
    return Request(
        dialect=dialect,
        model=model,
        fields=fields,
        stream=stream,
        wants_usage=True,
        input_bytes=input_bytes,
        max_output_tokens=limit,
        most_output_tokens=limit or None,
        egress=egress | betas_of(sent.get("anthropic-beta", "")),
        needs=needs,
        least_tokens=least_tokens(needs, input_bytes, limit),
        hints=_field(fields, "provider", _hints, "an object of known routing hints") or Hints(),
        headers=sent,
    )


def _sayable(name: str, value: str) -> str:
    """These headers go on to the target unscanned, so they may hold what they are for and nothing else. Raises BadRequest."""
    form, wanted = (_VERSION, "a date, such as 2023-06-01") if name == "anthropic-version" else (_BETAS, "names of features")
    if form.fullmatch(value) is None:
        raise BadRequest(f"header {name}: use {wanted}", param=name)
    return value


def betas_of(header: str) -> frozenset[str]:
    """The kinds of egress that the flags of an `anthropic-beta` header turn on; one not known here counts as an unknown field."""
    kinds: set[str] = set()
    for flag in filter(None, (flag.strip().lower() for flag in header.split(","))):
        name = _undated(flag)
        if name not in _HARMLESS_BETAS:
            kinds.add(_BETA_KINDS.get(name, "unknown_field"))
    return frozenset(kinds)


def _undated(flag: str) -> str:
    """`context-1m-2025-08-07` and `claude-code-20250219` without their dates."""
    words = flag.split("-")
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    return "-".join(words)


def _field(fields: dict[str, msgspec.Raw], name: str, decoder: msgspec.json.Decoder[Any], expected: str) -> Any:
    raw = fields.get(name, b"null")
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError as error:
        problem = "is missing" if name not in fields else f"is not {expected}: {error}"
        raise BadRequest(f"{name} {problem}", param=name) from None
