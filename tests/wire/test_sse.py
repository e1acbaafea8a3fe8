"""The splitter must give back every byte, in whole events, however the stream was cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.wire.sse import EventSplitter, EventTooLong, data_of

ENDS = st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r"])
LINES = st.binary(max_size=40).map(lambda b: b.replace(b"\r", b"").replace(b"\n", b""))


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    ending = draw(ENDS)  # one server keeps to one kind of line ending
    events = [b"data: " + draw(LINES) + ending for _ in range(draw(st.integers(0, 8)))]
    return events, draw(LINES)


@given(streams(), st.lists(st.integers(0, 400), max_size=12))
def test_any_cut_gives_the_same_events(stream: tuple[list[bytes], bytes], cuts: list[int]) -> None:
    events, rest = stream
    whole = b"".join(events) + rest
    places = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    splitter = EventSplitter()
    seen = [event for a, b in itertools.pairwise(places) for event in splitter.feed(whole[a:b])]
    assert b"".join(seen) + splitter.rest() == whole
    assert [data_of(event) for event in seen if data_of(event) is not None] == [data_of(event) for event in events]


@given(st.lists(st.text("a:\r\n", max_size=12).map(str.encode), max_size=8))
def test_any_chunks_give_what_single_bytes_give(chunks: list[bytes]) -> None:
    at_once, slowly = EventSplitter(), EventSplitter()
    seen = [event for chunk in chunks for event in at_once.feed(chunk)]
    one_by_one = [event for chunk in chunks for byte in chunk for event in slowly.feed(bytes([byte]))]
    if b"\n\r" not in b"".join(chunks):  # there, single bytes can end an event before the rest of its line ending is known
        assert seen == one_by_one
    assert b"".join(seen) + at_once.rest() == b"".join(chunks)


def test_every_single_cut_of_a_real_exchange() -> None:
    whole = b'data: {"a":"\xc3\xa9"}\n\n: comment\n\nevent: x\r\ndata: 1\r\ndata: 2\r\n\r\ndata: [DONE]\n\n'
    for cut in range(len(whole) + 1):
        splitter = EventSplitter()
        events = splitter.feed(whole[:cut]) + splitter.feed(whole[cut:])
        assert [data_of(event) for event in events] == [b'{"a":"\xc3\xa9"}', None, b"1\n2", b"[DONE]"]


def test_an_endless_event_is_refused() -> None:
    splitter = EventSplitter(max_event_bytes=100)
    with pytest.raises(EventTooLong):
        splitter.feed(b"data: " + b"x" * 200)


def test_events_before_an_endless_one_are_given_out_first() -> None:
    splitter = EventSplitter(max_event_bytes=100)
    assert splitter.feed(b"data: 1\n\ndata: 2\n\ndata: " + b"x" * 200) == [b"data: 1\n\n", b"data: 2\n\n"]
    with pytest.raises(EventTooLong):
        splitter.require_short()
    for after in (b"", b"\n\ndata: 3\n\n"):  # it is refused even where its end comes after all
        with pytest.raises(EventTooLong):
            splitter.feed(after)
