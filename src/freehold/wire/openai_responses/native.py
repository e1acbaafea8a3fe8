"""The dialect towards a target that takes it as it came: OpenAI itself, and engines that serve /v1/responses.

The model's name changes, our own `provider` hints stay here, reasoning that the target could not read is left out, and a target
is told to keep nothing where the caller did not say that it should.
"""

from collections.abc import Mapping, Set
from typing import Literal, TypeAlias

import msgspec

from freehold.core.conversation import Untranslatable
from freehold.core.ports import Delta, HttpCall, Reply
from freehold.core.request import Request
from freehold.core.target import Target
from freehold.core.usage import UsageSource
from freehold.wire.openai_chat.calls import model_of, post
from freehold.wire.openai_chat.error_names import error_codes
from freehold.wire.openai_chat.fields import FIELDS, NULL
from freehold.wire.openai_chat.quirks import OTHERS, Quirks
from freehold.wire.openai_responses.signatures import DIALECT, is_ours, unmarked
from freehold.wire.openai_responses.usage import read_usage
from freehold.wire.sse import data_of

Lack: TypeAlias = Literal["formats", "streams"]


class _Response(msgspec.Struct):
    output: list[dict[str, msgspec.Raw]] | None = None
    status: str | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    service_tier: str | None = None


class _Item(msgspec.Struct):
    type: str = ""
    name: msgspec.Raw = NULL


class _Event(msgspec.Struct):
    type: str = ""
    delta: msgspec.Raw = NULL
    item: _Item | None = None
    response: _Response | None = None
    error: msgspec.Raw = NULL


class _Reasoning(msgspec.Struct):
    type: str | None = None
    id: str | None = None
    content: msgspec.Raw = NULL
    encrypted_content: str | None = None


_responses, _events = msgspec.json.Decoder(_Response), msgspec.json.Decoder(_Event)
_items, _list = msgspec.json.Decoder(list[_Reasoning]), msgspec.json.Decoder(list[msgspec.Raw])
_NOTHING = (b"null", b'""', b"[]", b"{}")
_SAID = ("summary", "arguments", "name", "input", "output", "code", "result")
_WORDS = ("text", "refusal")
_ANSWERED = frozenset({"completed", "incomplete"})
_FORMATS = frozenset({"json_schema", "json_object"})


