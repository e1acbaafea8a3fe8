"""The dialect towards a target that takes it as it came: Anthropic itself, and engines that serve /v1/messages.

Only the model's name changes, and our own `provider` hints stay here. The events of a stream are counted by a reader of their
own, because what one used is said in two of them.
"""

import msgspec

from freehold.core.conversation import Untranslatable
from freehold.core.ports import Delta, HttpCall, Reply
from freehold.core.request import Request
from freehold.core.target import Target
from freehold.core.usage import UsageSource
from freehold.wire.anthropic_messages.answer import Block, read_message
from freehold.wire.anthropic_messages.calls import KeyHeader, Spoken, call, model_name
from freehold.wire.anthropic_messages.signatures import DIALECT, unmarked
from freehold.wire.anthropic_messages.steps import Event, error_code, read_event
from freehold.wire.anthropic_messages.usage import merged

_blocks = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_block = msgspec.json.Decoder(Block)
_NULL = msgspec.Raw(b"null")


class MessagesCount:
    """Counts one stream."""

    def __init__(self, source: UsageSource = "provider") -> None:
        self._source: UsageSource = source
        self._start = _NULL

    def delta(self, event: bytes) -> Delta:
        """Read one complete SSE event. Usage comes with `message_delta`: the sums so far over what `message_start` knew.

        A stream that is cut before has none, rather than the few tokens known at its start. Raises ValueError on malformed data.
        """
        read = read_event(event)
        if read is None:
            return Delta()
        match read.type:
            case "message_start" if read.message is not None:
                self._start = read.message.usage
                return Delta()
            case "content_block_start" if read.content_block is not None:
                size = _begun_bytes(read.content_block)
                return Delta(content=size > 0, text_bytes=size)
            case "content_block_delta" if read.delta is not None:
                said = read.delta.text or read.delta.thinking or read.delta.partial_json
                size = len(msgspec.json.encode(said)) if said else 0
                return Delta(content=size > 0, text_bytes=size)
            case "message_delta":
                return self._finish(read)
            case "message_stop":
                return Delta(done=True)
            case "error":
                return Delta(error=error_code(event))
            case "":
                raise ValueError("a stream event is none of this dialect")
        return Delta()

    def _finish(self, event: Event) -> Delta:
        finished = int(event.delta is not None and event.delta.stop_reason is not None)
        counted = merged((self._start, event.usage), self._source) if event.usage != _NULL else merged((), self._source)
        return Delta(finished=finished, usage=counted.usage, raw_usage=counted.raw, service_tier=counted.service_tier)


class Messages:
    """Any target that takes Messages. `usage_source`: whose count its usage is; `key_header`: how it knows us.

    `signed`: it rejects thinking that it did not sign, as Anthropic does. `schemas`: False for an engine that takes
    `output_config.format` and does not follow it, as llama.cpp does in this dialect and not in chat completions.
    """

    def __init__(
        self, usage_source: UsageSource = "provider", key_header: KeyHeader = "authorization", *, signed: bool = False,
        schemas: bool = True,
    ) -> None:  # fmt: skip
        self._source: UsageSource = usage_source
        self._key_header: KeyHeader = key_header
        self._signed = signed
        self._schemas = schemas

    def takes(self, request: Request) -> bool:
        """Whether the target honours the request as it came; else it is to be said to it in another dialect, or not at all."""
        return self._schemas or "json_schema" not in request.needs

    def encode(self, request: Request, target: Target) -> HttpCall:
        """The same request with the target's model name. Raises Untranslatable for what it does not take so."""
        if not self.takes(request):
            raise Untranslatable("output_config.format", "this engine takes it in this dialect and does not follow it")
        fields = {name: raw for name, raw in request.fields.items() if name != "provider"}
        fields["model"] = msgspec.Raw(msgspec.json.encode(model_name(target)))
        if self._signed:
            fields["messages"] = without_foreign_thinking(fields["messages"])
        spoken = Spoken(key_header=self._key_header, stream=request.stream, headers=request.headers)
        return call(target, "messages", fields, spoken)

    def decode(self, body: bytes) -> Reply:
        """A whole answer; ValueError on an error body or anything else that is not one."""
        message = read_message(body)
        counted = merged((message.usage,), self._source)
        said = sum(_said_bytes(_block.decode(block)) for block in message.content or ())
        return Reply(counted.usage, counted.raw, said, counted.service_tier)

    def delta(self, event: bytes) -> Delta:
        """One event by itself. Where `message_delta` leaves the input out, its usage is kept raw and counts as unknown."""
        return MessagesCount(self._source).delta(event)

    def deltas(self) -> MessagesCount:
        """What counts one stream, both of its usages together."""
        return MessagesCount(self._source)


def without_foreign_thinking(raw: msgspec.Raw) -> msgspec.Raw:
    """The messages without thinking that another maker signed, or nobody: it would be rejected, and may be left out."""
    if b'"thinking"' not in bytes(raw):
        return raw
    messages = _blocks.decode(raw)
    changed = False
    for message in messages:
        content = message.get("content", _NULL)
        if memoryview(content)[0] == ord("["):
            blocks = msgspec.json.decode(content, type=list[msgspec.Raw])
            kept = [block for block in blocks if not _is_foreign(block)]
            if len(kept) < len(blocks):
                changed = True
                message["content"] = msgspec.Raw(msgspec.json.encode(kept))
    return msgspec.Raw(msgspec.json.encode(messages)) if changed else raw


class _Signature(msgspec.Struct):
    type: str = ""
    signature: str | None = None
    data: str = ""


_signatures = msgspec.json.Decoder(_Signature)


def _is_foreign(raw: msgspec.Raw) -> bool:
    try:
        block = _signatures.decode(raw)
    except msgspec.DecodeError:
        return False  # the target says what it does not like
    if block.type == "thinking":
        return unmarked(block.signature)[1] != DIALECT
    return block.type == "redacted_thinking" and unmarked(block.data)[1] != DIALECT


def _begun_bytes(block: Block) -> int:
    """Bytes of answer in a block's start: of a call its name, of hidden thinking its data; an object to be filled is nothing."""
    return sum(len(text) for text in (block.text, block.thinking, block.data, block.name))


def _said_bytes(block: Block) -> int:
    """Bytes of JSON that carry answer: text, thinking, calls; not signatures."""
    called = len(memoryview(block.input)) + len(block.name) if block.type == "tool_use" else 0
    return called + sum(len(msgspec.json.encode(text)) for text in (block.text, block.thinking, block.data) if text)
