"""The frames of a ConverseStream as steps.

A call begins with a frame of its own, other parts with their first delta. A stream ends with its connection, once the answer has
stopped: the counts come behind that. An error comes as a frame whose `:message-type` is exception, or error.
"""

import base64
from collections.abc import Sequence

from freehold.core.said import Began, Broke, Closed, Ended, Opened, PartKind, Piece, Signed, Step, Used
from freehold.core.said import Stopped as Stop
from freehold.core.usage import UsageSource
from freehold.wire.bedrock_converse.answer import answer_id, require_local
from freehold.wire.bedrock_converse.models import DIALECT
from freehold.wire.bedrock_converse.replies import (
    Delta,
    ReasoningDelta,
    Started,
    Stopped,
    ToolUseDelta,
    deltas,
    metadata,
    sequence_of,
    starts,
    stop_of,
    stops,
    tier_of,
)
from freehold.wire.bedrock_converse.usage import read_usage
from freehold.wire.bedrock_converse.verdict import name_of
from freehold.wire.event_frames import read_frame


class ConverseReader:
    """The StepReader port."""

    def __init__(self, source: UsageSource = "provider") -> None:
        self._source: UsageSource = source
        self._opened = False
        self._stopped = False
        self._ended = False
        self._parts = -1
        self._block: int | None = None
        self._kind: PartKind | None = None
        self._redacted = ""
        self._spoken = False

    def read(self, event: bytes) -> Sequence[Step]:
        """One whole frame. Raises ValueError on malformed data, and on parts that no request of ours asks for."""
        frame = read_frame(event)
        if self._ended:
            return ()
        if frame.headers.get(":message-type", "event") != "event":
            self._ended = True
            said = frame.headers.get(":exception-type") or frame.headers.get(":error-code")
            return [Broke(name_of(said) or "no error code")]
        return self._event(frame.headers.get(":event-type"), frame.payload)

    def close(self) -> Sequence[Step]:
        """The dialect has no other end than this; one that the answer did not come to is none."""
        if self._ended or not self._stopped:
            return ()
        self._ended = True
        return (Closed(),)

    def _event(self, kind: object, payload: bytes) -> list[Step]:
        opened: list[Step] = [] if self._opened else [Opened(id=answer_id(), model="")]
        self._opened = True
        match kind:
            case "contentBlockStart":
                return opened + self._start(starts.decode(payload))
            case "contentBlockDelta":
                moved = deltas.decode(payload)
                return opened + self._move(moved.delta, moved.contentBlockIndex)
            case "contentBlockStop":
                return opened + self._end()
            case "messageStop":
                return opened + self._stop(stops.decode(payload))
            case "metadata":
                seen = metadata.decode(payload)
                usage, raw = read_usage(seen.usage, self._source)
                return [*opened, Used(usage, raw, tier_of(seen.serviceTier))]
        return opened  # messageStart, and what was not there when this was written

    def _start(self, seen: Started) -> list[Step]:
        if seen.start.toolUse is None:
            raise ValueError("an answer holds a block of a kind that was not asked for")
        require_local(seen.start.toolUse)
        begun = self._begin("call", seen.contentBlockIndex, call=seen.start.toolUse.toolUseId, name=seen.start.toolUse.name)
        self._spoken = False
        return begun

    def _move(self, delta: Delta, block: int) -> list[Step]:
        match delta:
            case Delta(text=str() as text):
                return [*self._in_part("text", block), Piece(0, self._parts, text)] if text else []
            case Delta(toolUse=ToolUseDelta(input=text)):
                if self._kind != "call" or self._block != block:
                    raise ValueError("the arguments of a call come before its name")
                self._spoken = self._spoken or bool(text)
                return [Piece(0, self._parts, text)] if text else []
            case Delta(reasoningContent=ReasoningDelta() as said):
                return self._think(said, block)
        raise ValueError("an answer holds a block of a kind that was not asked for")

    def _think(self, said: ReasoningDelta, block: int) -> list[Step]:
        if said.redactedContent is not None:
            begun = self._in_part("thinking", block, redacted=True)
            self._redacted = _joined(self._redacted, said.redactedContent)
            return begun
        steps = self._in_part("thinking", block)
        if said.text:
            steps.append(Piece(0, self._parts, said.text))
        if said.signature:
            steps.append(Signed(0, self._parts, said.signature, DIALECT))
        return steps

    def _stop(self, seen: Stopped) -> list[Step]:
        if self._stopped:
            return []
        ended, stop = self._end(), stop_of(seen.stopReason)
        if stop is None:
            self._ended = True
            return [*ended, Broke(seen.stopReason[:64])]
        self._stopped = True
        return [*ended, Stop(0, stop, sequence_of(seen.additionalModelResponseFields) if stop == "stop_sequence" else None)]

    def _in_part(self, kind: PartKind, block: int, *, redacted: bool = False) -> list[Step]:
        """A part of that kind in the same block is the one that goes on."""
        same = (kind, block) == (self._kind, self._block)
        return [] if same else self._begin(kind, block, redacted=redacted)

    def _begin(self, kind: PartKind, block: int, *, call: str = "", name: str = "", redacted: bool = False) -> list[Step]:
        if self._stopped:
            raise ValueError("an answer goes on after its end")
        ended = self._end()
        self._parts, self._kind, self._block = self._parts + 1, kind, block
        return [*ended, Began(choice=0, part=self._parts, kind=kind, id=call, name=name, redacted=redacted)]

    def _end(self) -> list[Step]:
        """A call without a word of arguments takes none, which is an object all the same."""
        if self._kind is None:
            return []
        last: list[Step] = [Piece(0, self._parts, "{}")] if self._kind == "call" and not self._spoken else []
        if self._redacted:
            last = [Signed(0, self._parts, self._redacted, DIALECT)]
        self._kind, self._block, self._redacted = None, None, ""
        return [*last, Ended(0, self._parts)]


def _joined(before: str, more: str) -> str:
    """Two pieces of base64 as one: each stands for bytes of its own. Raises ValueError where one is none."""
    if not before:
        return more
    return base64.b64encode(base64.b64decode(before, validate=True) + base64.b64decode(more, validate=True)).decode()
