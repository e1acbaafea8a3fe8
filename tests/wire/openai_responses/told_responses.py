"""Answers in no dialect for the tests of Responses: generated whole ones, and the steps that tell them."""

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, get_args

import msgspec
from hypothesis import strategies as st

from freehold.core.conversation import Call, Refusal, Text, Thinking
from freehold.core.said import Began, Choice, Closed, Ended, Opened, Piece, Said, Signed, Step, Stopped, StopReason, Used, Whole
from freehold.core.usage import Usage
from freehold.wire.openai_responses.answer import part_kind
from freehold.wire.sse import EventSplitter, data_of

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
makers = st.sampled_from(["openai_responses", "anthropic_messages", "google_gemini"])
SOME = st.none() | st.integers(0, 9)
usages = st.builds(
    lambda plain, read, write, answer, thought: Usage(
        input_tokens=plain + (read or 0) + (write or 0), output_tokens=answer + (thought or 0),
        cache_read=read, cache_write=write, reasoning=thought, source="provider",
    ),
    st.integers(0, 9**6), SOME, SOME, st.integers(0, 99), SOME,
)  # fmt: skip
tokens = st.lists(
    st.builds(lambda token, at: {"token": token, "logprob": at, "bytes": [], "top_logprobs": []}, words, st.integers(-9, 0)),
    min_size=1, max_size=3,
).map(lambda some: msgspec.Raw(msgspec.json.encode(some)))  # fmt: skip
parts: st.SearchStrategy[Said] = st.one_of(
    st.builds(Text, words),
    st.builds(Refusal, words),
    st.builds(lambda at, name, said: Call(f"call_{at}", name, said), st.integers(0, 99), words, words),
    st.builds(lambda text, sign, maker: Thinking(text, sign, maker=maker), words, words, makers),
    st.builds(Thinking, words),
    st.builds(lambda sign, maker: Thinking("", sign, True, maker), words, makers),
)
stops: st.SearchStrategy[StopReason] = st.sampled_from(get_args(StopReason))


@st.composite
def wholes(draw: st.DrawFn) -> Whole:
    """An answer of one choice; log probabilities where there is one text for them."""
    said = tuple(draw(st.lists(parts, max_size=4)))
    texts = [part for part in said if isinstance(part, Text)]
    logprobs = draw(tokens) if len(texts) == 1 and draw(st.booleans()) else None
    choice = Choice(parts=said, stop=draw(stops), logprobs=logprobs)
    return Whole(id="chatcmpl-1", model="m-1", created=1_790_000_000, choices=(choice,), usage=draw(usages))


def told(whole: Whole, cut: int = 3) -> Iterator[Step]:
    """The steps of a stream that says this, its texts in pieces of `cut` characters."""
    yield Opened(id=whole.id, model=whole.model, created=whole.created)
    choice = whole.choices[0]
    for at, part in enumerate(choice.parts):
        call = part if isinstance(part, Call) else Call("", "", "")
        redacted = getattr(part, "redacted", False)
        yield Began(choice=0, part=at, kind=part_kind(part), id=call.id, name=call.name, redacted=redacted)
        text = call.arguments or getattr(part, "text", "")
        for start in range(0, len(text), cut):
            logprobs = choice.logprobs if isinstance(part, Text) and start == 0 else None
            yield Piece(0, at, text[start : start + cut], logprobs)
        if isinstance(part, Thinking) and part.signature is not None and part.maker is not None:
            yield Signed(0, at, part.signature, part.maker)
        yield Ended(0, at)
    assert choice.stop is not None
    yield Stopped(0, choice.stop)
    yield Used(whole.usage)
    yield Closed()


def chunks(stream: bytes, cuts: Sequence[int] = ()) -> Iterator[bytes]:
    """Whole events of a stream that came in chunks cut at these places."""
    splitter = EventSplitter()
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for start, end in pairwise(places):
        yield from splitter.feed(stream[start:end])
    assert splitter.rest() == b""


def events(stream: bytes) -> list[dict[str, Any]]:
    """The data of each event, whose name is its type."""
    found = []
    for event in chunks(stream):
        data = json.loads(data_of(event) or b"")
        assert event.startswith(f"event: {data['type']}\n".encode())
        found.append(data)
    return found
