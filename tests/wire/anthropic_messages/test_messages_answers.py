"""Answers in Anthropic's dialect, in and out, whole and streamed: both ways say the same.

The exchanges are written by hand from the published formats of the Messages API and its streaming (anthropic-version 2023-06-01,
as of 2026-11-21); llama.cpp's was recorded from its server of October 2026.
"""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from told_answers import MINE, chunks, told, wholes

from freehold.core.conversation import Call, Media, Refusal, Text, Thinking
from freehold.core.ports import Delta
from freehold.core.request import Request
from freehold.core.said import Began, Broke, Choice, Closed, Ended, Opened, Piece, Signed, Step, Stopped, Used, Whole, fold
from freehold.core.usage import Usage
from freehold.wire.anthropic_messages import Messages, MessagesComposer, MessagesSurface
from freehold.wire.sse import data_of

SURFACE, COMPOSER, NATIVE = MessagesSurface(), MessagesComposer(), Messages()
REQUEST = Request(dialect="anthropic_messages", model="w", fields={})


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def start(usage: dict[str, Any]) -> bytes:
    nothing: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "usage": usage}
    return event("message_start", message=message | nothing)


EXCHANGE = b"".join([
    start({"input_tokens": 25, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 7, "output_tokens": 1,
           "cache_creation": {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 0}, "service_tier": "standard"}),
    event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}),
    event("ping"),
    event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Let me see."}),
    event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "EqQB+/="}),
    event("content_block_stop", index=0),
    event("content_block_start", index=1, content_block={"type": "text", "text": ""}),
    event("content_block_delta", index=1, delta={"type": "text_delta", "text": "I look "}),
    event("content_block_delta", index=1, delta={"type": "text_delta", "text": "it up."}),
    event("content_block_stop", index=1),
    event("content_block_start", index=2, content_block={"type": "tool_use", "id": "toolu_1", "name": "get", "input": {}}),
    event("content_block_delta", index=2, delta={"type": "input_json_delta", "partial_json": ""}),
    event("content_block_delta", index=2, delta={"type": "input_json_delta", "partial_json": '{"city": "Pa'}),
    event("content_block_delta", index=2, delta={"type": "input_json_delta", "partial_json": 'ris"}'}),
    event("content_block_stop", index=2),
    event("content_block_start", index=3, content_block={"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}}),
    event("content_block_delta", index=3, delta={"type": "input_json_delta", "partial_json": ""}),
    event("content_block_stop", index=3),
    event("message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None},
          usage={"output_tokens": 89, "output_tokens_details": {"thinking_tokens": 30}}),
    event("message_stop"),
])  # fmt: skip
USED = Usage(input_tokens=132, output_tokens=89, cache_read=100, cache_write=7, cache_write_1h=0, reasoning=30, source="provider")
LLAMACPP = b"".join([
    start({"cache_read_input_tokens": 31, "input_tokens": 1, "output_tokens": 0}),
    event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    event("content_block_delta", index=0, delta={"type": "text_delta", "text": "{}"}),
    event("content_block_stop", index=0),
    event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": "label"}, usage={"output_tokens": 10}),
    event("message_stop"),
])  # fmt: skip


def steps(stream: bytes, cuts: list[int] | None = None) -> list[Step]:
    reader = COMPOSER.reader()
    read = [step for one in chunks(stream, cuts or []) for step in reader.read(one)]
    assert reader.close() == ()
    return read


def written(some: Any) -> bytes:
    writer = SURFACE.writer(REQUEST)
    return b"".join(writer.write(step) for step in some)


def kinds(stream: bytes) -> list[str]:
    return [json.loads(data_of(one) or b"{}")["type"] for one in chunks(stream, [])]


@given(st.lists(st.integers(0, 10**6), max_size=8))
def test_an_exchange_cut_anywhere(cuts: list[int]) -> None:
    whole = fold(steps(EXCHANGE, cuts))
    assert whole.choices[0].parts == (
        Thinking("Let me see.", "EqQB+/=", maker=MINE), Text("I look it up."), Call("toolu_1", "get", '{"city": "Paris"}'),
        Call("toolu_2", "now", "{}"),
    )  # fmt: skip
    assert (whole.choices[0].stop, whole.usage, whole.service_tier) == ("calls", USED, "standard")
    assert json.loads(whole.raw_usage or "")["cache_creation"]["ephemeral_5m_input_tokens"] == 7


