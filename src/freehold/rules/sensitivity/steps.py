"""Restore an answer in no dialect: placeholders may be cut between the pieces of a part, and parts may interleave.

Each part has a restorer of its own. What one holds back goes out before its end; arguments of calls are JSON, so values go in
as JSON strings have them. Token log-probabilities keep the placeholders they were made with.
"""

from collections.abc import Sequence

import msgspec

from freehold.core.conversation import Call, Refusal, Text, Thinking
from freehold.core.said import Began, Closed, Ended, Piece, Said, Step, Stopped, Whole
from freehold.rules.sensitivity.restorer import Restorer, TextRestorer


class StepRestorer:
    """The steps of one stream."""

    def __init__(self, restorer: Restorer) -> None:
        self._restorer = restorer
        self._parts: dict[tuple[int, int], TextRestorer] = {}

    def feed(self, step: Step) -> Sequence[Step]:
        """The step as its caller may have it, after what was still held where it ends something; nothing while all is held."""
        match step:
            case Began():
                self._parts[step.choice, step.part] = self._restorer.piecewise(True if step.kind == "call" else None)
                return (step,)
            case Piece():
                return self._piece(step)
            case Ended():
                return (*self._held((step.choice, step.part)), step)
            case Stopped():
                stopped = step
                if step.stop_sequence is not None:
                    stopped = msgspec.structs.replace(step, stop_sequence=self._restorer.text(step.stop_sequence, False))
                return (*self._held(*(at for at in self._parts if at[0] == step.choice)), stopped)
            case Closed():
                return (*self._held(*self._parts), step)
            case _:
                return (step,)

    def _piece(self, piece: Piece) -> Sequence[Step]:
        text = self._parts.setdefault((piece.choice, piece.part), self._restorer.piecewise()).feed(piece.text)
        if not text and piece.logprobs is None:
            return ()
        return (msgspec.structs.replace(piece, text=text),)

    def _held(self, *places: tuple[int, int]) -> list[Step]:
        pieces: list[Step] = []
        for choice, part in places:
            restorer = self._parts.get((choice, part))
            if restorer is not None and (held := restorer.end()):
                pieces.append(Piece(choice, part, held))
        return pieces


def restored(whole: Whole, restorer: Restorer) -> Whole:
    """The same of a whole answer."""
    choices = []
    for choice in whole.choices:
        sequence = None if choice.stop_sequence is None else restorer.text(choice.stop_sequence, False)
        parts = tuple(_part(part, restorer) for part in choice.parts)
        choices.append(msgspec.structs.replace(choice, parts=parts, stop_sequence=sequence))
    return msgspec.structs.replace(whole, choices=tuple(choices))


def _part(part: Said, restorer: Restorer) -> Said:
    match part:
        case Text() | Thinking() | Refusal():
            return msgspec.structs.replace(part, text=restorer.text(part.text))
        case Call():
            return msgspec.structs.replace(part, arguments=restorer.text(part.arguments, True))
        case _:
            return part
