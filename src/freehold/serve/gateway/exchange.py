"""One request towards one target, and its answer back, in words that each side understands.

Where both speak one dialect the bytes pass untouched and are only counted. Else the request is composed anew for the target and
the answer written anew for the caller: whole answers and streams through the same steps.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Protocol, TypeAlias

from freehold.core.conversation import Conversation, Untranslatable
from freehold.core.decision import Decision
from freehold.core.ports import Codec, Delta, HttpCall, Native, Reply, Splitter, StreamCount, Surface
from freehold.core.prompt import Variant
from freehold.core.request import Request
from freehold.core.said import Broke, Closed, Piece, Step, Stopped, Used, Whole
from freehold.core.target import Target
from freehold.rules.sensitivity.chat_stream import ChatStream
from freehold.rules.sensitivity.restorer import Restorer
from freehold.rules.sensitivity.steps import StepRestorer, restored
from freehold.wire.anthropic_messages import counted
from freehold.wire.prompting.request import prompted
from freehold.wire.sse import EventSplitter

Event: TypeAlias = tuple[bytes, Delta]
Events: TypeAlias = list[Event]


class Exchange(Protocol):
    """What one attempt says and understands. Malformed answers raise ValueError, or RecursionError.

    `left_out`: fields that change no answer and could not be said to this target. `stream_type`: the content type of its streams.
    """

    left_out: frozenset[str]
    stream_type: str

    def call(self) -> HttpCall:
        """What is sent."""
        ...

    def whole(self, body: bytes) -> tuple[bytes, Reply]:
        """A whole reply as its caller may have it."""
        ...

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that this chunk completes, each as it is passed on and as it counts; those before a malformed one come
        before its error."""
        ...

    def end(self) -> Events:
        """The target closed the stream: what was still held, and the end of the answer where only that was missing."""
        ...


class Untouched:
    """Both speak the same dialect."""

    left_out: frozenset[str] = frozenset()
    stream_type = EventSplitter.content_type

    def __init__(self, request: Request, target: Target, native: Native, surface: Surface, restorer: Restorer | None) -> None:
        self._request = request
        self._target = target
        self._native = native
        self._ending = surface.ending
        self._restorer = restorer
        self._stream = None if restorer is None else ChatStream(restorer)
        self._finished = 0
        self._done = False

    @cached_property
    def _count(self) -> StreamCount:
        return self._native.deltas()

    @cached_property
    def _splitter(self) -> EventSplitter:
        return EventSplitter()

    def call(self) -> HttpCall:
        return self._native.encode(self._request, self._target)

    def whole(self, body: bytes) -> tuple[bytes, Reply]:
        reply = self._native.decode(body)
        return (body if self._restorer is None else self._restorer.body(body)), reply

    def feed(self, chunk: bytes) -> Iterator[Event]:
        for event in self._splitter.feed(chunk):
            yield self._passed(event)
        self._splitter.require_short()

    def end(self) -> Events:
        if self._done or self._finished < self._request.choices or not self._ending:
            return []
        held = b"" if self._stream is None else self._stream.end()
        return [(held + self._ending, Delta(done=True))]  # some servers leave the end out; callers wait for it

    def _passed(self, event: bytes) -> Event:
        delta = self._count.delta(event)
        self._finished += delta.finished
        self._done = self._done or delta.done
        if delta.usage_only and not self._request.wants_usage:
            return b"", delta
        if self._stream is None:
            return event, delta
        return (self._stream.end() + event if delta.done else self._stream.event(event)), delta


class Translated:
    """They do not. `call` was composed when the target was decided on, so nothing untranslatable gets here."""

    def __init__(self, request: Request, call: HttpCall, codec: Codec, surface: Surface, restorer: Restorer | None) -> None:
        assert codec.composer is not None, "else nothing could be composed"
        self.left_out: frozenset[str] = frozenset()
        self._request = request
        self._call = call
        self._composer = codec.composer
        self._surface = surface
        self._restorer = restorer
        self._steps = None if restorer is None else StepRestorer(restorer)
        self._splitter: Splitter = EventSplitter() if codec.splitter is None else codec.splitter()
        self.stream_type = self._splitter.content_type
        self._reader = codec.composer.reader()
        self._writer = surface.writer(request)
        self._finished = 0
        self._done = False

    def call(self) -> HttpCall:
        return self._call

    def whole(self, body: bytes) -> tuple[bytes, Reply]:
        whole = self._composer.whole(body)
        reply = Reply(whole.usage, whole.raw_usage, _text_bytes(whole), whole.service_tier)
        if self._restorer is not None:
            whole = restored(whole, self._restorer)
        return self._surface.whole(whole, self._request), reply

    def feed(self, chunk: bytes) -> Iterator[Event]:
        for event in self._splitter.feed(chunk):
            yield self._said(self._reader.read(event))
        self._splitter.require_short()

    def end(self) -> Events:
        steps = list(self._reader.close())
        events = [self._said(steps)] if steps else []
        if not self._done and self._finished >= self._request.choices:
            events.append(self._said([Closed()]))
        return events

    def _said(self, steps: Sequence[Step]) -> Event:
        delta = _counted(steps)
        self._finished += delta.finished
        self._done = self._done or delta.done
        passed: Iterable[Step] = steps if self._steps is None else (after for step in steps for after in self._steps.feed(step))
        return b"".join(self._writer.write(step) for step in passed), delta


