"""A streamed answer is restored wherever its placeholders are cut: between bytes, events, choices and tool calls."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from freehold.rules.sensitivity.chat_stream import ChatStream
from freehold.rules.sensitivity.restorer import Restorer
from freehold.wire.sse import EventSplitter, data_of

ORIGINALS = {"<EMAIL_1>": "jo@x.com", "<PASSWORD_1>": 'p"a\\ss'}
DONE = b"data: [DONE]\n\n"


def event(delta: dict[str, Any], finish: str | None = None, index: int = 0) -> bytes:
    chunk = {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def restored(*events: bytes) -> bytes:
    stream = ChatStream(Restorer(ORIGINALS))
    return b"".join(stream.feed(one) for one in events) + stream.end()


def deltas(stream: bytes) -> list[dict[str, Any]]:
    every = [data_of(one) or b"" for one in EventSplitter().feed(stream)]
    return [choice for data in every if data and data != b"[DONE]" for choice in json.loads(data)["choices"]]


def content(stream: bytes, index: int = 0) -> str:
    return "".join(choice["delta"].get("content") or "" for choice in deltas(stream) if choice["index"] == index)


def arguments(stream: bytes, call: int) -> str:
    calls = [one for choice in deltas(stream) for one in choice["delta"].get("tool_calls") or ()]
    return "".join(one["function"].get("arguments") or "" for one in calls if one["index"] == call)


def test_a_placeholder_cut_between_events() -> None:
    tokens = ["Write to <", "EMAIL", "_1", ">", " today."]
    stream = restored(*(event({"content": token}) for token in tokens), event({}, "stop"), DONE)
    assert content(stream) == "Write to jo@x.com today."
    assert stream.endswith(DONE)


def test_what_is_held_goes_out_with_the_finish() -> None:
    stream = restored(event({"content": "a <EMA"}), event({}, "stop"), DONE)
    assert content(stream) == "a <EMA"
    assert deltas(stream)[-1]["finish_reason"] == "stop"


def test_what_is_held_goes_out_before_an_end_without_finish() -> None:
    assert content(restored(event({"content": "a <EMA"}), DONE)) == "a <EMA"
    assert content(restored(event({"content": "a <EMA"}))) == "a <EMA"


def test_choices_and_tool_calls_interleave() -> None:
    def call(at: int, text: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": at, "function": {"arguments": text}}]}

    stream = restored(
        event({"content": "<EMA"}),
        event({"content": "<EMAIL"}, index=1),
        event(call(0, '{"p":"<PASS')),
        event(call(1, '{"m":"\\u003cEMA')),
        event(call(0, 'WORD_1>"}')),
        event({"content": "IL_1>"}),
        event(call(1, 'IL_1\\u003e"}')),
        event({"content": "_1>!"}, index=1),
        event({}, "tool_calls"),
        event({}, "stop", index=1),
        DONE,
    )
    assert (content(stream), content(stream, 1)) == ("jo@x.com", "jo@x.com!")
    assert json.loads(arguments(stream, 0)) == {"p": ORIGINALS["<PASSWORD_1>"]}
    assert json.loads(arguments(stream, 1)) == {"m": "jo@x.com"}


def test_a_held_argument_goes_out_under_its_own_index() -> None:
    held = {"tool_calls": [{"index": 2, "function": {"arguments": "<EMA"}}]}
    assert arguments(restored(event(held), event({}, "length"), DONE), 2) == "<EMA"


def test_what_needs_no_change_keeps_its_bytes() -> None:
    events = [
        b": ping\n\n",
        event({"role": "assistant", "content": ""}),
        event({"content": "a > b"}),
        b"data: {broken\n\n",
        b"data: 7\n\n",
        DONE,
    ]
    assert restored(*events) == b"".join(events)


def test_other_fields_of_a_changed_event_stay() -> None:
    one = b"event: message\nid: 7\n" + event({"content": "<EMAIL_1>"})
    assert restored(one).startswith(b"event: message\nid: 7\ndata: {")


token = st.sampled_from([*ORIGINALS, "<", "EMAIL_1", ">", "_1>", "\u00e9", "x ", '"', "\\", "{", "<EMAIL_2>", "\n"])
answers = st.lists(token, min_size=1, max_size=10).map("".join)


@given(answers, st.data())
def test_any_cut_of_the_text_and_of_the_bytes_gives_the_same_answer(text: str, data: st.DataObject) -> None:
    def cut(length: int) -> list[tuple[int, int]]:
        cuts = sorted(data.draw(st.lists(st.integers(0, length), max_size=6)))
        return list(zip([0, *cuts], [*cuts, length], strict=True))

    body = b"".join(event({"content": text[start:end]}) for start, end in cut(len(text))) + event({}, "stop") + DONE
    stream = restored(*(body[start:end] for start, end in cut(len(body))))
    assert content(stream) == Restorer(ORIGINALS).text(text)
    assert stream.endswith(DONE)
