"""An answer in no dialect: whole, or as the steps of a stream. `fold` makes the one of the other.

Every dialect reads its own bytes into these and writes them as its own. Parts of a choice are numbered from 0 in the order in
which they begin; text, thinking and tool calls never interleave inside one part.
"""

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from freehold.core.conversation import Call, Media, Refusal, Text, Thinking
from freehold.core.usage import Usage

StopReason: TypeAlias = Literal[
    "end",  # it said all it had to say
    "stop_sequence",
    "length",
    "calls",  # it waits for the results of tool calls
    "refused",  # declined, by the model or by a filter
    "paused",  # the provider wants to be asked to go on
]
PartKind: TypeAlias = Literal["text", "thinking", "call", "refusal", "media"]
Said: TypeAlias = Text | Thinking | Call | Refusal | Media


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One of `n` answers. `logprobs`: the `content` list of OpenAI's shape as raw JSON, for the dialects that have it."""

    parts: tuple[Said, ...]
    stop: StopReason | None
    stop_sequence: str | None = None
    logprobs: msgspec.Raw | None = None


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """A finished answer. `id` is the target's own; `model` as the target named it; `created` in Unix seconds."""

    id: str
    model: str
    choices: tuple[Choice, ...]
    usage: Usage | None = None
    raw_usage: str | None = None
    created: int | None = None
    service_tier: str | None = None


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """The answer has begun; nothing of it is said yet. First step of every stream. `usage`: what is already known of it."""

    id: str
    model: str
    created: int | None = None
    usage: Usage | None = None


class Began(msgspec.Struct, frozen=True, kw_only=True):
    """A part begins. For a call: its id and the tool's name. `redacted`: thinking without text. `media`: it comes whole."""

    choice: int
    part: int
    kind: PartKind
    id: str = ""
    name: str = ""
    redacted: bool = False
    media: Media | None = None


class Piece(msgspec.Struct, frozen=True):
    """More of a part: prose, thinking, refusal, or the JSON text of a call's arguments. `logprobs`: as of Choice, for these."""

    choice: int
    part: int
    text: str
    logprobs: msgspec.Raw | None = None


class Signed(msgspec.Struct, frozen=True):
    """The signature of thinking or of a call. `maker`: the dialect it was signed in."""

    choice: int
    part: int
    signature: str
    maker: str


class Ended(msgspec.Struct, frozen=True):
    """A part is complete."""

    choice: int
    part: int


class Stopped(msgspec.Struct, frozen=True):
    """A choice is complete."""

    choice: int
    stop: StopReason
    stop_sequence: str | None = None


class Used(msgspec.Struct, frozen=True):
    """What it took so far; a later one replaces an earlier one. `raw`: the vendor's own words."""

    usage: Usage | None
    raw: str | None = None
    service_tier: str | None = None


class Broke(msgspec.Struct, frozen=True):
    """The target reports an error inside its stream. `code`: a name, never its message."""

    code: str


class Closed(msgspec.Struct, frozen=True):
    """The stream ended as its dialect ends one. Last step."""


Step: TypeAlias = Opened | Began | Piece | Signed | Ended | Stopped | Used | Broke | Closed


def fold(steps: Iterable[Step]) -> Whole:
    """The whole answer that these steps tell. Raises ValueError on steps in an order no stream has, and on Broke."""
    opened: Opened | None = None
    parts: dict[tuple[int, int], _Open] = {}
    stops: dict[int, Stopped] = {}
    used = Used(None)
    for step in steps:
        match step:
            case Opened():
                opened = step
            case Began():
                parts[step.choice, step.part] = _Open(step)
            case Piece():
                parts[step.choice, step.part].add(step)
            case Signed():
                parts[step.choice, step.part].signed = step
            case Stopped():
                stops[step.choice] = step
            case Used():
                used = step
            case Broke():
                raise ValueError(f"the stream broke: {step.code}")
            case _:
                pass
    if opened is None:
        raise ValueError("the stream never opened")
    indices = sorted({choice for choice, _ in parts} | set(stops))
    choices = tuple(_choice([parts[at] for at in sorted(parts) if at[0] == index], stops.get(index)) for index in indices)
    return Whole(
        id=opened.id, model=opened.model, created=opened.created, choices=choices, usage=used.usage or opened.usage,
        raw_usage=used.raw, service_tier=used.service_tier,
    )  # fmt: skip


class _Open:
    """One part while its pieces come."""

    def __init__(self, began: Began) -> None:
        self.began = began
        self.signed: Signed | None = None
        self.logprobs: list[msgspec.Raw] = []
        self._texts: list[str] = []

    def add(self, piece: Piece) -> None:
        self._texts.append(piece.text)
        if piece.logprobs is not None:
            self.logprobs += msgspec.json.decode(piece.logprobs, type=list[msgspec.Raw])

    def said(self) -> Said:
        began, text = self.began, "".join(self._texts)
        signature = None if self.signed is None else self.signed.signature
        match began.kind:
            case "text":
                return Text(text)
            case "thinking":
                return Thinking(text, signature, began.redacted, None if self.signed is None else self.signed.maker)
            case "call":
                return Call(began.id, began.name, text, signature)
            case "refusal":
                return Refusal(text)
            case "media":
                assert began.media is not None
                return began.media


def _choice(parts: list[_Open], stopped: Stopped | None) -> Choice:
    logprobs = [token for part in parts for token in part.logprobs]
    return Choice(
        parts=tuple(part.said() for part in parts), stop=None if stopped is None else stopped.stop,
        stop_sequence=None if stopped is None else stopped.stop_sequence,
        logprobs=msgspec.Raw(msgspec.json.encode(logprobs)) if logprobs else None,
    )  # fmt: skip
