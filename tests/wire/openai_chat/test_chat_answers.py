"""Answers through chat completions and back: whole and streamed tell the same, cut at any byte; usage sums hold.

Exchanges are written by hand from OpenAI's published reference and the types of its SDK, read 2026-11-21; the ones of llama.cpp
are as its server (xllamacpp 2026.10.11549) answered.
"""

import json
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from told_chat import events, told, wholes

from freehold.core.conversation import Call, Media, Refusal, Text, Thinking
from freehold.core.said import Began, Broke, Choice, Closed, Ended, Opened, Piece, Step, Stopped, Used, Whole, fold
from freehold.core.usage import Usage
from freehold.wire.openai_chat import ENGINE, ChatComposer, ChatSurface, OpenAiChat, read

STREAM = read(b'{"model":"w","messages":[{}],"stream":true,"stream_options":{"include_usage":true}}')
QUIET = read(b'{"model":"w","messages":[{}],"stream":true}')
SURFACE, COMPOSER = ChatSurface(), ChatComposer()
ONE_CHOICE = msgspec.structs.replace(ENGINE, counts_one_choice=True)


def written(whole: Whole, request: Any = STREAM) -> bytes:
    writer = SURFACE.writer(request)
    return b"".join(writer.write(step) for step in told(whole))


def steps_of(stream: Iterable[bytes], composer: ChatComposer = COMPOSER) -> list[Step]:
    reader = composer.reader()
    steps = [step for event in stream for step in reader.read(event)]
    return [*steps, *reader.close()]


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish} | {
        k: more.pop(k) for k in ("logprobs", "stop_reason") if k in more
    }
    return b"data: " + json.dumps({"id": "c", "model": "m", "created": 7, "choices": [choice]} | more).encode() + b"\n\n"


def whole(message: dict[str, Any], finish: str = "stop", **more: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"id": "c", "model": "m", "created": 7, "choices": [choice]} | more).encode()


def plain(answer: Whole) -> Any:
    """Comparable: raw JSON as values, and without the vendor's own words."""
    values = [json.loads(bytes(choice.logprobs)) if choice.logprobs else None for choice in answer.choices]
    stripped = tuple(msgspec.structs.replace(choice, logprobs=None) for choice in answer.choices)
    return msgspec.structs.replace(answer, choices=stripped, raw_usage=None), values


@given(wholes, st.lists(st.integers(0, 10**6), max_size=6))
def test_a_stream_cut_anywhere_folds_to_the_whole_answer(answer: Whole, cuts: list[int]) -> None:
    body = COMPOSER.whole(SURFACE.whole(answer, STREAM))
    assert plain(body) == plain(answer)
    assert plain(fold(steps_of(events(written(answer), cuts)))) == plain(body)
    assert body.usage is not None
    assert body.usage.input_tokens == body.usage.uncached + (body.usage.cache_read or 0) + (body.usage.cache_write or 0)


@given(wholes)
def test_what_is_written_is_counted_as_a_native_stream_of_the_same(answer: Whole) -> None:
    deltas = [OpenAiChat().delta(event) for event in events(written(answer), ())]
    assert sum(delta.finished for delta in deltas) == len(answer.choices)
    assert [delta.usage for delta in deltas if delta.usage_only] == [answer.usage]
    assert [delta.done for delta in deltas] == [False] * (len(deltas) - 1) + [True]
    assert not any(delta.usage_only for delta in map(OpenAiChat().delta, events(written(answer, QUIET), ())))


def test_the_chunks_of_a_stream_in_their_order() -> None:
    answer = Whole(
        id="a", model="m", choices=(Choice(parts=(Text("hi"), Call("call_1", "look", "{}")), stop="calls"),),
        usage=Usage(input_tokens=3, output_tokens=2, cache_read=1, source="provider"),
    )  # fmt: skip
    sent = list(events(written(answer), ()))
    assert sent[-1] == b"data: [DONE]\n\n"
    chunks = [json.loads(event[6:]) for event in sent[:-1]]
    assert {(one["id"], one["object"], one["created"], one["model"]) for one in chunks} == {
        ("a", "chat.completion.chunk", 0, "m")
    }
    assert [one["choices"][0]["delta"] for one in chunks[:-1]] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "hi"},
        {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
        {},
    ]
    assert [one["choices"][0]["finish_reason"] for one in chunks[:-1]] == [None] * 4 + ["tool_calls"]
    assert all(one["usage"] is None for one in chunks[:-1])
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {
        "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 1},
    }  # fmt: skip


def test_a_delta_in_is_a_delta_out() -> None:
    reader = COMPOSER.reader()
    first = reader.read(chunk({"role": "assistant", "content": "a"}))
    assert first == [Opened(id="c", model="m", created=7), Began(choice=0, part=0, kind="text"), Piece(0, 0, "a")]
    assert reader.read(chunk({"content": "b"})) == [Piece(0, 0, "b")]
    assert reader.read(b": keep-alive\n\n") == ()
    assert reader.read(chunk({}, "stop")) == [Ended(0, 0), Stopped(0, "end")]
    assert reader.read(b"data: [DONE]\n\n") == (Closed(),)
    assert reader.close() == ()


