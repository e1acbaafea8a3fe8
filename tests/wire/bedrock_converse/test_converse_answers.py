"""Converse's answers, whole and streamed: both say the same, wherever the bytes are cut, and every token is counted once.

The exchanges are written by hand and held against the service model that AWS publishes with its SDK.
"""

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from bedrock_model import check_event, check_reply
from event_frames import event, exception, frame
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.conversation import Call, Text, Thinking
from freehold.core.request import Request
from freehold.core.said import Broke, Closed, Opened, Piece, Step, Stopped, Used, Whole, fold
from freehold.core.usage import Usage
from freehold.wire.anthropic_messages import MessagesComposer, MessagesSurface
from freehold.wire.bedrock_converse import ConverseComposer
from freehold.wire.event_frames import FrameSplitter
from freehold.wire.openai_chat import ChatComposer, ChatSurface
from freehold.wire.sse import EventSplitter

CONVERSE = ConverseComposer()
MINE = "bedrock_converse"
COUNTS: dict[str, Any] = {
    "inputTokens": 20, "outputTokens": 70, "totalTokens": 350, "cacheReadInputTokens": 100, "cacheWriteInputTokens": 160,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 60}, {"ttl": "5m", "inputTokens": 100}],
}  # fmt: skip
USED = Usage(input_tokens=280, output_tokens=70, cache_read=100, cache_write=160, cache_write_1h=60, source="provider")
PARTS: list[dict[str, Any]] = [
    {"reasoningContent": {"reasoningText": {"text": "Let me see.", "signature": "c2ln"}}},
    {"reasoningContent": {"redactedContent": "ZW5j"}},
    {"text": "I look it up."},
    {"toolUse": {"toolUseId": "tooluse_1", "name": "get", "input": {"city": "Paris"}}},
    {"toolUse": {"toolUseId": "tooluse_2", "name": "get", "input": {"city": "Rome"}}},
]


def reply(parts: Sequence[Any], stop: str = "end_turn", **more: Any) -> dict[str, Any]:
    said = {"output": {"message": {"role": "assistant", "content": list(parts)}}, "stopReason": stop, "usage": COUNTS}
    return said | {"metrics": {"latencyMs": 9}} | more


