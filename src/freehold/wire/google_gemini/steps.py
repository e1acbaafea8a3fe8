"""Gemini's answers as steps: each event of a stream, and a whole body as the one event that says it all.

Texts go on from event to event, calls come whole. A signature ends the part that it came with; that of words becomes thinking
without text behind them, since words have no place for one. A stream ends with its connection, once every candidate has finished.
"""

from collections.abc import Sequence

import msgspec

from freehold.core.conversation import Media
from freehold.core.said import Began, Broke, Closed, Ended, Opened, PartKind, Piece, Signed, Step, Stopped, Used, Whole, fold
from freehold.core.usage import UsageSource
from freehold.wire.google_gemini.models import DIALECT
from freehold.wire.google_gemini.replies import (
    AnswerPart,
    Blob,
    Called,
    Candidate,
    Response,
    logprobs_of,
    responses,
    stop_of,
)
from freehold.wire.google_gemini.usage import read_usage
from freehold.wire.google_gemini.verdict import error_names
from freehold.wire.openai_chat.finish import call_id
from freehold.wire.sse import data_of


def whole_of(body: bytes, source: UsageSource) -> Whole:
    """Raises ValueError on an error body, or anything else that is no answer."""
    reader = GeminiReader(source)
    steps = reader.said(responses.decode(body), body)
    if not reader.close() and not any(isinstance(step, Broke) for step in steps):
        raise ValueError("200 with no finished answer in it")
    return fold(steps)


class GeminiReader:
    """The StepReader port."""

    def __init__(self, source: UsageSource = "provider") -> None:
        self._source: UsageSource = source
        self._id: str | None = None
        self._choices: dict[int, _Open] = {}
        self._ended = False

    def read(self, event: bytes) -> Sequence[Step]:
        """One complete SSE event. Raises ValueError on malformed data, and on parts that no request of ours asks for."""
        data = data_of(event)
        if data is None or self._ended:
            return ()
        return self.said(responses.decode(data), data)

    def said(self, seen: Response, data: bytes) -> Sequence[Step]:
        """What one reply says. `data`: the same in bytes, for the names in an error."""
        if bytes(seen.error) != b"null":
            self._ended = True
            return [Broke(" ".join(error_names(data)) or "no error code")]
        steps: list[Step] = []
        if self._id is None:
            self._id = seen.responseId
            steps.append(Opened(id=seen.responseId, model=seen.modelVersion))
        for candidate in seen.candidates or ():
            choice = self._choices.setdefault(candidate.index, _Open(candidate.index, self._id))
            steps += choice.read(candidate)
        if not self._choices and seen.promptFeedback is not None and seen.promptFeedback.blockReason:
            choice = self._choices[0] = _Open(0, self._id)
            steps += choice.blocked()
        usage, raw = read_usage(seen.usageMetadata, self._source)
        if raw is not None:
            steps.append(Used(usage, raw))
        self._ended = any(isinstance(step, Broke) for step in steps)
        return steps

    def close(self) -> Sequence[Step]:
        """The dialect has no other end than this; one that a candidate did not come to is none."""
        finished = bool(self._choices) and all(choice.finished for choice in self._choices.values())
        if self._ended or not finished:
            return ()
        self._ended = True
        return (Closed(),)


class _Open:
    """One candidate while it comes."""

    def __init__(self, index: int, answer_id: str) -> None:
        self.finished = False
        self._index = index
        self._answer_id = answer_id
        self._part = -1
        self._kind: PartKind | None = None
        self._calls = 0

    def read(self, candidate: Candidate) -> list[Step]:
        steps: list[Step] = []
        for part in (candidate.content.parts if candidate.content is not None else None) or ():
            steps += self._say(part)
        if (logprobs := logprobs_of(candidate.logprobsResult)) is not None:
            at = next((at for at, step in enumerate(steps) if isinstance(step, Piece)), None)
            if at is None:
                steps += self._in_part("text")
                steps.append(Piece(self._index, self._part, "", logprobs))
            else:
                steps[at] = msgspec.structs.replace(steps[at], logprobs=logprobs)
        if steps and self.finished:
            raise ValueError("a candidate goes on after its finish")
        if candidate.finishReason and not self.finished:
            steps += self._finish(candidate.finishReason)
        return steps

    def blocked(self) -> list[Step]:
        """The prompt was refused, and there is no candidate."""
        self.finished = True
        return [Stopped(self._index, "refused")]

    def _say(self, part: AnswerPart) -> list[Step]:
        match part:
            case AnswerPart(functionCall=Called() as call):
                return self._call(call, part.thoughtSignature)
            case AnswerPart(inlineData=Blob() as blob):
                return self._media(blob)
            case AnswerPart(text=str() as text):
                return self._text(text, part)
        raise ValueError("an answer holds a part of a kind that was not asked for")

    def _text(self, text: str, part: AnswerPart) -> list[Step]:
        kind: PartKind = "thinking" if part.thought else "text"
        steps = [*self._in_part(kind), Piece(self._index, self._part, text)] if text else []
        if part.thoughtSignature and kind == "thinking":
            steps += [*self._in_part(kind), self._signed(part.thoughtSignature), *self._end()]
        elif part.thoughtSignature:
            steps += [*self._begin("thinking", redacted=True), self._signed(part.thoughtSignature), *self._end()]
        return steps

    def _call(self, call: Called, signature: str) -> list[Step]:
        """Its arguments as they were written. Ids are rare here, so one is made of the answer's."""
        arguments = "{}" if bytes(call.args) == b"null" else bytes(call.args).decode()
        if not arguments.startswith("{"):
            raise ValueError("a tool was called with arguments that are no JSON object")
        known = call_id(call.id or None, self._answer_id, self._index, self._calls)
        self._calls += 1
        steps = self._begin("call", call=known, name=call.name)
        steps.append(Piece(self._index, self._part, arguments))
        return [*steps, *([self._signed(signature)] if signature else []), *self._end()]

    def _media(self, blob: Blob) -> list[Step]:
        kind = blob.mimeType.partition("/")[0]
        media = Media(
            kind="image" if kind == "image" else "audio" if kind == "audio" else "file", media_type=blob.mimeType, data=blob.data
        )
        ended = self._end()
        self._part += 1
        began = Began(choice=self._index, part=self._part, kind="media", media=media)
        return [*ended, began, Ended(self._index, self._part)]

    def _finish(self, reason: str) -> list[Step]:
        self.finished = True
        stop = stop_of(reason, calls=self._calls > 0)
        return [*self._end(), Broke(reason[:64]) if stop is None else Stopped(self._index, stop)]

    def _in_part(self, kind: PartKind) -> list[Step]:
        """A part of that kind is the one that goes on."""
        return [] if kind == self._kind else self._begin(kind)

    def _begin(self, kind: PartKind, *, call: str = "", name: str = "", redacted: bool = False) -> list[Step]:
        ended = self._end()
        self._part, self._kind = self._part + 1, kind
        return [*ended, Began(choice=self._index, part=self._part, kind=kind, id=call, name=name, redacted=redacted)]

    def _end(self) -> list[Step]:
        ended: list[Step] = [] if self._kind is None else [Ended(self._index, self._part)]
        self._kind = None
        return ended

    def _signed(self, signature: str) -> Signed:
        return Signed(self._index, self._part, signature, DIALECT)
