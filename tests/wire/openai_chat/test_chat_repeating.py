"""A stream counts the same, event for event, whether its events are recognised or read: for kind servers and for others."""

from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from freehold.core.ports import Delta
from freehold.wire.openai_chat.native import OpenAiChat
from freehold.wire.openai_chat.repeating import Repeating

READER = OpenAiChat()
PLAIN = '{"id":"c","choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}],"usage":null}'
SHAPES = (
    PLAIN,
    '{"choices": [{"index": 0, "delta": {"role": "assistant", "content": %s}, "finish_reason": null}]}',
    '{"service_tier":"default","choices":[{"delta":{"reasoning_content":%s,"content":null}}]}',
    '{"choices":[{"delta":{"content":%s}},{"delta":{"content":"b"}}]}',
    '{"choices":[{"delta":{"content":%s,"content":"last"}}]}',
    '{"choices":[{"delta":{"content":"first","content":%s}}]}',
    '{"choices":[{"delta":{"content" :"abc"},"other":{"content":%s}}]}',
    '{"choices":[{"delta":{"content":"abc"}}],"choices":[{"delta":{"content":%s}}]}',
    '{"choices":[{"delta":{"content":%s},"finish_reason":"stop"}]}',
    '{"choices":[{"delta":{"content":%s}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}',
    '{"choices":[{"delta":{"content":%s}}],"error":{"message":"no"}}',
    '{"choices":[{"delta":{"content":%s},"message":{"content":"m"}}],"object":"error"}',
    '{"choices":[],"note":{"content":%s}}',
    '{"error":{"content":%s}}',
    '{"choices":[{"delta":{"content":%s}',
    "[DONE]%s",
)
ENDS = st.sampled_from(["\n\n", "\r\n\r\n", "\n", ""])
TEXTS = st.one_of(
    st.text(max_size=12).map(lambda text: msgspec.json.encode(text).decode()),
    st.text(max_size=12).map(lambda text: f'"{text}"'),  # quotes, backslashes and line ends as they come
    st.sampled_from(
        ['"', '""', "null", "[]", "{}", "1", '"a","content":"b"', '"a"},"finish_reason":"stop","x":{"y":"z"', '"\\u00e9"']
    ),
    st.sampled_from(['"\\n"', '"\\q"', '"\\u12"', '"\\ud800"', '"a\\"', '"[DONE]"', '"a\n\ndata: b"', '"\u20ac"']),
)


def told(count: Any, event: bytes) -> Delta | str:
    try:
        delta: Delta = count.delta(event)
    except (ValueError, RecursionError):
        return "cannot be read"
    return delta


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Mostly one shape with other texts, as servers stream; sometimes another, or bytes that were tampered with."""
    shapes = draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3))
    name = draw(st.sampled_from(["data: ", "data:", "event: error\ndata: ", ": comment\ndata: "]))
    events: list[bytes] = []
    for _ in range(draw(st.integers(2, 10))):
        event = f"{name}{draw(st.sampled_from(shapes)).replace('%s', draw(TEXTS))}{draw(ENDS)}".encode(errors="surrogatepass")
        if draw(st.integers(0, 5)) == 0:
            at = draw(st.integers(0, len(event)))
            event = event[:at] + draw(st.binary(max_size=2)) + event[at + draw(st.integers(0, 2)) :]
        events.append(event)
    return events


@given(streams())
@example([b'data: {"choices":[{"delta":{"content" :"abc"},"other":{"content":"abc"}}]}\n\n'] * 2)
@example(
    [b'data: {"choices":[{"delta":{"content":"' + text + b'"}}]}\n\n' for text in (b"a", b"\xff", b"\xed\xa0\x80", b"", b"\\")]
)
def test_recognised_events_count_as_read_ones(events: list[bytes]) -> None:
    count = Repeating(READER)
    assert [told(count, event) for event in events] == [told(READER, event) for event in events]


class Counting:
    """The reader, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def delta(self, event: bytes) -> Delta:
        self.asked += 1
        return READER.delta(event)


def test_a_stream_of_one_shape_is_read_once_and_another_shape_is_read_again() -> None:
    reader = Counting()
    count = Repeating(reader)
    first = [f"data: {PLAIN.replace('%s', msgspec.json.encode(word).decode())}\n\n".encode() for word in ("Grüße", "a\n", "b")]
    assert [count.delta(event).text_bytes for event in first * 10] == [9, 5, 3] * 10
    assert reader.asked == 2
    count.delta(first[0].replace(b'"c"', b'"d"'))
    assert reader.asked == 4


def test_a_server_that_never_repeats_itself_is_not_learned_for_ever() -> None:
    reader = Counting()
    count = Repeating(reader)
    for n in range(100):
        count.delta(f'data: {{"id":"{n:03}","choices":[{{"delta":{{"content":"word"}}}}]}}\n\n'.encode())
    assert reader.asked == 108
