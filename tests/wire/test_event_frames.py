"""Event stream frames: cut anywhere they are the same, AWS's own reader reads the same in them, and no damage goes unseen."""

import itertools
import struct
import zlib
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from event_frames import event, frame
from hypothesis import given
from hypothesis import strategies as st

from freehold.wire.event_frames import FrameSplitter, read_frame

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
values: st.SearchStrategy[tuple[int, Any]] = st.one_of(
    st.just((0, True)), st.just((1, False)), st.tuples(st.just(2), st.integers(-(2**7), 2**7 - 1)),
    st.tuples(st.just(3), st.integers(-(2**15), 2**15 - 1)), st.tuples(st.just(4), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.sampled_from([5, 8]), st.integers(-(2**63), 2**63 - 1)), st.tuples(st.just(6), st.binary(max_size=40)),
    st.tuples(st.just(7), texts), st.tuples(st.just(9), st.binary(min_size=16, max_size=16)),
)  # fmt: skip
frames = st.builds(frame, st.dictionaries(names, values, max_size=5), st.binary(max_size=200))
HELLO = event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "hello"}})


@given(st.lists(frames, max_size=4), st.lists(st.integers(0, 10**6), max_size=8))
def test_cut_anywhere_it_reads_as_awss_own_reader_does(whole: list[bytes], cuts: list[int]) -> None:
    data, splitter, theirs = b"".join(whole), FrameSplitter(), EventStreamBuffer()
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    found: list[bytes] = []
    for start, end in itertools.pairwise(places):
        found += splitter.feed(data[start:end])
        splitter.require_short()
        theirs.add_data(data[start:end])
    assert found == whole
    assert splitter.rest() == b""
    read = [(dict(one.headers), one.payload) for one in map(read_frame, found)]
    assert read == [(message.headers, message.payload) for message in theirs]


@given(st.integers(0, len(HELLO) * 8 - 1))
def test_one_wrong_bit_is_never_read(bit: int) -> None:
    damaged = bytearray(HELLO)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueError):  # noqa: PT011  ours; which one depends on the bit
        read_frame(bytes(damaged))


def test_what_is_whole_comes_before_the_error_of_what_is_not() -> None:
    splitter = FrameSplitter()
    assert splitter.feed(HELLO + b"data: {}\n\ndata: {}\n\n") == [HELLO]
    with pytest.raises(ValueError, match="no event stream"):
        splitter.require_short()
    with pytest.raises(ValueError, match="no event stream"):
        splitter.feed(b"")


def test_lengths_that_cannot_be() -> None:
    for total, headers in ((15, 0), (16, 1), (2**31, 4), (4 * 1024 * 1024 + 1, 0), (200_000, 131_073)):
        lengths = struct.pack(">II", total, headers)
        with pytest.raises(ValueError, match="lengths"):
            FrameSplitter().feed(lengths + struct.pack(">I", zlib.crc32(lengths)))
    assert FrameSplitter().feed(HELLO[:11]) == []


@pytest.mark.parametrize("cut", [0, 3, 15, len(HELLO) - 1])
def test_a_frame_that_is_cut_off(cut: int) -> None:
    with pytest.raises(ValueError, match=r"cut off|wrong"):
        read_frame(HELLO[:cut])


@pytest.mark.parametrize(
    "headers",
    [b"\x05ab", b"\x01a", b"\x01a\x07\x00\x09x", b"\x01a\x0a", b"\x01a\x05\x00", b"\x01\xff\x00", b"\x01a\x00\x01a\x00"],
)
def test_headers_that_are_none(headers: bytes) -> None:
    lengths = struct.pack(">II", 16 + len(headers), len(headers))
    whole = lengths + struct.pack(">I", zlib.crc32(lengths)) + headers
    with pytest.raises(ValueError):  # noqa: PT011  ours, or of text that is no UTF-8
        read_frame(whole + struct.pack(">I", zlib.crc32(whole)))