class Responses:
    """The Native port. `usage_source`: whose count its usage is.

    `signed`: it reads sealed reasoning of its own making, as OpenAI does; an engine reads plain reasoning only, and rejects what
    is sealed. `lacks`: what an engine takes and does not do as the dialect says, as llama.cpp takes both: `formats`, it does not
    follow `text.format`; `streams`, its events do not say which part of the answer they belong to, and the vendor's SDK fails.
    """

    def __init__(
        self, usage_source: UsageSource = "provider", headers: Mapping[str, str] | None = None, quirks: Quirks = OTHERS, *,
        signed: bool = False, lacks: Set[Lack] = frozenset(),
    ) -> None:  # fmt: skip
        self._source: UsageSource = usage_source
        self._headers = dict(headers or {})
        self._quirks = quirks
        self._signed = signed
        self._lacks = lacks

    def takes(self, request: Request) -> bool:
        """Whether the target honours the request as it came; else it is to be said to it in another dialect, or not at all."""
        return self._lacked(request) is None

    def encode(self, request: Request, target: Target) -> HttpCall:
        """The same request with the target's model name. Raises Untranslatable for what it does not take so."""
        if (field := self._lacked(request)) is not None:
            raise Untranslatable(field, "this engine takes it in this dialect and does not do it as the dialect says")
        fields = {name: raw for name, raw in request.fields.items() if name != "provider"}
        fields["model"] = msgspec.Raw(msgspec.json.encode(model_of(target)))
        # Without a word OpenAI keeps an answer for 30 days or more. Egress was judged without that word, so it is said here, to
        # every target alike: what was judged and what is sent cannot differ by what a target is cleared for.
        if bytes(fields.get("store", NULL)) == b"null":
            fields["store"] = msgspec.Raw(b"false")
        if "input" in fields:
            fields["input"] = self._readable(fields["input"])
        return post(target, "responses", fields, self._headers, self._quirks)

    def decode(self, body: bytes) -> Reply:
        """A whole answer; ValueError on an error body or anything else that is not one."""
        response = _responses.decode(body)
        failed = bytes(response.error) != b"null" or response.status not in {None, *_ANSWERED}
        if response.output is None or failed:
            raise ValueError(f"200 with no response in it ({_error_name(body)})")
        usage, raw = read_usage(response.usage, self._source)
        return Reply(usage, raw, sum(map(_said_bytes, response.output)), response.service_tier)

    def deltas(self) -> "Responses":
        """What counts one stream: every event says all there is to know of it."""
        return self

    def delta(self, event: bytes) -> Delta:
        """One stream event; ValueError on data that is none. [DONE] means nothing here: the dialect has an end of its own."""
        data = data_of(event)
        if data is None or data.strip() == b"[DONE]":
            return Delta()
        read = _events.decode(data)
        kind = read.type.removeprefix("response.")
        if bytes(read.error) != b"null" or kind in {"error", "failed"}:
            said = bytes(read.response.error) if read.response is not None else data
            return Delta(error=_error_name(said))
        if kind in _ANSWERED and read.response is not None:
            usage, raw = read_usage(read.response.usage, self._source)
            return Delta(finished=1, usage=usage, raw_usage=raw, done=True, service_tier=read.response.service_tier)
        if kind in _ANSWERED or not kind:
            raise ValueError("a stream event is none of this dialect, or lacks its response")
        size = 0
        if kind.endswith(".delta"):
            size = 0 if bytes(read.delta) in _NOTHING else len(memoryview(read.delta))
        elif kind == "output_item.added" and read.item is not None and read.item.type == "function_call":
            size = len(memoryview(read.item.name))
        return Delta(content=size > 0, text_bytes=size)

    def _lacked(self, request: Request) -> str | None:
        """The field that asks for what it lacks."""
        if "formats" in self._lacks and request.needs & _FORMATS:
            return "text.format"
        return "stream" if "streams" in self._lacks and request.stream else None

    def _readable(self, raw: msgspec.Raw) -> msgspec.Raw:
        """The input without reasoning that the target would reject or could make nothing of; it may be left out."""
        if b'"reasoning"' not in bytes(raw) or memoryview(raw)[0] != ord("["):
            return raw
        reads = self._reads_sealed if self._signed else _is_plain
        whole, known = _list.decode(raw), _items.decode(raw)
        kept = [item for item, seen in zip(whole, known, strict=True) if seen.type != "reasoning" or reads(seen)]
        return raw if len(kept) == len(whole) else msgspec.Raw(msgspec.json.encode(kept))

    @staticmethod
    def _reads_sealed(item: _Reasoning) -> bool:
        """Of its own making; or kept there, in a request that was cleared to refer to it."""
        if item.encrypted_content:
            return unmarked(item.encrypted_content)[1] == DIALECT
        return item.id is not None and not is_ours(item.id)


def _is_plain(item: _Reasoning) -> bool:
    return not item.encrypted_content and bytes(item.content) not in _NOTHING


def _said_bytes(item: dict[str, msgspec.Raw]) -> int:
    """Bytes of JSON that carry answer: words, thinking, calls; not what seals or names them."""
    size = sum(len(memoryview(item[name])) for name in _SAID if name in item and bytes(item[name]) not in _NOTHING)
    content = item.get("content", NULL)
    if memoryview(content)[0] == ord("["):
        parts = [FIELDS.decode(part) for part in _list.decode(content)]
        size += sum(len(memoryview(part[name])) for part in parts for name in _WORDS if name in part)
    return size


def _error_name(body: bytes) -> str:
    """The error's own names: not the word that every error event has for its type."""
    return " ".join(sorted(error_codes(body) - {"error"})) or "no error code"