def pieces(parts: Sequence[dict[str, Any]], cut: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same parts as the events of a stream, their texts in pieces of `cut` characters."""
    yield "messageStart", {"role": "assistant"}
    for at, part in enumerate(parts):
        where = {"contentBlockIndex": at}
        if "toolUse" in part:
            call = {name: part["toolUse"][name] for name in ("toolUseId", "name")}
            yield "contentBlockStart", {"start": {"toolUse": call}} | where
        for delta in deltas(part, cut):
            yield "contentBlockDelta", {"delta": delta} | where
        yield "contentBlockStop", where


def deltas(part: dict[str, Any], cut: int) -> Iterator[dict[str, Any]]:
    match part:
        case {"text": text}:
            yield from ({"text": text[at : at + cut]} for at in range(0, len(text), cut))
        case {"toolUse": {"input": value}}:
            text = json.dumps(value) if value else ""
            yield from ({"toolUse": {"input": text[at : at + cut]}} for at in range(0, len(text) or 1, cut))
        case {"reasoningContent": {"redactedContent": data}}:
            yield {"reasoningContent": {"redactedContent": data}}
        case {"reasoningContent": {"reasoningText": {"text": text, **more}}}:
            yield from ({"reasoningContent": {"text": text[at : at + cut]}} for at in range(0, len(text), cut))
            yield from ({"reasoningContent": {"signature": value}} for value in more.values())


def ending(stop: str = "end_turn", **more: Any) -> list[tuple[str, dict[str, Any]]]:
    return [("messageStop", {"stopReason": stop} | more), ("metadata", {"usage": COUNTS, "metrics": {"latencyMs": 9}})]


def stream(events: Sequence[tuple[str, dict[str, Any]]]) -> bytes:
    return b"".join(event(kind, payload) for kind, payload in events)


def whole(answer: dict[str, Any]) -> Whole:
    return CONVERSE.whole(json.dumps(answer).encode())


def steps(data: bytes, cuts: Sequence[int] = ()) -> list[Step]:
    reader, splitter = CONVERSE.reader(), FrameSplitter()
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    said: list[Step] = []
    for start, end in itertools.pairwise(places):
        for one in splitter.feed(data[start:end]):
            said += reader.read(one)
    assert splitter.rest() == b""
    return [*said, *reader.close()]


def comparable(answer: Whole) -> Any:
    """Arguments as values: a stream may space them otherwise."""
    parts = [(type(p), p.id, p.name, json.loads(p.arguments)) if isinstance(p, Call) else p for p in answer.choices[0].parts]
    return parts, answer.choices[0].stop, answer.choices[0].stop_sequence, answer.usage, json.loads(answer.raw_usage or "0")


EXCHANGE = [*pieces(PARTS, 5), *ending("tool_use")]


@given(st.lists(st.integers(0, 10**6), max_size=8))
def test_an_exchange_cut_anywhere(cuts: list[int]) -> None:
    answer = fold(steps(stream(EXCHANGE), cuts))
    assert answer.choices[0].parts == (
        Thinking("Let me see.", "c2ln", maker=MINE), Thinking("", "ZW5j", True, MINE), Text("I look it up."),
        Call("tooluse_1", "get", '{"city": "Paris"}'), Call("tooluse_2", "get", '{"city": "Rome"}'),
    )  # fmt: skip
    assert (answer.choices[0].stop, answer.usage) == ("calls", USED)
    assert comparable(answer) == comparable(whole(reply(PARTS, "tool_use")))


def test_the_exchanges_are_of_the_published_shape() -> None:
    check_reply(reply(PARTS, "tool_use", serviceTier={"type": "flex"}))
    for kind, payload in [*EXCHANGE, *ending("stop_sequence", additionalModelResponseFields={"stop_sequence": "#"})]:
        check_event(kind, payload)
    with pytest.raises(AssertionError, match="stopReason"):
        check_reply(reply(PARTS, "stop"))


def test_every_answer_has_an_id_of_its_own() -> None:
    whole_ids = {whole(reply(PARTS)).id for _ in range(3)}
    stream_ids = {fold(steps(stream(EXCHANGE))).id for _ in range(3)}
    assert len(whole_ids | stream_ids) == 6
    assert all(identity.startswith("converse-") for identity in whole_ids | stream_ids)


def test_a_delta_in_is_a_delta_out() -> None:
    reader = CONVERSE.reader()
    assert [type(step) for step in reader.read(event("messageStart", {"role": "assistant"}))] == [Opened]
    said = reader.read(event("contentBlockDelta", {"delta": {"text": "Hel"}, "contentBlockIndex": 0, "p": "abcd"}))
    assert said[-1] == Piece(0, 0, "Hel")
    said = reader.read(event("contentBlockDelta", {"delta": {"text": "lo"}, "contentBlockIndex": 0}))
    assert said == [Piece(0, 0, "lo")]


def test_a_stream_that_is_cut_has_no_end() -> None:
    reader = CONVERSE.reader()
    reader.read(event("contentBlockDelta", {"delta": {"text": "Hel"}, "contentBlockIndex": 0}))
    assert reader.close() == ()
    reader.read(event("messageStop", {"stopReason": "end_turn"}))
    assert list(reader.close()) == [Closed()]
    assert reader.close() == ()


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
arguments: st.SearchStrategy[dict[str, Any]] = st.dictionaries(words, words | st.integers(-9, 9) | st.none(), max_size=3)
calls = st.builds(
    lambda at, value: {"toolUse": {"toolUseId": f"t{at}", "name": "get", "input": value}}, st.integers(0), arguments
)
signed = st.builds(lambda text: {"reasoningContent": {"reasoningText": {"text": text, "signature": "c2ln"}}}, words)
bare = st.builds(lambda text: {"reasoningContent": {"reasoningText": {"text": text}}}, words)
redacted = st.just({"reasoningContent": {"redactedContent": "ZW5j"}})
some_parts = st.lists(
    st.one_of(st.builds(lambda text: {"text": text}, words), calls, signed, bare, redacted), min_size=1, max_size=5
)
cutting = st.integers(1, 5)


@given(some_parts, cutting, st.lists(st.integers(0, 10**6), max_size=8))
def test_stream_and_whole_say_the_same(parts: list[dict[str, Any]], cut: int, cuts: list[int]) -> None:
    stop = "tool_use" if any("toolUse" in part for part in parts) else "end_turn"
    streamed = fold(steps(stream([*pieces(parts, cut), *ending(stop)]), cuts))
    assert comparable(streamed) == comparable(whole(reply(parts, stop)))


@given(some_parts, cutting)
def test_callers_of_other_dialects_read_the_same_whole_and_streamed(parts: list[dict[str, Any]], cut: int) -> None:
    answer, data = whole(reply(parts)), stream([*pieces(parts, cut), *ending()])
    messages = Request(dialect="anthropic_messages", model="w", fields={})
    chat = Request(dialect="openai_chat", model="w", fields={}, stream=True, wants_usage=True)
    for surface, request, reads in ((MessagesSurface(), messages, MessagesComposer()), (ChatSurface(), chat, ChatComposer())):
        writer, reader, splitter = surface.writer(request), reads.reader(), EventSplitter()
        events = splitter.feed(b"".join(writer.write(step) for step in steps(data)))
        streamed = fold([step for one in events for step in reader.read(one)])
        told = reads.whole(surface.whole(answer, request))
        assert streamed.usage == told.usage
        assert streamed.choices[0].stop == told.choices[0].stop
        for kind, field in ((Text, "text"), (Call, "name"), (Thinking, "text")):
            said = ["".join(getattr(p, field) for p in one.choices[0].parts if isinstance(p, kind)) for one in (streamed, told)]
            assert said[0] == said[1]


def test_signed_thinking_comes_back_through_other_dialects() -> None:
    answer = whole(reply(PARTS[:3]))
    request = Request(dialect="anthropic_messages", model="w", fields={})
    told = MessagesComposer().whole(MessagesSurface().whole(answer, request)).choices[0].parts
    assert told[:2] == answer.choices[0].parts[:2], "a signature goes out under its maker's name"
    chat = ChatSurface().whole(answer, Request(dialect="openai_chat", model="w", fields={}))
    details = json.loads(chat)["choices"][0]["message"]["reasoning_details"]
    assert [detail["format"] for detail in details] == [MINE, MINE]


def test_redacted_thinking_in_pieces_is_one() -> None:
    halves = [
        ("contentBlockDelta", {"delta": {"reasoningContent": {"redactedContent": half}}, "contentBlockIndex": 0})
        for half in ("YQ==", "Yg==")
    ]
    assert fold(steps(stream([*halves, *ending()]))).choices[0].parts == (Thinking("", "YWI=", True, MINE),)


@given(*[st.integers(0, 10**6)] * 5)
def test_a_cache_is_added_to_the_input_and_never_counted_twice(plain: int, read: int, short: int, hour: int, said: int) -> None:
    counts = {
        "inputTokens": plain, "outputTokens": said, "totalTokens": plain + read + short + hour + said,
        "cacheReadInputTokens": read, "cacheWriteInputTokens": short + hour,
        "cacheDetails": [{"ttl": "1h", "inputTokens": hour}, {"ttl": "5m", "inputTokens": short}],
    }  # fmt: skip
    usage = whole(reply([{"text": "x"}], usage=counts)).usage
    assert usage is not None
    assert usage.input_tokens + usage.output_tokens == counts["totalTokens"]
    buckets = usage.buckets()
    assert (buckets["input"], buckets["cache_read"], buckets["output"]) == (plain, read, said)
    assert (buckets["cache_write"], buckets["cache_write_1h"]) == (short, hour)


def test_what_was_not_counted_is_not_said() -> None:
    bare = {"inputTokens": 4, "outputTokens": 2, "totalTokens": 6}
    assert whole(reply([{"text": "x"}], usage=bare)).usage == Usage(input_tokens=4, output_tokens=2, source="provider")
    assert whole(reply([{"text": "x"}], usage=None)).raw_usage is None
    written = bare | {"cacheDetails": [{"ttl": "5m", "inputTokens": 3}]}
    usage = whole(reply([{"text": "x"}], usage=written)).usage
    assert usage is not None
    assert (usage.input_tokens, usage.cache_write, usage.cache_write_1h) == (7, 3, 0)


@pytest.mark.parametrize(
    "counts",
    [{"inputTokens": -1, "outputTokens": 2}, {"outputTokens": 2},
     {"inputTokens": 1, "outputTokens": 1, "cacheWriteInputTokens": 1, "cacheDetails": [{"ttl": "1h", "inputTokens": 2}]}],
)  # fmt: skip
def test_counts_that_contradict_themselves_are_kept_raw(counts: dict[str, Any]) -> None:
    answer = whole(reply([{"text": "x"}], usage=counts))
    assert answer.usage is None
    assert json.loads(answer.raw_usage or "") == counts


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("end_turn", "end"), ("tool_use", "calls"), ("max_tokens", "length"), ("model_context_window_exceeded", "length"),
        ("stop_sequence", "stop_sequence"), ("guardrail_intervened", "refused"), ("content_filtered", "refused"),
        ("a_new_one", "end"),
    ],
)  # fmt: skip
def test_why_it_ended(reason: str, stop: str) -> None:
    fields = {"additionalModelResponseFields": {"stop_sequence": "###"}}
    answer = whole(reply([{"text": "x"}], reason, **fields))
    assert (answer.choices[0].stop, answer.choices[0].stop_sequence) == (stop, "###" if reason == "stop_sequence" else None)
    assert fold(steps(stream([*pieces([{"text": "x"}], 1), *ending(reason, **fields)]))).choices == answer.choices


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
def test_an_end_that_left_no_answer(reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        whole(reply([], reason))
    said = steps(stream([*pieces([{"text": "x"}], 1), *ending(reason)]))
    assert [step for step in said if isinstance(step, Broke | Closed | Stopped)] == [Broke(reason)]


def test_the_service_that_is_billed() -> None:
    assert whole(reply([{"text": "x"}], serviceTier={"type": "flex"})).service_tier == "flex"
    used = steps(event("metadata", {"usage": COUNTS, "serviceTier": {"type": "flex"}}))[-1]
    assert isinstance(used, Used)
    assert (used.usage, used.service_tier) == (USED, "flex")


@pytest.mark.parametrize(
    "name",
    ["internalServerException", "modelStreamErrorException", "throttlingException", "validationException",
     "serviceUnavailableException"],
)  # fmt: skip
def test_an_error_inside_a_stream_ends_it(name: str) -> None:
    data = stream(list(pieces([{"text": "x"}], 1))) + exception(name)
    assert steps(data + stream(ending()))[-1] == Broke(name)
    said = steps(frame({":message-type": (7, "error"), ":error-code": (7, "the prompt itself, in words")}, b""))
    assert said == [Broke("no error code")]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b"\xff", b'{"message":"the prompt"}', b'{"output":{},"stopReason":"end_turn"}',
        json.dumps(reply([{"citationsContent": {}}])).encode(),
        json.dumps(reply([{"toolUse": {"toolUseId": "a", "name": "f", "input": [1]}}])).encode(),
        json.dumps(reply([{"toolUse": {"toolUseId": "a", "name": "f", "input": {}, "type": "server_tool_use"}}])).encode(),
        json.dumps(reply([{"reasoningContent": {}}])).encode(),
    ],
)  # fmt: skip
def test_a_body_that_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  msgspec's errors and ours are both such
        CONVERSE.whole(body)
    assert "the prompt" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("contentBlockDelta", {"delta": {"toolUse": {"input": "{}"}}, "contentBlockIndex": 0}),
        ("contentBlockDelta", {"delta": {"citation": {}}, "contentBlockIndex": 0}),
        ("contentBlockDelta", {"delta": {"text": 7}, "contentBlockIndex": 0}),
        ("contentBlockStart", {"start": {"image": {"format": "png"}}, "contentBlockIndex": 0}),
    ],
)
def test_what_was_not_asked_for_is_an_error(kind: str, payload: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  msgspec's errors and ours are both such
        CONVERSE.reader().read(event(kind, payload))


def test_an_event_that_is_not_known_says_nothing_and_nothing_follows_the_end() -> None:
    reader = CONVERSE.reader()
    reader.read(event("messageStart", {"role": "assistant"}))
    assert list(reader.read(event("somethingNew", {"a": 1}))) == []
    assert [type(step) for step in reader.read(event("messageStop", {"stopReason": "end_turn"}))] == [Stopped]
    assert list(reader.read(event("messageStop", {"stopReason": "end_turn"}))) == []
    with pytest.raises(ValueError, match="goes on after its end"):
        reader.read(event("contentBlockDelta", {"delta": {"text": "x"}, "contentBlockIndex": 1}))