def test_the_counts_of_a_stream_are_those_of_both_its_events() -> None:
    count = NATIVE.deltas()
    deltas = [count.delta(one) for one in chunks(EXCHANGE, [])]
    assert [delta.usage for delta in deltas if delta.raw_usage] == [USED]
    assert (sum(delta.finished for delta in deltas), deltas[-1]) == (1, Delta(done=True))
    first = next(at for at, delta in enumerate(deltas) if delta.content)
    assert first == 3, "thinking is content; a start, a ping and a signature are none"
    assert not deltas[4].content


def test_an_event_alone_never_counts_too_little() -> None:
    alone = [NATIVE.delta(one) for one in chunks(EXCHANGE, [])]
    assert [(delta.usage, bool(delta.raw_usage)) for delta in alone if delta.finished] == [(None, True)]
    full = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"input_tokens": 3, "output_tokens": 4})
    assert NATIVE.delta(full).usage == Usage(input_tokens=3, output_tokens=4, source="provider")


def test_zeros_at_the_end_do_not_undo_what_the_start_counted() -> None:
    count = NATIVE.deltas()
    count.delta(start({"input_tokens": 32, "output_tokens": 0}))
    last = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"input_tokens": 0, "output_tokens": 4})
    assert count.delta(last).usage == Usage(input_tokens=32, output_tokens=4, source="provider")


def test_llamacpp_names_its_stop_sequence_under_end_turn() -> None:
    whole = fold(steps(LLAMACPP))
    assert (whole.choices[0].stop, whole.choices[0].stop_sequence) == ("stop_sequence", "label")
    assert whole.usage == Usage(input_tokens=32, output_tokens=10, cache_read=31, source="provider")


@given(wholes(), st.integers(1, 5), st.lists(st.integers(0, 10**6), max_size=8))
def test_stream_and_whole_say_the_same(whole: Whole, cut: int, cuts: list[int]) -> None:
    body = SURFACE.whole(whole, REQUEST)
    came = COMPOSER.whole(body)
    assert (came.choices, came.usage) == (whole.choices, whole.usage)
    streamed = fold(steps(written(told(whole, cut)), cuts))
    assert (streamed.choices, streamed.usage, streamed.id) == (came.choices, came.usage, came.id)
    assert NATIVE.decode(body).usage == whole.usage


@given(wholes(), st.integers(1, 5))
def test_native_counts_of_both_agree(whole: Whole, cut: int) -> None:
    count = NATIVE.deltas()
    deltas = [count.delta(one) for one in chunks(written(told(whole, cut)), [])]
    assert next(delta.usage for delta in deltas if delta.raw_usage) == whole.usage
    assert any(delta.content for delta in deltas) == (NATIVE.decode(SURFACE.whole(whole, REQUEST)).text_bytes > 0)


@given(wholes(), st.integers(1, 5))
def test_events_come_in_the_order_of_the_dialect(whole: Whole, cut: int) -> None:
    named = kinds(written(told(whole, cut)))
    assert (named[0], named[-2:]) == ("message_start", ["message_delta", "message_stop"])
    inside = [kind.removeprefix("content_block_") for kind in named[1:-2] if kind != "content_block_delta"]
    assert inside == ["start", "stop"] * len(whole.choices[0].parts)


def test_parts_that_interleave_are_told_one_after_the_other() -> None:
    interleaved: list[Step] = [
        Opened(id="m", model="x"), Began(choice=0, part=0, kind="call", id="a", name="f"),
        Began(choice=0, part=1, kind="call", id="b", name="g"), Piece(0, 1, "{}"), Piece(0, 0, '{"n":'),
        Began(choice=0, part=2, kind="text"), Piece(0, 2, "so"), Piece(0, 0, "1}"), Ended(0, 0),
        Piece(0, 2, " it"), Ended(0, 1), Stopped(0, "calls"), Closed(),
    ]  # fmt: skip
    stream = written(interleaved)
    assert fold(steps(stream)).choices[0].parts == (Call("a", "f", '{"n":1}'), Call("b", "g", "{}"), Text("so it"))
    inside = [kind for kind in kinds(stream)[1:-2] if kind != "content_block_delta"]
    assert inside == ["content_block_start", "content_block_stop"] * 3


