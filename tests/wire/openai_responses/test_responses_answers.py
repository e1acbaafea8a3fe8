"""Answers of other dialects as Responses: whole, and as typed events in the order of OpenAI's reference, 2026-11-21."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from told_responses import chunks, events, told, usages, wholes

from freehold.core.conversation import Call, Media, Part, Refusal, Text, Thinking
from freehold.core.ports import StepWriter, Surface
from freehold.core.request import Request
from freehold.core.said import Began, Broke, Choice, Closed, Ended, Opened, Piece, Step, Stopped, StopReason, Used, Whole, fold
from freehold.core.usage import Usage
from freehold.wire.openai_responses import Responses, ResponsesSurface
from freehold.wire.openai_responses.usage import read_usage, usage_body

SURFACE: Surface = ResponsesSurface()
REQUEST = SURFACE.read(b'{"model":"w","input":"hi","temperature":0.5,"tools":[],"metadata":{"a":"b"}}', {})
NATIVE = Responses()
USAGE = Usage(input_tokens=30, output_tokens=12, cache_read=20, cache_write=4, reasoning=5, source="provider")
PARTS = (
    Thinking("It asks.", "sig", maker="anthropic_messages"), Text("I look."), Call("call_1", "look", '{"at":1}'), Refusal("No."),
)  # fmt: skip


def written(steps: Any, request: Request = REQUEST) -> bytes:
    writer = SURFACE.writer(request)
    return b"".join(writer.write(step) for step in steps)


def answer(*said: Any, stop: StopReason = "end") -> Whole:
    return Whole(id="chatcmpl-1", model="m", created=7, choices=(Choice(parts=said, stop=stop),), usage=USAGE)


def test_a_stream_in_the_order_of_the_dialect() -> None:
    seen = events(written(told(answer(*PARTS, stop="calls"), cut=5)))
    assert [(event["type"].removeprefix("response."), event.get("output_index")) for event in seen] == [
        ("created", None), ("in_progress", None),
        ("output_item.added", 0), ("reasoning_summary_part.added", 0), ("reasoning_summary_text.delta", 0),
        ("reasoning_summary_text.delta", 0), ("reasoning_summary_text.done", 0), ("reasoning_summary_part.done", 0),
        ("output_item.done", 0),
        ("output_item.added", 1), ("content_part.added", 1), ("output_text.delta", 1), ("output_text.delta", 1),
        ("output_text.done", 1), ("content_part.done", 1), ("output_item.done", 1),
        ("output_item.added", 2), ("function_call_arguments.delta", 2), ("function_call_arguments.delta", 2),
        ("function_call_arguments.done", 2), ("output_item.done", 2),
        ("output_item.added", 3), ("content_part.added", 3), ("refusal.delta", 3), ("refusal.done", 3), ("content_part.done", 3),
        ("output_item.done", 3),
        ("completed", None),
    ]  # fmt: skip
    assert [event["sequence_number"] for event in seen] == list(range(len(seen)))
    assert seen[9]["item"] == {
        "id": "msg_freehold_chatcmpl-1_1", "type": "message", "status": "in_progress", "role": "assistant", "content": [],
    }  # fmt: skip
    assert seen[11] == {
        "type": "response.output_text.delta", "sequence_number": 11, "item_id": "msg_freehold_chatcmpl-1_1", "output_index": 1,
        "content_index": 0, "delta": "I loo", "logprobs": [],
    }  # fmt: skip
    assert seen[8]["item"] == {
        "id": "rs_freehold_chatcmpl-1_0", "type": "reasoning", "status": "completed",
        "encrypted_content": "anthropic_messages#sig", "summary": [{"type": "summary_text", "text": "It asks."}],
    }  # fmt: skip
    assert (seen[0]["response"]["usage"], seen[0]["response"]["status"]) == (None, "in_progress")
    assert seen[-1]["response"] == json.loads(SURFACE.whole(answer(*PARTS, stop="calls"), REQUEST))


@given(wholes(), st.integers(1, 5), st.lists(st.integers(0, 10**6), max_size=8))
def test_stream_and_whole_say_the_same(whole: Whole, cut: int, cuts: list[int]) -> None:
    body = SURFACE.whole(whole, REQUEST)
    stream = written(told(whole, cut))
    assert b"".join(chunks(stream, cuts)) == stream
    seen = events(stream)
    assert seen[-1]["response"] == json.loads(body)
    assert seen[-1]["response"] == json.loads(SURFACE.whole(fold(told(whole, cut)), REQUEST))
    assert [event["sequence_number"] for event in seen] == list(range(len(seen)))
    assert [event["item"] for event in seen if event["type"] == "response.output_item.done"] == seen[-1]["response"]["output"]
    assert rebuilt(seen) == [part_text(part) for part in whole.choices[0].parts]


@given(wholes(), st.integers(1, 5), st.lists(st.integers(0, 10**6), max_size=8))
def test_native_counts_of_both_agree(whole: Whole, cut: int, cuts: list[int]) -> None:
    reply = NATIVE.decode(SURFACE.whole(whole, REQUEST))
    count = NATIVE.deltas()
    deltas = [count.delta(event) for event in chunks(written(told(whole, cut)), cuts)]
    last = deltas[-1]
    assert (last.done, last.finished, sum(delta.finished for delta in deltas)) == (True, 1, 1)
    assert last.usage == reply.usage
    assert (reply.text_bytes > 0) == any(delta.content for delta in deltas)
    assert reply.usage is not None
    assert reply.usage.input_tokens == reply.usage.uncached + (reply.usage.cache_read or 0) + (reply.usage.cache_write or 0)


@given(wholes())
def test_an_answer_can_be_sent_back(whole: Whole) -> None:
    """Every part of it comes back as it was, its signatures with their makers."""
    items = json.loads(SURFACE.whole(whole, REQUEST))["output"]
    said = SURFACE.parse(
        SURFACE.read(msgspec.json.encode({"model": "w", "input": [*items, {"role": "user", "content": "so"}]}), {})
    )
    back: list[Part] = [part for turn in said.turns for part in turn.parts][:-1]
    assert back == list(whole.choices[0].parts)


@given(wholes())
def test_an_answer_sent_back_asks_for_nothing_kept(whole: Whole) -> None:
    items = json.loads(SURFACE.whole(whole, REQUEST))["output"]
    assert (
        SURFACE.read(msgspec.json.encode({"model": "w", "input": [*items, {"role": "user", "content": "a"}]}), {}).egress == set()
    )


@given(usages)
def test_usage_comes_back(usage: Usage) -> None:
    seen, raw = read_usage(msgspec.Raw(msgspec.json.encode(usage_body(usage))), "provider")
    assert seen is not None
    assert json.loads(raw or "")["total_tokens"] == usage.input_tokens + usage.output_tokens
    assert (seen.input_tokens, seen.output_tokens, seen.uncached, seen.answer) == (
        usage.input_tokens, usage.output_tokens, usage.uncached, usage.answer,
    )  # fmt: skip


def rebuilt(seen: list[dict[str, Any]]) -> list[str]:
    """What the deltas of each item say together; the text that its done event repeats is the same."""
    said = {event["output_index"]: "" for event in seen if event["type"] == "response.output_item.added"}
    for event in seen:
        if event["type"].endswith(".delta"):
            said[event["output_index"]] += event["delta"]
        elif event["type"].endswith(("_text.done", "refusal.done", "arguments.done")):
            whole = next(event[name] for name in ("text", "refusal", "arguments") if name in event)
            assert whole == said[event["output_index"]]
    return list(said.values())


def part_text(part: Any) -> str:
    return str(part.arguments if isinstance(part, Call) else part.text)


@pytest.mark.parametrize(
    ("stop", "said", "ending"),
    [
        ("end", Text("so"), ("completed", None, "completed")), ("stop_sequence", Text("so"), ("completed", None, "completed")),
        ("calls", Call("c", "f", "{}"), ("completed", None, "completed")),
        ("length", Call("c", "f", '{"a'), ("incomplete", "max_output_tokens", "incomplete")),
        ("paused", Text("so"), ("incomplete", "max_output_tokens", "incomplete")),
        ("refused", Text("so"), ("incomplete", "content_filter", "incomplete")),
        ("refused", Refusal("no"), ("completed", None, "completed")),
    ],
)  # fmt: skip
def test_endings(stop: StopReason, said: Any, ending: tuple[str, str | None, str]) -> None:
    whole = answer(Text("first"), said, stop=stop)
    seen = events(written(told(whole)))
    for response in (seen[-1]["response"], json.loads(SURFACE.whole(whole, REQUEST))):
        reason = (response["incomplete_details"] or {}).get("reason")
        assert (response["status"], reason, response["output"][1]["status"]) == ending
        assert response["output"][0]["status"] == "completed"
    assert seen[-1]["type"] == f"response.{ending[0]}"
    done = [event["item"]["status"] for event in seen if event["type"] == "response.output_item.done"]
    assert done == ["completed", ending[2]], "a call that was cut short is not said to be complete"


def test_parts_may_interleave_and_nothing_waits() -> None:
    writer: StepWriter = SURFACE.writer(REQUEST)
    writer.write(Opened(id="a", model="m"))
    steps: list[Step] = [
        Began(choice=0, part=0, kind="call", id="c", name="f"), Began(choice=0, part=1, kind="text"), Piece(0, 1, "so"),
        Piece(0, 0, "{"), Ended(0, 1), Piece(0, 0, "}"), Ended(0, 0), Stopped(0, "calls"), Used(USAGE), Closed(),
    ]  # fmt: skip
    out = [[event["type"].removeprefix("response.") for event in events(writer.write(step))] for step in steps]
    assert out == [
        ["output_item.added"], ["output_item.added", "content_part.added"], ["output_text.delta"],
        ["function_call_arguments.delta"], [], ["function_call_arguments.delta"],
        ["output_text.done", "content_part.done", "output_item.done"], ["function_call_arguments.done", "output_item.done"], [],
        ["completed"],
    ]  # fmt: skip


def test_a_response_repeats_what_was_asked() -> None:
    response = json.loads(SURFACE.whole(answer(Text("so")), REQUEST))
    assert (response["temperature"], response["metadata"], response["store"]) == (0.5, {"a": "b"}, False)
    assert (response["id"], response["model"], response["created_at"]) == ("chatcmpl-1", "m", 7)
    assert (response["text"], response["tool_choice"]) == ({"format": {"type": "text"}}, "auto")


def test_a_break_ends_in_a_failure() -> None:
    steps: list[Step] = [Opened(id="a", model="m"), Began(choice=0, part=0, kind="text"), Piece(0, 0, "so"), Broke("overloaded")]
    seen = events(written(steps))
    assert seen[-1]["type"] == "response.failed"
    assert seen[-1]["response"]["error"] == {"code": "server_error", "message": "the model's server broke off (overloaded)"}
    assert seen[-2]["item"]["status"] == "incomplete"


def test_log_probabilities_stand_with_the_text() -> None:
    token = {"token": "so", "logprob": -1, "bytes": [], "top_logprobs": []}
    raw = msgspec.Raw(msgspec.json.encode([token]))
    said = Whole(id="a", model="m", choices=(Choice(parts=(Thinking("hm"), Text("so")), stop="end", logprobs=raw),))
    seen = events(written(told(said)))
    assert [event["logprobs"] for event in seen if "logprobs" in event] == [[token], [token]]
    assert json.loads(SURFACE.whole(said, REQUEST))["output"][1]["content"][0]["logprobs"] == [token]


def test_what_has_no_place() -> None:
    with pytest.raises(ValueError, match="media"):
        SURFACE.whole(answer(Media(kind="audio", data="AA==")), REQUEST)
    with pytest.raises(ValueError, match="media"):
        SURFACE.writer(REQUEST).write(Began(choice=0, part=0, kind="media"))
    with pytest.raises(ValueError, match="has not begun"):
        SURFACE.writer(REQUEST).write(Piece(0, 0, "so"))
    assert json.loads(SURFACE.whole(Whole(id="a", model="m", choices=()), REQUEST))["output"] == []
