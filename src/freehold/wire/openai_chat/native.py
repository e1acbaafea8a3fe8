"""The codec for every target that speaks chat completions, for a request that came in them.

Values we do not act on stay raw JSON and leave as they came; only `model`, `stream_options` and our own `provider` hints change.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

import msgspec

from freehold.core.ports import Delta, HttpCall, Reply, Verdict
from freehold.core.request import Request
from freehold.core.target import Target
from freehold.core.usage import Usage, UsageSource
from freehold.wire.retry_after import retry_after_s
from freehold.wire.sse import data_of

_OUT_OF_MONEY = frozenset(
    "insufficient_quota credit_balance_exhausted organization_spend_limit_exceeded project_spend_limit_exceeded"
    " organization_usage_limit_exceeded billing_hard_limit_reached".split()
)


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


_Count: TypeAlias = Annotated[int, msgspec.Meta(le=2**40)]  # beyond it, tokens times price would not fit a ledger's integer


class _Usage(msgspec.Struct):
    prompt_tokens: _Count
    completion_tokens: _Count = 0
    total_tokens: _Count | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Choice(msgspec.Struct):
    delta: dict[str, msgspec.Raw] | None = None
    message: dict[str, msgspec.Raw] | None = None
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")
    error: msgspec.Raw = msgspec.Raw(b"null")
    object: str | None = None


_completions = msgspec.json.Decoder(_Completion)
_NO_CONTENT = (b"null", b'""', b"[]", b"{}")
_NOT_CONTENT = frozenset({"role", "name"})
_ERROR_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}|[0-9]{3}")
_RAW_USAGE_BYTES = 4096
_DEFAULT_COOL_S = 1.0
_LONGEST_COOL_S = 300.0


class OpenAiChat:
    """The codec of any OpenAI-compatible server. `usage_source` says whose count its usage is."""

    def __init__(self, usage_source: UsageSource = "provider", headers: Mapping[str, str] | None = None) -> None:
        self._source: UsageSource = usage_source
        self._headers = dict(headers or {})

    def encode(self, request: Request, target: Target) -> HttpCall:
        """The same request with the target's model name, usage asked for, our hints taken out."""
        fields = {name: raw for name, raw in request.fields.items() if name != "provider"}
        fields["model"] = msgspec.Raw(msgspec.json.encode(target.model.partition("@")[0] if not target.rented else target.model))
        if request.stream:
            options = msgspec.json.decode(fields.get("stream_options", b"null"), type=dict[str, Any] | None) or {}
            fields["stream_options"] = msgspec.Raw(msgspec.json.encode(options | {"include_usage": True}))
        headers = self._headers | {"content-type": "application/json", "accept-encoding": "identity"}
        headers["accept"] = "text/event-stream" if request.stream else "application/json"
        if target.secret is not None:
            headers["authorization"] = f"Bearer {target.secret.reveal()}"
        return HttpCall(f"{api_root(target.url)}/chat/completions", headers, msgspec.json.encode(fields))

    def decode(self, body: bytes) -> Reply:
        """A whole answer; ValueError on an error body or anything else that is not one."""
        completion = _completions.decode(body)
        if completion.choices is None or _is_error(completion):
            raise ValueError(f"200 with no completion in it ({_error_name(body)})")
        usage, raw = self._usage(completion.usage)
        text = sum(_content_bytes(choice.message or {}) for choice in completion.choices)
        return Reply(usage, raw, text)

    def delta(self, event: bytes) -> Delta:
        """One stream event; ValueError on data that is neither [DONE] nor a chunk."""
        data = data_of(event)
        if data is None:
            return Delta()
        if data.strip() == b"[DONE]":
            return Delta(done=True)
        chunk = _completions.decode(data)
        if _is_error(chunk) or event.startswith(b"event: error"):
            return Delta(error=_error_name(data))
        choices = chunk.choices or []
        usage, raw = self._usage(chunk.usage)
        text = sum(_content_bytes(choice.delta or {}) for choice in choices)
        finished = sum(bool(choice.finish_reason) for choice in choices)
        return Delta(
            content=text > 0, text_bytes=text, finished=finished, usage=usage, raw_usage=raw,
            usage_only=usage is not None and not choices,
        )  # fmt: skip

    def verdict(self, status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
        """By status and code: money that ran out is not a rate limit, and a bad request is nobody else's to mend."""
        codes = _error_codes(body)
        detail = f"{status} {_error_name(body)}".strip()
        wait = retry_after_s(headers)
        cool = _DEFAULT_COOL_S if wait is None else min(wait, _LONGEST_COOL_S)
        if status == 402 or (status == 429 and codes & _OUT_OF_MONEY):
            return Verdict(True, "rejected", detail, cool_s=_LONGEST_COOL_S)
        if status in {429, 503, 529}:
            return Verdict(True, "overloaded", detail, cool_s=cool, retry_after_s=wait)
        if status >= 500 or status in {408, 409, 425} or 300 <= status < 400:
            return Verdict(True, "broken", detail, cool_s=0.0 if wait is None else cool, retry_after_s=wait)
        if status == 401:
            return Verdict(True, "rejected", detail, cool_s=10.0)
        refused_content = any(word in code for code in codes for word in ("content", "moderation", "safety"))
        return Verdict(status in {403, 404} and not refused_content, "rejected", detail)

    def _usage(self, raw: msgspec.Raw) -> tuple[Usage | None, str | None]:
        """Counts that contradict themselves are no counts: they are kept raw and estimated instead."""
        if _is_null(raw):
            return None, None
        text = bytes(raw)[:_RAW_USAGE_BYTES].decode(errors="replace")
        try:
            seen = msgspec.json.decode(raw, type=_Usage)
            inputs, outputs = seen.prompt_tokens_details or _PromptDetails(), seen.completion_tokens_details
            # Some vendors leave reasoning out of completion_tokens; their total has it.
            output = max(seen.completion_tokens, (seen.total_tokens or 0) - seen.prompt_tokens)
            usage = Usage(
                input_tokens=seen.prompt_tokens, output_tokens=output, cache_read=inputs.cached_tokens,
                cache_write=inputs.cache_write_tokens, reasoning=outputs.reasoning_tokens if outputs else None,
                source=self._source,
            )  # fmt: skip
        except ValueError:
            return None, text
        return usage, text


def api_root(url: str) -> str:
    """Where the API's paths start: the URL as given, or `/v1` on a bare origin."""
    bare = url.rstrip("/")
    return bare if bare.count("/") > 2 else f"{bare}/v1"


def _is_null(raw: msgspec.Raw) -> bool:
    return bytes(raw) == b"null"


def _content_bytes(delta: dict[str, msgspec.Raw]) -> int:
    """Bytes of JSON that carry answer: text, reasoning, refusals, tool calls; not the role."""
    return sum(len(value) for name, raw in delta.items() if name not in _NOT_CONTENT and (value := bytes(raw)) not in _NO_CONTENT)


def _is_error(completion: _Completion) -> bool:
    return not _is_null(completion.error) or completion.object == "error"


def _error_codes(body: bytes) -> set[str]:
    """The error's code and type: names only. Its message may echo the prompt and is kept nowhere."""
    try:
        value = msgspec.json.decode(body)
    except ValueError:
        return set()
    error = value.get("error", value) if isinstance(value, dict) else None
    named = (str(error.get(name) or "") for name in ("code", "type")) if isinstance(error, dict) else ()
    return {name for name in named if _ERROR_NAME.fullmatch(name)}


def _error_name(body: bytes) -> str:
    return " ".join(sorted(_error_codes(body))) or "no error code"
