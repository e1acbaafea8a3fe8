"""Replicate's answers: a prediction that has ended, and the events of a stream (`output`, `error`, `done`; `logs` says nothing).

Every answer is one text. Why it ended is not said, so it ended; a stream does not name its model, nor count its tokens.
"""

from collections.abc import Sequence
from typing import Annotated, TypeAlias

import msgspec

from freehold.core.conversation import Text
from freehold.core.said import Began, Broke, Choice, Closed, Ended, Opened, Piece, Step, Stopped, Whole
from freehold.core.usage import Usage
from freehold.wire.replicate.predictions import Prediction, predictions
from freehold.wire.sse import data_of

_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**40)]  # beyond it, tokens times price would not fit a ledger
_RAW_BYTES = 4096


class _Metrics(msgspec.Struct):
    input_token_count: _Count
    output_token_count: _Count


class _Done(msgspec.Struct):
    reason: str | None = None


_metrics = msgspec.json.Decoder(_Metrics)
_done = msgspec.json.Decoder(_Done)
_EVENT = b"event:"


def whole_of(body: bytes) -> Whole:
    """Raises ValueError on a prediction without an answer. What went wrong may echo the prompt and is kept nowhere."""
    seen = predictions.decode(body)
    if seen.status != "succeeded":
        raise ValueError(f"a prediction that is {seen.status}, with no answer in it")
    usage, raw = _used(seen.metrics)
    choice = Choice(parts=tuple(Text(text) for text in [_text(seen)] if text), stop="end")
    return Whole(id=seen.id, model=seen.model or seen.version or "", choices=(choice,), usage=usage, raw_usage=raw)


def _text(seen: Prediction) -> str:
    output = [seen.output] if isinstance(seen.output, str) else seen.output
    if not isinstance(output, list) or not all(isinstance(piece, str) for piece in output):
        raise ValueError("a prediction's output is no text")
    return "".join(output)


def _used(raw: msgspec.Raw) -> tuple[Usage | None, str | None]:
    """Not every model counts: what it used is then unknown here, and estimated where it is recorded."""
    if bytes(raw) == b"null":
        return None, None
    text = bytes(raw)[:_RAW_BYTES].decode(errors="replace")
    try:
        seen = _metrics.decode(raw)
    except msgspec.DecodeError:
        return None, text
    return Usage(input_tokens=seen.input_token_count, output_tokens=seen.output_token_count, source="provider"), text


class ReplicateReader:
    """The StepReader port."""

    def __init__(self) -> None:
        self._opened = False
        self._began = False
        self._ended = False

    def read(self, event: bytes) -> Sequence[Step]:
        """One complete event. Raises ValueError on a stream that ends without saying how."""
        kind, data = _field(event, _EVENT), data_of(event)
        if self._ended or data is None:
            return ()
        match kind:
            case b"output":
                return [*self._open(event), *self._say(data.decode())]
            case b"error":
                self._ended = True
                return [Broke("prediction_error")]
            case b"done":
                self._ended = True
                return [*self._open(event), *_end(data, began=self._began)]
        return ()

    def close(self) -> Sequence[Step]:
        """Nothing is held back here, and the dialect ends a stream with an event of its own."""
        return ()

    def _open(self, event: bytes) -> list[Step]:
        if self._opened:
            return []
        self._opened = True
        identity = (_field(event, b"id:") or b"").decode(errors="replace")
        return [Opened(id=f"prediction-{identity}" if identity else "prediction", model="")]

    def _say(self, text: str) -> list[Step]:
        if not text:
            return []
        begun: list[Step] = [] if self._began else [Began(choice=0, part=0, kind="text")]
        self._began = True
        return [*begun, Piece(0, 0, text)]


def _end(data: bytes, *, began: bool) -> list[Step]:
    """`done` says why only where the prediction did not succeed."""
    reason = _done.decode(data or b"{}").reason
    if reason is not None:
        return [Broke(f"prediction_{reason}" if reason in {"error", "canceled"} else "prediction_ended")]
    ended: list[Step] = [Ended(0, 0)] if began else []
    return [*ended, Stopped(0, "end"), Closed()]


def _field(event: bytes, name: bytes) -> bytes | None:
    """The value of that line; an event has one at most."""
    return next((line[len(name) :].strip() for line in event.splitlines() if line.startswith(name)), None)
