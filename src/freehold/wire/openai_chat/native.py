"""The codec for every target that speaks chat completions, for a request that came in them.

Values we do not act on stay raw JSON and leave as they came; only `model`, `stream_options` and our own `provider` hints change.
"""

from collections.abc import Mapping

import msgspec

from freehold.core.ports import Delta, HttpCall, Reply, StreamCount, Verdict
from freehold.core.request import Request
from freehold.core.target import Target
from freehold.core.usage import UsageSource
from freehold.wire.openai_chat.added_up import AddedUp
from freehold.wire.openai_chat.calls import as_it_came, post
from freehold.wire.openai_chat.error_names import error_codes, error_name
from freehold.wire.openai_chat.quirks import OTHERS, Quirks
from freehold.wire.openai_chat.repeating import Repeating
from freehold.wire.openai_chat.usage import Groq, counts_of, of_all_choices, read_usage
from freehold.wire.retry_after import retry_after_s
from freehold.wire.sse import data_of
from freehold.wire.stateless import Stateless

_OUT_OF_MONEY = frozenset(
    "insufficient_quota credit_balance_exhausted organization_spend_limit_exceeded project_spend_limit_exceeded"
    " organization_usage_limit_exceeded billing_hard_limit_reached".split()
)


class _Choice(msgspec.Struct):
    delta: dict[str, msgspec.Raw] | None = None
    message: dict[str, msgspec.Raw] | None = None
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")
    error: msgspec.Raw = msgspec.Raw(b"null")
    object: str | None = None
    service_tier: str | None = None
    x_groq: Groq | None = None


_completions = msgspec.json.Decoder(_Completion)
_NO_CONTENT = (b"null", b'""', b"[]", b"{}")
_NOT_CONTENT = frozenset({"role", "name"})
_DEFAULT_COOL_S = 1.0
_LONGEST_COOL_S = 300.0


class OpenAiChat(Stateless):
    """The codec of any OpenAI-compatible server. `usage_source` says whose count its usage is."""

    def __init__(
        self, usage_source: UsageSource = "provider", headers: Mapping[str, str] | None = None, quirks: Quirks = OTHERS
    ) -> None:
        self._source: UsageSource = usage_source
        self._headers = dict(headers or {})
        self._quirks = quirks

    def encode(self, request: Request, target: Target) -> HttpCall:
        """The same request with the target's model name, usage asked for, our hints taken out."""
        return post(target, "chat/completions", as_it_came(request, target, self._quirks), self._headers, self._quirks)

    def decode(self, body: bytes) -> Reply:
        """A whole answer; ValueError on an error body or anything else that is not one."""
        completion = _completions.decode(body)
        if completion.choices is None or _is_error(completion):
            raise ValueError(f"200 with no completion in it ({error_name(body)})")
        usage, raw = read_usage(completion.usage, self._source)
        texts = [_content_bytes(choice.message or {}) for choice in completion.choices]
        if usage is not None and self._quirks.counts_one_choice:
            usage = of_all_choices(usage, texts)
        return Reply(usage, raw, sum(texts), completion.service_tier)

    def deltas(self) -> StreamCount:
        """What counts one stream."""
        events = Repeating(self)
        return AddedUp(events) if self._quirks.counts_one_choice else events

    def delta(self, event: bytes) -> Delta:
        """One stream event; ValueError on data that is neither [DONE] nor a chunk."""
        data = data_of(event)
        if data is None:
            return Delta()
        if data.strip() == b"[DONE]":
            return Delta(done=True)
        chunk = _completions.decode(data)
        if _is_error(chunk) or event.startswith(b"event: error"):
            return Delta(error=error_name(data))
        choices = chunk.choices or []
        usage, raw = read_usage(counts_of(chunk.usage, chunk.x_groq), self._source)
        text = sum(_content_bytes(choice.delta or {}) for choice in choices)
        finished = sum(bool(choice.finish_reason) for choice in choices)
        return Delta(
            content=text > 0, text_bytes=text, finished=finished, usage=usage, raw_usage=raw,
            usage_only=usage is not None and not choices, service_tier=chunk.service_tier,
        )  # fmt: skip

    def verdict(self, status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
        """By status and code: money that ran out is not a rate limit, and a bad request is nobody else's to mend."""
        codes = error_codes(body)
        detail = f"{status} {error_name(body)}".strip()
        wait = retry_after_s(headers, body)
        cool = _DEFAULT_COOL_S if wait is None else min(wait, _LONGEST_COOL_S)
        if status == 402 or (status == 429 and codes & _OUT_OF_MONEY):
            return Verdict(True, "rejected", detail, cool_s=_LONGEST_COOL_S)
        if status in {429, 503, 529}:
            return Verdict(True, "overloaded", detail, cool_s=cool, retry_after_s=wait)
        if status == 501:  # it has no such dialect or feature, and is well: callers must not be able to cool it down for others
            return Verdict(True, "rejected", detail)
        if status >= 500 or status in {408, 409, 425} or 300 <= status < 400:
            return Verdict(True, "broken", detail, cool_s=0.0 if wait is None else cool, retry_after_s=wait)
        if status == 401:
            return Verdict(True, "rejected", detail, cool_s=10.0)
        refused_content = any(word in code for code in codes for word in ("content", "moderation", "safety"))
        return Verdict(status in {403, 404} and not refused_content, "rejected", detail)


def _is_null(raw: msgspec.Raw) -> bool:
    return bytes(raw) == b"null"


def _content_bytes(delta: dict[str, msgspec.Raw]) -> int:
    """Bytes of JSON that carry answer: text, reasoning, refusals, tool calls; not the role."""
    return sum(len(value) for name, raw in delta.items() if name not in _NOT_CONTENT and (value := bytes(raw)) not in _NO_CONTENT)


def _is_error(completion: _Completion) -> bool:
    return not _is_null(completion.error) or completion.object == "error"