def test_a_finished_stream_is_closed_without_done_and_an_unfinished_one_is_not() -> None:
    assert steps_of([chunk({"content": "a"}, "stop")])[-1] == Closed()
    assert not any(isinstance(step, Closed) for step in steps_of([chunk({"content": "a"})]))


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thinking_under_both_of_its_names(field: str) -> None:
    parts = (Thinking("why"), Text("so"))
    assert COMPOSER.whole(whole({"content": "so", field: "why"})).choices[0].parts == parts
    assert fold(steps_of([chunk({field: "wh"}), chunk({field: "y"}), chunk({"content": "so"}, "stop")])).choices[0].parts == parts


def test_mistral_says_thinking_as_content() -> None:
    thought = [{"type": "thinking", "thinking": [{"type": "text", "text": word}]} for word in ("wh", "y")]
    words = [{"type": "text", "text": "so"}]
    parts = (Thinking("why"), Text("so"))
    assert COMPOSER.whole(whole({"content": thought + words})).choices[0].parts == parts
    stream = [chunk({"content": thought[:1]}), chunk({"content": thought[1:]}), chunk({"content": "so"}, "stop")]
    assert fold(steps_of(stream)).choices[0].parts == parts
    with pytest.raises(ValueError, match="content"):
        COMPOSER.whole(whole({"content": [{"type": "reference", "reference_ids": [1]}]}))


@pytest.mark.parametrize(
    ("message", "finish", "stop"),
    [
        ({"content": "x"}, "stop", "end"),
        ({"content": "x"}, "eos", "end"),
        ({"content": "x"}, "length", "length"),
        ({"content": "x"}, "content_filter", "refused"),
        ({"refusal": "no"}, "stop", "refused"),
        ({"tool_calls": [{"index": 0, "id": "i", "function": {"name": "f", "arguments": ""}}]}, "tool_calls", "calls"),
        # Made to call a function, OpenAI says `stop`.
        ({"tool_calls": [{"index": 0, "id": "i", "function": {"name": "f", "arguments": ""}}]}, "stop", "calls"),
    ],
)
def test_why_it_stopped(message: dict[str, Any], finish: str, stop: str) -> None:
    assert COMPOSER.whole(whole(message, finish)).choices[0].stop == stop
    assert fold(steps_of([chunk(message), chunk({}, finish)])).choices[0].stop == stop


def test_vllm_names_the_sequence_that_ended_it() -> None:
    body = json.loads(whole({"content": "x"}))
    body["choices"][0]["stop_reason"] = "###"
    for seen in (COMPOSER.whole(json.dumps(body).encode()), fold(steps_of([chunk({"content": "x"}, "stop", stop_reason="###")]))):
        assert (seen.choices[0].stop, seen.choices[0].stop_sequence) == ("stop_sequence", "###")


def test_a_call_without_an_id_gets_one_that_no_other_answer_has() -> None:
    call = {"function": {"name": "f", "arguments": "{}"}}
    expected = (Call("call_c_0_0", "f", "{}"), Call("call_c_0_1", "f", "{}"))
    assert COMPOSER.whole(whole({"tool_calls": [call, call]}, "tool_calls")).choices[0].parts == expected
    assert fold(steps_of([chunk({"tool_calls": [call, call]}, "tool_calls")])).choices[0].parts == expected


def test_logprobs_of_tokens_that_are_no_text_yet_are_kept() -> None:
    token = [{"token": "\\xc3", "logprob": -1, "bytes": [195], "top_logprobs": []}]
    told_ = fold(steps_of([chunk({"content": ""}, logprobs={"content": token}), chunk({"content": "é"}, "stop")]))
    assert told_.choices[0].parts == (Text("é"),)
    assert told_.choices[0].logprobs is not None
    assert json.loads(bytes(told_.choices[0].logprobs)) == token