def native_of(request: Request, codec: Codec, *, redacted: bool) -> Native | None:
    """How the target takes the request as it came. None where it does not, or where its stream could not be restored."""
    if redacted and request.stream and request.dialect != "openai_chat":
        return None
    native = codec.natives.get(request.dialect)
    return native if native is not None and native.takes(request) else None


class Speech:
    """One request, as it can be said to each target: read into a conversation once, and only where some target needs it.

    `prompts`: by target, the variant that it is asked in; each is put in once, whatever asks for it. `redacted`: rented targets
    see placeholders, so that what comes back from them must be readable enough to be restored.
    """

    def __init__(self, request: Request, surface: Surface, prompts: Mapping[str, Variant] | None = None) -> None:
        self.request = request
        self.surface = surface
        self.prompts = prompts or {}
        self.redacted = False
        self._prompted: dict[str, Speech] = {}
        self._conversation: Conversation | Untranslatable | None = None

    def conversation(self) -> Conversation:
        """Raises Untranslatable, BadRequest."""
        if self._conversation is None:
            try:
                self._conversation = self.surface.parse(self.request)
            except Untranslatable as error:
                self._conversation = error
        if isinstance(self._conversation, Untranslatable):
            raise self._conversation
        return self._conversation

    @property
    def counts(self) -> bool:
        """Whether it asks for a count and nothing else."""
        return self.request.dialect == "anthropic_count_tokens"

    def alone(self) -> bytes | None:
        """An answer that needs no target, where the dialect has one: a count of tokens can be estimated here."""
        return counted(self.request) if self.counts else None

    def said_to(self, target: Target) -> "Speech":
        """The same with the operator's words for that target in it. Raises Untranslatable, BadRequest."""
        variant = self.prompts.get(target.name)
        if variant is None:
            return self
        said = self._prompted.get(variant.release)
        if said is None:
            said = self._prompted[variant.release] = Speech(prompted(self.request, variant), self.surface)
        return said

    def longest(self, decision: Decision) -> Request:
        """The request as it is longest to any of the candidates, for what bounds its cost."""
        said = [self.said_to(candidate.target).request for candidate in decision.candidates]
        return max(said, key=lambda request: request.input_bytes, default=self.request)

    def towards(self, target: Target, codec: Codec, restorer: Restorer | None = None) -> Exchange:
        """The exchange with one target, in its variant of the prompt. Raises Untranslatable, BadRequest."""
        said = self.said_to(target)
        redacted = restorer is not None or (self.redacted and target.rented)
        native = native_of(said.request, codec, redacted=redacted)
        if native is not None:
            return Untouched(said.request, target, native, self.surface, restorer)
        if codec.composer is None:
            raise Untranslatable(self.request.dialect, "this target takes no request of another dialect")
        conversation = said.conversation()
        call = codec.composer.compose(conversation, target, stream=self.request.stream)
        exchange = Translated(said.request, call, codec, self.surface, restorer)
        exchange.left_out = conversation.hints - codec.composer.carries
        return exchange

    def why_not(self, target: Target, codec: Codec) -> Untranslatable | None:
        """What keeps the request from being said to that target; None: nothing."""
        try:
            if native_of(self.said_to(target).request, codec, redacted=self.redacted and target.rented) is not None:
                return None
            self.towards(target, codec)
        except Untranslatable as error:
            return error
        return None


def _text_bytes(whole: Whole) -> int:
    """Bytes that carry answer, to estimate from should no usage come."""
    texts = (getattr(part, name, "") for choice in whole.choices for part in choice.parts for name in ("text", "arguments"))
    return sum(len(text.encode(errors="replace")) for text in texts)


def _counted(steps: Sequence[Step]) -> Delta:
    """What the steps of one event mean to routing and metering."""
    usage, raw, error, tier = None, None, None, None
    text = finished = 0
    done = False
    for step in steps:
        match step:
            case Piece():
                text += len(step.text.encode(errors="replace"))
            case Stopped():
                finished += 1
            case Used():
                usage, raw, tier = step.usage, step.raw, step.service_tier
            case Broke():
                error = step.code
            case Closed():
                done = True
            case _:
                pass
    return Delta(
        content=text > 0, text_bytes=text, finished=finished, usage=usage, raw_usage=raw, done=done, error=error,
        service_tier=tier,
    )  # fmt: skip
