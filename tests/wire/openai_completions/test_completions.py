"""Legacy completions. Exchanges by hand from OpenAI's published reference and SDK types, read 2026-11-21.

Those of llama.cpp are as its server (xllamacpp 2026.10.11549) answered.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.conversation import Refusal, Text, Thinking, Turn, Untranslatable
from freehold.core.data import DataClass
from freehold.core.errors import BadRequest
from freehold.core.ports import Delta
from freehold.core.request import Request
from freehold.core.said import Began, Choice, Closed, Ended, Opened, Piece, Stopped, Used, Whole
from freehold.core.target import Secret, Target
from freehold.core.usage import Usage
from freehold.wire.content import Unscannable, texts
from freehold.wire.openai_chat import Quirks
from freehold.wire.openai_completions import CompletionsSurface, OpenAiCompletions
from freehold.wire.sse import EventSplitter

SURFACE, NATIVE = CompletionsSurface(), OpenAiCompletions()
TARGET = Target(
    name="t", kind="owned", codec="vllm", url="http://127.0.0.1:1", model="m@1", clearance=DataClass.public, secret=Secret("k")
)
USAGE = Usage(input_tokens=4, output_tokens=2, cache_read=1, source="provider")


def read(**fields: Any) -> Request:
    return SURFACE.read(json.dumps({"model": "w", "prompt": "Once"} | fields).encode(), {})


@pytest.mark.parametrize(
    ("prompt", "count", "longest"),
    [("Once", 1, 0), (["a", "b"], 2, 0), ([5, 6, 7], 1, 3), ([[5], [6, 7]], 2, 2), (["x" * 64], 1, 2)],
)
def test_prompts_in_every_shape(prompt: Any, count: int, longest: int) -> None:
    request = read(prompt=prompt, n=2, max_tokens=9)
    assert (request.dialect, request.choices, request.max_output_tokens) == ("openai_completions", 2 * count, 9)
    assert request.least_tokens == longest + 9
    assert json.loads(NATIVE.encode(request, TARGET).body)["prompt"] == prompt


def test_what_is_drawn_is_billed_and_needed() -> None:
    request = read(n=2, best_of=5, logprobs=0)
    assert request.choices == 5
    assert request.needs == {"choices", "logprobs"}
    assert read().needs == frozenset()
    assert read(prompt=[7] * 100).input_bytes == 400


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"prompt": None}, "prompt"), ({"prompt": []}, "prompt"), ({"prompt": ["a", 1]}, "prompt"), ({"prompt": [[]]}, "prompt"),
        ({"prompt": {"text": "x"}}, "prompt"), ({"prompt": [True]}, "prompt"), ({"model": ""}, "model"), ({"n": 0}, "n"),
        ({"best_of": 129}, "best_of"), ({"best_of": 3, "stream": True}, "best_of"), ({"max_tokens": "many"}, "max_tokens"),
        ({"logprobs": True}, "logprobs"),
    ],
)  # fmt: skip
def test_bad_bodies_are_refused_by_name(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRequest, match=named) as refused:
        read(**fields)
    assert refused.value.param == named


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"\xff", b'{"prompt":"x"}', b"[" * 100_000, b'{"model":"m","prompt":' + b"[" * 9000]
)
def test_other_bodies_are_bad_requests(body: bytes) -> None:
    with pytest.raises(BadRequest):
        SURFACE.read(body, {})


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ({}, set()), ({"suffix": "https://x.test", "echo": True, "user": "u"}, set()), ({"store": True}, {"store"}),
        ({"previous_response_id": "r"}, {"chain"}), ({"plugins": [{"id": "web"}]}, {"server_tools"}),
        ({"x_new": 1}, {"unknown_field"}),
        ({"models": ["other"]}, {"remote_url"}), ({"x_new": "https://x.test"}, {"unknown_field", "remote_url"}),
        ({"messages": [{"role": "user", "content": "x"}]}, {"unknown_field"}),
    ],
)  # fmt: skip
def test_egress(fields: dict[str, Any], kinds: set[str]) -> None:
    assert read(**fields).egress == kinds


def test_token_ids_cannot_be_read_and_are_named() -> None:
    assert list(texts(read(prompt=[[5, 6], [700, 8000]]).fields))[1:] == [
        Unscannable("prompt[0]", "tokens"), Unscannable("prompt[1]", "tokens"),
    ]  # fmt: skip
    assert [piece.text for piece in texts(read(prompt=["ann@x.test"]).fields) if not isinstance(piece, Unscannable)] == [
        "prompt", "ann@x.test",
    ]  # fmt: skip


def test_one_text_is_one_turn() -> None:
    asked = SURFACE.parse(read(max_tokens=9, stop="x", temperature=0.5, echo=False, best_of=1, suffix="", logit_bias={"5": 1}))
    assert asked.turns == (Turn("user", (Text("Once"),)),)
    assert (asked.max_tokens, asked.stop, asked.temperature, set(asked.others)) == (9, ("x",), 0.5, {"logit_bias"})
    assert SURFACE.parse(read(prompt=["Once"], user="u")).hints == {"user"}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"echo": True}, "echo"), ({"best_of": 2}, "best_of"), ({"suffix": "end"}, "suffix"), ({"logprobs": 0}, "logprobs"),
        ({"prompt": [1, 2]}, "prompt"), ({"prompt": ["a", "b"]}, "prompt"),
    ],
)  # fmt: skip
def test_what_only_a_completion_has_is_refused_by_name(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(Untranslatable) as refused:
        SURFACE.parse(read(**fields))
    assert refused.value.field == named


def test_the_native_call_keeps_the_body_and_asks_for_usage() -> None:
    call = NATIVE.encode(read(stream=True, suffix="é", provider={"only": ["t"]}), TARGET)
    assert call.url == "http://127.0.0.1:1/v1/completions"
    assert (call.headers["accept"], call.headers["authorization"]) == ("text/event-stream", "Bearer k")
    expected = {"model": "m", "prompt": "Once", "stream": True, "suffix": "é", "stream_options": {"include_usage": True}}
    assert json.loads(call.body) == expected
    plain = OpenAiCompletions(quirks=Quirks(lacks=frozenset({"stream_options"}))).encode(read(stream=True), TARGET)
    assert b"stream_options" not in plain.body


LLAMA = [
    b"data: null\n\n",
    b'data: {"choices":[{"text":"b","index":1,"logprobs":null,"finish_reason":null}],"object":"text_completion"}\n\n',
    b'data: {"choices":[{"text":"","index":1,"logprobs":null,"finish_reason":"length"}],"object":"text_completion",'
    b'"usage":{"completion_tokens":3,"prompt_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0}}}\n\n',
    b"data: [DONE]\n\n",
]


def test_a_native_stream_is_counted_untouched() -> None:
    first, text, last, done = map(NATIVE.delta, LLAMA)
    assert (first, done) == (Delta(), Delta(done=True))
    assert text == Delta(content=True, text_bytes=3)
    assert (last.finished, last.content, last.usage_only) == (1, False, False)
    assert last.usage == Usage(input_tokens=2, output_tokens=3, cache_read=0, source="provider")
    assert NATIVE.delta(b": ping\n\n") == Delta()
    assert NATIVE.delta(b'data: {"error":{"message":"secret","type":"overloaded"}}\n\n').error == "overloaded"


def test_choices_that_are_counted_one_by_one_add_up() -> None:
    count = OpenAiCompletions("engine", quirks=Quirks(counts_one_choice=True)).deltas()
    usages = [usage for event in LLAMA[:3] * 2 if (usage := count.delta(event).usage) is not None]
    assert usages[-1] == Usage(input_tokens=2, output_tokens=6, cache_read=0, source="engine")


@pytest.mark.parametrize(
    "body", [b"null", b"{}", b"{", b'{"error":{"message":"secret","code":"bad"}}', b'{"object":"error","choices":[]}']
)
def test_no_completion_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        NATIVE.decode(body)
    assert "secret" not in str(error.value)


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
answers = st.lists(
    st.tuples(st.lists(words, max_size=3), st.sampled_from(["end", "length", "refused", "stop_sequence"])), min_size=1, max_size=3
)


@given(answers, st.lists(st.integers(0, 10**6), max_size=4))
def test_whole_and_stream_say_the_same_and_count_the_same(said: Any, cuts: list[int]) -> None:
    choices = tuple(Choice(parts=(Thinking("hm"), *map(Text, pieces)), stop=stop) for pieces, stop in said)
    body = SURFACE.whole(Whole(id="c", model="m", choices=choices, usage=USAGE), read())
    writer = SURFACE.writer(read(stream=True, stream_options={"include_usage": True}))
    steps: list[Any] = [Opened(id="c", model="m")]
    for index, (pieces, stop) in enumerate(said):
        steps += [Began(choice=index, part=0, kind="thinking"), Piece(index, 0, "hm"), Ended(index, 0)]
        for part, text in enumerate(pieces, 1):
            steps += [Began(choice=index, part=part, kind="text"), Piece(index, part, text), Ended(index, part)]
        steps.append(Stopped(index, stop))
    stream = b"".join(map(writer.write, [*steps, Used(USAGE), Closed()]))
    splitter, events = EventSplitter(), list[bytes]()
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for at in range(len(places) - 1):
        events += splitter.feed(stream[places[at] : places[at + 1]])
    streamed: dict[int, tuple[str, Any]] = {}
    for event in events[:-1]:
        for choice in json.loads(event[6:])["choices"]:
            text, finish = streamed.get(choice["index"], ("", None))
            streamed[choice["index"]] = (text + choice["text"], choice["finish_reason"] or finish)
    whole = {choice["index"]: (choice["text"], choice["finish_reason"]) for choice in json.loads(body)["choices"]}
    assert streamed == whole
    deltas = [NATIVE.delta(event) for event in events]
    assert NATIVE.decode(body).usage == USAGE
    assert [delta.usage for delta in deltas if delta.usage_only] == [USAGE]
    assert sum(delta.finished for delta in deltas) == len(said)
    assert deltas[-1].done


def test_a_refusals_words_are_the_text() -> None:
    whole = Whole(id="c", model="m", choices=(Choice(parts=(Refusal("no"),), stop="refused"),))
    (choice,) = json.loads(SURFACE.whole(whole, read()))["choices"]
    assert (choice["text"], choice["finish_reason"]) == ("no", "content_filter")
