"""Answers in no dialect as chat completions can say them: generated whole ones, and the steps that tell them."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec
from hypothesis import strategies as st

from freehold.core.conversation import Call, Refusal, Text, Thinking
from freehold.core.said import (
    Began,
    Choice,
    Closed,
    Ended,
    Opened,
    PartKind,
    Piece,
    Said,
    Signed,
    Step,
    Stopped,
    StopReason,
    Used,
    Whole,
)  # fmt: skip
from freehold.core.usage import Usage
from freehold.wire.sse import EventSplitter

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
details = st.none() | st.integers(0, 9)
usages = st.builds(
    lambda plain, read, write, answer, thought: Usage(
        input_tokens=plain + (read or 0) + (write or 0), output_tokens=answer + (thought or 0),
        cache_read=read, cache_write=write, reasoning=thought, source="provider",
    ),
    st.integers(0, 9**6), details, details, st.integers(0, 99), details,
)  # fmt: skip
tokens = st.lists(
    st.builds(lambda token, at: {"token": token, "logprob": at, "bytes": None, "top_logprobs": []}, words, st.integers(-9, 0)),
    min_size=1, max_size=3,
)  # fmt: skip
stops: st.SearchStrategy[StopReason] = st.sampled_from(["end", "length", "refused"])


@st.composite
def choices(draw: st.DrawFn) -> Choice:
    """Parts in the order in which a chat message has them; the reason that it can say with them."""
    parts: list[Said] = []
    if draw(st.booleans()):
        parts.append(Thinking(draw(words)))
    if draw(st.booleans()):
        parts.append(Text(draw(words)))
    refused = draw(st.booleans())
    if refused:
        parts.append(Refusal(draw(words)))
    calls = [Call(f"call_{at}", draw(words), draw(words)) for at in range(draw(st.integers(0, 3)))]
    stop: StopReason = "calls" if calls else "refused" if refused else draw(stops)
    logprobs = msgspec.Raw(msgspec.json.encode(draw(tokens))) if draw(st.booleans()) and parts else None
    return Choice(parts=(*parts, *calls), stop=stop, logprobs=logprobs)


wholes = st.builds(
    lambda said, usage: Whole(id="chatcmpl-1", model="m-1", created=1_790_000_000, choices=tuple(said), usage=usage),
    st.lists(choices(), min_size=1, max_size=3), usages,
)  # fmt: skip


def told(whole: Whole, cut: int = 3) -> Iterator[Step]:
    """The steps of a stream that says this, its texts in pieces of `cut` characters."""
    yield Opened(id=whole.id, model=whole.model, created=whole.created)
    for index, choice in enumerate(whole.choices):
        logprobs = choice.logprobs
        for at, part in enumerate(choice.parts):
            call = part if isinstance(part, Call) else Call("", "", "")
            yield Began(
                choice=index, part=at, kind=_kind(part), id=call.id, name=call.name, redacted=getattr(part, "redacted", False)
            )
            text = part.arguments if isinstance(part, Call) else getattr(part, "text", "")
            for start in range(0, len(text), cut):
                yield Piece(index, at, text[start : start + cut], logprobs)
                logprobs = None
            if isinstance(part, Thinking | Call) and part.signature is not None:
                yield Signed(index, at, part.signature, getattr(part, "maker", "") or "google_gemini")
            yield Ended(index, at)
        assert choice.stop is not None
        yield Stopped(index, choice.stop, choice.stop_sequence)
    yield Used(whole.usage)
    yield Closed()


def _kind(part: Said) -> PartKind:
    kinds: dict[type, PartKind] = {Text: "text", Thinking: "thinking", Refusal: "refusal", Call: "call"}
    return kinds[type(part)]


def events(stream: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    """Whole events of a stream that came in chunks cut at these places."""
    splitter = EventSplitter()
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for start, end in pairwise(places):
        yield from splitter.feed(stream[start:end])
    assert splitter.rest() == b""
