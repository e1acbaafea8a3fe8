"""A target's chat stream as steps. Nothing is held: a delta in is a delta out."""

from collections.abc import Sequence

import msgspec

from freehold.core.said import Began, Broke, Closed, Ended, Opened, PartKind, Piece, Step, Stopped, Used
from freehold.core.usage import Usage, UsageSource
from freehold.wire.openai_chat.answer import Logprobs
from freehold.wire.openai_chat.error_names import error_name
from freehold.wire.openai_chat.fields import NULL
from freehold.wire.openai_chat.finish import call_id, stop_of
from freehold.wire.openai_chat.quirks import Quirks
from freehold.wire.openai_chat.spoken import Spoken
from freehold.wire.openai_chat.usage import Groq, added, counts_of, read_usage
from freehold.wire.sse import data_of


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(Spoken):
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    logprobs: Logprobs | None = None


class _Chunk(msgspec.Struct):
    id: str = ""
    model: str = ""
    created: int | None = None
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = NULL
    error: msgspec.Raw = NULL
    object: str | None = None
    service_tier: str | None = None
    x_groq: Groq | None = None


_chunks = msgspec.json.Decoder(_Chunk | None)


class ChatReader:
    """The StepReader port."""

    def __init__(self, source: UsageSource, quirks: Quirks) -> None:
        self._source: UsageSource = source
        self._adds_up = quirks.counts_one_choice
        self._id: str | None = None
        self._choices: dict[int, _Open] = {}
        self._usage: Usage | None = None
        self._ended = False

    def read(self, event: bytes) -> Sequence[Step]:
        """One complete SSE event. Raises ValueError on malformed data."""
        data = data_of(event)
        if data is None or self._ended:
            return ()
        if data.strip() == b"[DONE]":
            self._ended = True
            return (Closed(),)
        chunk = _chunks.decode(data)
        if chunk is None:
            return ()
        if bytes(chunk.error) != b"null" or chunk.object == "error" or event.startswith(b"event: error"):
            self._ended = True
            return (Broke(error_name(data)),)
        steps: list[Step] = []
        if self._id is None:
            self._id = chunk.id
            steps.append(Opened(id=chunk.id, model=chunk.model, created=chunk.created))
        for choice in chunk.choices or ():
            if choice.index not in self._choices:
                self._choices[choice.index] = _Open(choice.index, self._id)
            steps += self._choices[choice.index].read(choice)
        counts = counts_of(chunk.usage, chunk.x_groq)
        if bytes(counts) != b"null":
            steps.append(self._used(counts, chunk.service_tier))
        return steps

    def close(self) -> Sequence[Step]:
        """Some servers leave [DONE] out: a stream whose every choice is finished is whole without it."""
        finished = bool(self._choices) and all(choice.finished for choice in self._choices.values())
        if self._ended or not finished:
            return ()
        self._ended = True
        return (Closed(),)

    def _used(self, counts: msgspec.Raw, tier: str | None) -> Used:
        usage, raw = read_usage(counts, self._source)
        if usage is not None and self._adds_up:
            usage = added(self._usage, usage)
        self._usage = usage
        return Used(usage, raw, tier)


class _Open:
    """One choice while it comes."""

    def __init__(self, index: int, answer_id: str) -> None:
        self.finished = False
        self._index = index
        self._answer_id = answer_id
        self._part = -1
        self._kind: PartKind | None = None
        self._calls = 0
        self._call = -1
        self._refused = False

    def read(self, choice: _Choice) -> list[Step]:
        steps: list[Step] = []
        delta = choice.delta or _Delta()
        for kind, text in delta.words():
            self._refused = self._refused or kind == "refusal"
            steps += self._in_part(kind)
            steps.append(Piece(self._index, self._part, text))
        for call in delta.tool_calls or ():
            steps += self._of_call(call)
        if choice.logprobs is not None and bytes(choice.logprobs.content) not in (b"null", b"[]"):
            self._attach(steps, choice.logprobs.content)
        if steps and self.finished:
            raise ValueError("a choice goes on after its finish")
        if choice.finish_reason and not self.finished:
            steps += self._stop(choice.finish_reason, choice.stop_reason)
        return steps

    def _in_part(self, kind: PartKind) -> list[Step]:
        """A part of that kind is the one that goes on."""
        return [] if kind == self._kind else self._begin(kind)

    def _begin(self, kind: PartKind, call: str = "", name: str = "") -> list[Step]:
        ended: list[Step] = [] if self._kind is None else [Ended(self._index, self._part)]
        self._part, self._kind = self._part + 1, kind
        return [*ended, Began(choice=self._index, part=self._part, kind=kind, id=call, name=name)]

    def _of_call(self, call: _Call) -> list[Step]:
        function = call.function or _Function()
        starts = bool(call.id or function.name)
        index = call.index if call.index is not None else self._calls if starts else self._call
        steps: list[Step] = []
        if index != self._call or self._kind != "call":
            if not function.name or index < self._calls:
                raise ValueError("a tool call begins without a name, or goes on after the next began")
            known = call_id(call.id, self._answer_id, self._index, self._calls)
            steps = self._begin("call", known, function.name)
            self._call, self._calls = index, max(self._calls, index) + 1
        if function.arguments:
            steps.append(Piece(self._index, self._part, function.arguments))
        return steps

    def _attach(self, steps: list[Step], logprobs: msgspec.Raw) -> None:
        """To the first piece of this chunk; tokens without text of their own make an empty one."""
        at = next((at for at, step in enumerate(steps) if isinstance(step, Piece)), None)
        if at is None:
            steps += [] if self._kind is not None else self._begin("text")
            steps.append(Piece(self._index, self._part, "", logprobs))
        else:
            steps[at] = msgspec.structs.replace(steps[at], logprobs=logprobs)

    def _stop(self, finish: str, reason: str | int | None) -> list[Step]:
        self.finished = True
        ended: list[Step] = [] if self._kind is None else [Ended(self._index, self._part)]
        sequence = reason if isinstance(reason, str) else None
        stop = stop_of(finish, calls=self._calls > 0, refused=self._refused, stop_sequence=sequence)
        return [*ended, Stopped(self._index, stop, sequence if stop == "stop_sequence" else None)]
