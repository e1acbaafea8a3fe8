"""Answers in no dialect for the tests of Anthropic Messages: generated whole ones, and the steps that tell them."""

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from hypothesis import strategies as st

from freehold.core.conversation import Call, Refusal, Text, Thinking
from freehold.core.said import Began, Choice, Closed, Ended, Opened, Piece, Said, Signed, Step, Stopped, StopReason, Used, Whole
from freehold.core.usage import Usage
from freehold.wire.sse import EventSplitter

MINE = "anthropic_messages"
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
signatures = st.text("abcXYZ019+/=", min_size=1, max_size=12)
SOME = st.none() | st.integers(0, 9)
usages = st.builds(
    lambda plain, read, write, answer, thought: Usage(
        input_tokens=plain + (read or 0) + (write or 0), output_tokens=answer + (thought or 0),
        cache_read=read, cache_write=write, reasoning=thought, source="provider",
    ),
    st.integers(0, 9**6), SOME, SOME, st.integers(0, 99), SOME,
)  # fmt: skip
arguments: st.SearchStrategy[dict[str, Any]] = st.dictionaries(words, words | st.integers(-9, 9) | st.none(), max_size=3)
calls = st.builds(lambda at, name, value: Call(f"toolu_{at}", name, compact(value)), st.integers(0, 99), words, arguments)
thinkings = st.builds(lambda text, signature: Thinking(text, signature, maker=MINE), words, signatures)
redacted = signatures.map(lambda signature: Thinking("", signature, True, MINE))
parts: st.SearchStrategy[Said] = st.one_of(st.builds(Text, words), calls, thinkings, redacted)
stops: st.SearchStrategy[StopReason] = st.sampled_from(get_args(StopReason))


@st.composite
def wholes(draw: st.DrawFn) -> Whole:
    """An answer of one choice, as this dialect can say it."""
    stop = draw(stops)
    choice = Choice(
        parts=tuple(draw(st.lists(parts, max_size=4))), stop=stop, stop_sequence="###" if stop == "stop_sequence" else None
    )
    return Whole(id="msg_1", model="claude-x", choices=(choice,), usage=draw(usages))


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def told(whole: Whole, cut: int = 3) -> Iterator[Step]:
    """The steps of a stream that says this, its texts in pieces of `cut` characters."""
    yield Opened(id=whole.id, model=whole.model)
    choice = whole.choices[0]
    for at, part in enumerate(choice.parts):
        yield _began(part, at)
        text = part.arguments if isinstance(part, Call) else getattr(part, "text", "")
        yield from (Piece(0, at, text[start : start + cut]) for start in range(0, len(text), cut))
        if isinstance(part, Thinking) and part.signature is not None and part.maker is not None:
            yield Signed(0, at, part.signature, part.maker)
        yield Ended(0, at)
    if choice.stop is not None:
        yield Stopped(0, choice.stop, choice.stop_sequence)
    yield Used(whole.usage)
    yield Closed()


def _began(part: Said, at: int) -> Began:
    match part:
        case Text():
            return Began(choice=0, part=at, kind="text")
        case Refusal():
            return Began(choice=0, part=at, kind="refusal")
        case Thinking():
            return Began(choice=0, part=at, kind="thinking", redacted=part.redacted)
        case Call():
            return Began(choice=0, part=at, kind="call", id=part.id, name=part.name)
    raise AssertionError(part)


def chunks(stream: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    """Whole events of a stream that came in chunks cut at these places."""
    splitter = EventSplitter()
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for start, end in itertools.pairwise(places):
        yield from splitter.feed(stream[start:end])
    assert splitter.rest() == b""