@pytest.mark.parametrize(
    "body",
    [
        b"null", b"[]", b"{", b"{}", b'{"choices":null}', b'{"choices":[]}', b'{"choices":[{}]}', b'{"choices":[{"message":7}]}',
        b'{"error":{"message":"secret words","code":"bad"}}', b'{"object":"error","message":"secret words","choices":[]}',
        whole({"content": "x"}, "wild"), whole({"tool_calls": [{"id": "i", "function": {}}]}), whole({"content": [1]}), b"\xff",
    ],
)  # fmt: skip
def test_a_body_that_is_no_answer_is_a_value_error_and_quotes_nothing(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        COMPOSER.whole(body)
    assert "secret" not in str(error.value)


def test_an_error_in_a_stream_keeps_its_name_only() -> None:
    event = b'data: {"error":{"message":"secret words","type":"server_error"}}\n\n'
    assert steps_of([chunk({"content": "a"}), event])[-1] == Broke("server_error")


@pytest.mark.parametrize(
    "stream",
    [
        [b"data: {\n\n"], [b"data: 7\n\n"], [chunk({}, "wild")],
        [chunk({"tool_calls": [{"index": 0, "function": {"arguments": "x"}}]})],
        [chunk({"tool_calls": [{"index": at, "id": "i", "function": {"name": "f"}}]}) for at in (0, 1, 0)],
        [chunk({"content": "a"}, "stop"), chunk({"content": "b"})],
    ],
)  # fmt: skip
def test_a_malformed_stream_is_a_value_error(stream: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"."):
        steps_of(stream)


def test_an_answer_with_media_is_not_said_as_half_of_itself() -> None:
    picture = Media(kind="image", media_type="image/png", data="AA==")
    with pytest.raises(ValueError, match="media"):
        SURFACE.whole(Whole(id="a", model="m", choices=(Choice(parts=(picture,), stop="end"),)), STREAM)
    with pytest.raises(ValueError, match="media"):
        SURFACE.writer(STREAM).write(Began(choice=0, part=0, kind="media", media=picture))


def test_signed_thinking_comes_back_as_it_was() -> None:
    """A caller that puts the message of an answer into its next request gives every signature back to its maker."""
    parts = (
        Thinking("why", "sig1", maker="anthropic_messages"), Thinking("", "sig2", True, "anthropic_messages"),
        Call("c1", "f", "{}", "sig3"),
    )  # fmt: skip
    answer = Whole(id="a", model="m", choices=(Choice(parts=parts, stop="calls"),))
    message = json.loads(SURFACE.whole(answer, STREAM))["choices"][0]["message"]
    assert message["reasoning_content"] == "why"
    streamed: dict[str, list[Any]] = {"reasoning_details": [], "tool_calls": []}
    for event in events(written(answer), ()):
        if event.startswith(b"data: {"):
            delta = json.loads(event[6:])["choices"][0]["delta"]
            for name in streamed:
                streamed[name] += delta.get(name, [])
    assert streamed["reasoning_details"] == message["reasoning_details"]
    assert streamed["tool_calls"][-1]["extra_content"] == message["tool_calls"][0]["extra_content"]
    messages = [{"role": "user", "content": "q"}, message, {"role": "tool", "tool_call_id": "c1", "content": "r"}]
    again = SURFACE.parse(read(json.dumps({"model": "w", "messages": messages}).encode()))
    assert again.turns[1].parts == parts


def test_a_refusal_in_words_ends_as_an_answer_does_and_a_filter_as_a_filter() -> None:
    for parts, finish in (((Refusal("no"),), "stop"), ((Text("x"),), "content_filter")):
        answer = Whole(id="a", model="m", choices=(Choice(parts=parts, stop="refused"),))
        assert json.loads(SURFACE.whole(answer, STREAM))["choices"][0]["finish_reason"] == finish


def llama_usage(output: int) -> dict[str, Any]:
    return {
        "completion_tokens": output,
        "prompt_tokens": 21,
        "total_tokens": 21 + output,
        "prompt_tokens_details": {"cached_tokens": 20},
    }


def test_llamacpp_counts_each_choice_of_a_stream_for_itself() -> None:
    halves = ({"delta": {"content": "word"}, "finish_reason": None}, {"delta": {}, "finish_reason": "length"})
    lines: list[dict[str, Any]] = []
    for index in (2, 0, 1):
        lines += [{"choices": [{"index": index, **half}]} for half in halves]
        lines.append({"choices": [], "usage": llama_usage(4)})
    stream = [b"data: " + json.dumps(line | {"id": "c", "model": "m"}).encode() + b"\n\n" for line in lines]
    steps = steps_of([*stream, b"data: [DONE]\n\n"], ChatComposer("engine", quirks=ONE_CHOICE))
    (used,) = [step.usage for step in steps if isinstance(step, Used)][-1:]
    assert used == Usage(input_tokens=21, output_tokens=12, cache_read=20, source="engine")
    for quirks, output in ((ONE_CHOICE, [4, 8, 12]), (ENGINE, [4, 4, 4])):
        count = OpenAiChat("engine", quirks=quirks).deltas()
        seen = [usage.output_tokens for event in stream if (usage := count.delta(event).usage) is not None]
        assert seen == output


def test_llamacpp_counts_only_the_first_choice_of_a_whole_answer() -> None:
    body = json.dumps({
        "id": "c", "model": "m", "usage": llama_usage(4),
        "choices": [{"index": at, "finish_reason": "length", "message": {"content": "a" * 16}} for at in range(3)],
    }).encode()  # fmt: skip
    expected = Usage(input_tokens=21, output_tokens=12, cache_read=20, source="estimated")
    assert ChatComposer("engine", quirks=ONE_CHOICE).whole(body).usage == expected
    counted = OpenAiChat("engine", quirks=ONE_CHOICE).decode(body).usage
    assert counted is not None
    assert (counted.source, counted.output_tokens) == ("estimated", 14)  # its estimate counts the quotes of the JSON too
    alone = OpenAiChat("engine", quirks=ONE_CHOICE).decode(whole({"content": "x"}, usage=llama_usage(4))).usage
    assert alone == msgspec.structs.replace(expected, output_tokens=4, source="engine")