def test_what_has_no_word_of_its_own() -> None:
    whole = Whole(id="i", model="m", choices=(Choice(parts=(Refusal("I will not."),), stop="refused"),))
    said = json.loads(SURFACE.whole(whole, REQUEST))
    assert (said["content"], said["stop_reason"]) == ([{"type": "text", "text": "I will not."}], "refusal")
    assert said["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert fold(steps(written(told(whole)))).choices[0].parts == (Text("I will not."),)
    media = Choice(parts=(Media(kind="audio", data="AA=="),), stop="end")
    with pytest.raises(ValueError, match="media"):
        SURFACE.whole(Whole(id="i", model="m", choices=(media,)), REQUEST)
    with pytest.raises(ValueError, match="media"):
        SURFACE.writer(REQUEST).write(Began(choice=0, part=0, kind="media"))


def test_a_signature_keeps_its_maker() -> None:
    thought = Thinking("so", "sig#1", maker="google_gemini")
    whole = Whole(id="i", model="m", choices=(Choice(parts=(thought, Thinking("bare")), stop="end"),), usage=None)
    assert COMPOSER.whole(SURFACE.whole(whole, REQUEST)).choices[0].parts == (thought, Thinking("bare"))
    assert fold(steps(written(told(whole)))).choices[0].parts == (thought, Thinking("bare"))


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b'{"type":"error","error":{"type":"overloaded_error","message":"the prompt"}}', b'{"type":"message"}',
        b'{"type":"message","content":[{"type":"text","text":7}]}', b'{"error":{"code":500,"type":"server_error"}}', b"\xff",
        b'{"type":"message","content":[7]}',
    ],
)  # fmt: skip
def test_a_body_that_is_no_message(body: bytes) -> None:
    for read in (COMPOSER.whole, NATIVE.decode):
        with pytest.raises(ValueError) as raised:  # noqa: PT011  msgspec's errors and ours are both such
            read(body)
        assert "the prompt" not in str(raised.value)


def test_a_block_nobody_asked_for_is_not_dropped() -> None:
    block = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    with pytest.raises(ValueError, match="server_tool_use"):
        COMPOSER.whole(json.dumps({"type": "message", "content": [block]}).encode())
    with pytest.raises(ValueError, match="server_tool_use"):
        COMPOSER.reader().read(event("content_block_start", index=0, content_block=block))
    assert NATIVE.decode(json.dumps({"type": "message", "content": [block]}).encode()).usage is None


@pytest.mark.parametrize("unsigned", [{}, {"signature": None}, {"signature": ""}])
def test_thinking_of_an_engine_that_does_not_sign(unsigned: dict[str, Any]) -> None:
    block = {"type": "thinking", "thinking": "so", **unsigned}
    body = json.dumps({"type": "message", "id": "i", "model": "m", "content": [block]}).encode()
    assert COMPOSER.whole(body).choices[0].parts == (Thinking("so"),)
    begun = COMPOSER.reader().read(event("content_block_start", index=0, content_block=block))
    assert begun == [Began(choice=0, part=0, kind="thinking"), Piece(0, 0, "so")]


def test_errors_inside_a_stream() -> None:
    ours = event("error", error={"type": "overloaded_error", "message": "secret"})
    foreign = b'data: {"error":{"code":500,"message":"secret","type":"server_error"}}\n\n'
    assert COMPOSER.reader().read(ours) == [Broke("overloaded_error")]
    assert COMPOSER.reader().read(foreign) == [Broke("server_error")]
    assert (NATIVE.delta(ours).error, NATIVE.delta(foreign).error) == ("overloaded_error", "server_error")


@pytest.mark.parametrize(
    "bad",
    [
        b"data: {\n\n", b'data: {"x":1}\n\n', b'data: {"type":"message_start"}\n\n', event("content_block_stop", index=3),
        event("content_block_delta", index=3, delta={"type": "text_delta", "text": "x"}), event("content_block_start", index=0),
    ],
)  # fmt: skip
def test_malformed_events(bad: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        COMPOSER.reader().read(bad)


def test_what_later_versions_add_is_ignored() -> None:
    assert COMPOSER.reader().read(event("novel")) == ()
    assert COMPOSER.reader().read(b": comment\n\n") == ()
    assert COMPOSER.reader().read(b"data: [DONE]\n\n") == ()
    assert (NATIVE.delta(event("novel")), NATIVE.delta(b": comment\n\n")) == (Delta(), Delta())


@pytest.mark.parametrize(
    "usage", [{"input_tokens": -1, "output_tokens": 1}, {"input_tokens": 2**60, "output_tokens": 1}, {"output_tokens": 1}]
)
def test_counts_that_are_none_are_kept_raw(usage: dict[str, Any]) -> None:
    reply = NATIVE.decode(msgspec.json.encode({"type": "message", "content": [], "usage": usage}))
    assert reply.usage is None
    assert json.loads(reply.raw_usage or "") == usage


def test_every_step_type_has_its_place() -> None:
    seen = {type(step) for step in steps(EXCHANGE)}
    assert seen == {Opened, Began, Piece, Signed, Ended, Stopped, Used, Closed}
