"""Legacy completions for a target that takes them as they come: untouched, only counted."""

from collections.abc import Mapping

import msgspec

from freehold.core.ports import Delta, HttpCall, Reply, StreamCount
from freehold.core.request import Request
from freehold.core.target import Target
from freehold.core.usage import UsageSource
from freehold.wire.openai_chat.added_up import AddedUp
from freehold.wire.openai_chat.calls import as_it_came, post
from freehold.wire.openai_chat.error_names import error_name
from freehold.wire.openai_chat.fields import NULL
from freehold.wire.openai_chat.quirks import OTHERS, Quirks
from freehold.wire.openai_chat.usage import of_all_choices, read_usage
from freehold.wire.sse import data_of
from freehold.wire.stateless import Stateless


class _Choice(msgspec.Struct):
    text: msgspec.Raw = NULL
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    object: str | None = None


_completions = msgspec.json.Decoder(_Completion | None)


class OpenAiCompletions(Stateless):
    """The Native port. `usage_source` says whose count its usage is."""

    def __init__(
        self, usage_source: UsageSource = "provider", headers: Mapping[str, str] | None = None, quirks: Quirks = OTHERS
    ) -> None:
        self._source: UsageSource = usage_source
        self._headers = dict(headers or {})
        self._quirks = quirks

    def encode(self, request: Request, target: Target) -> HttpCall:
        """The same request with the target's model name, usage asked for, our hints taken out."""
        return post(target, "completions", as_it_came(request, target, self._quirks), self._headers, self._quirks)

    def decode(self, body: bytes) -> Reply:
        """A whole answer; ValueError on an error body or anything else that is not one."""
        completion = _completions.decode(body)
        if completion is None or completion.choices is None or _is_error(completion):
            raise ValueError(f"200 with no completion in it ({error_name(body)})")
        usage, raw = read_usage(completion.usage, self._source)
        texts = [_text_bytes(choice) for choice in completion.choices]
        if usage is not None and self._quirks.counts_one_choice:
            usage = of_all_choices(usage, texts)
        return Reply(usage, raw, sum(texts))

    def deltas(self) -> StreamCount:
        """What counts one stream."""
        return AddedUp(self) if self._quirks.counts_one_choice else self

    def delta(self, event: bytes) -> Delta:
        """One stream event; ValueError on data that is neither [DONE] nor a chunk. llama.cpp begins with one of null."""
        data = data_of(event)
        if data is None:
            return Delta()
        if data.strip() == b"[DONE]":
            return Delta(done=True)
        chunk = _completions.decode(data)
        if chunk is None:
            return Delta()
        if _is_error(chunk) or event.startswith(b"event: error"):
            return Delta(error=error_name(data))
        choices = chunk.choices or []
        usage, raw = read_usage(chunk.usage, self._source)
        text = sum(_text_bytes(choice) for choice in choices)
        return Delta(
            content=text > 0, text_bytes=text, finished=sum(bool(choice.finish_reason) for choice in choices), usage=usage,
            raw_usage=raw, usage_only=usage is not None and not choices,
        )  # fmt: skip


def _text_bytes(choice: _Choice) -> int:
    raw = bytes(choice.text)
    return 0 if raw in (b"null", b'""') else len(raw)


def _is_error(completion: _Completion) -> bool:
    return bytes(completion.error) != b"null" or completion.object == "error"
