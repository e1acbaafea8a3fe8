"""Gemini's answers, whole and streamed: both say the same, wherever the bytes are cut, and every token is counted once.

The exchanges are written by hand from the published formats of generateContent and streamGenerateContent (v1beta), 2026-11-21.
"""

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.conversation import Call, Media, Text, Thinking
from freehold.core.request import Request
from freehold.core.said import Broke, Closed, Opened, Piece, Step, Stopped, Used, Whole, fold
from freehold.core.usage import Usage
from freehold.wire.anthropic_messages import MessagesComposer, MessagesSurface
from freehold.wire.google_gemini import GeminiComposer
from freehold.wire.openai_chat import ChatComposer, ChatSurface
from freehold.wire.sse import EventSplitter

GEMINI = GeminiComposer()
MINE = "google_gemini"
COUNTS = {
    "promptTokenCount": 120, "cachedContentTokenCount": 100, "candidatesTokenCount": 30, "thoughtsTokenCount": 40,
    "totalTokenCount": 190,
}  # fmt: skip
USED = Usage(input_tokens=120, output_tokens=70, cache_read=100, reasoning=40, source="provider")


def response(parts: list[Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    candidate |= {} if finish is None else {"finishReason": finish}
    return {"candidates": [candidate], "modelVersion": "gemini-3-pro", "responseId": "rQ1"} | more


def stream(*responses: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(one).encode() + b"\r\n\r\n" for one in responses)


def whole(answer: dict[str, Any]) -> Whole:
    return GEMINI.whole(json.dumps(answer).encode())


def steps(data: bytes, cuts: Sequence[int] = ()) -> list[Step]:
    reader, splitter = GEMINI.reader(), EventSplitter()
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    said: list[Step] = []
    for start, end in itertools.pairwise(places):
        for event in splitter.feed(data[start:end]):
            said += reader.read(event)
    assert splitter.rest() == b""
    return [*said, *reader.close()]


EXCHANGE = stream(
    response([{"text": "Let me ", "thought": True}], usageMetadata={"promptTokenCount": 120, "totalTokenCount": 120}),
    response([{"text": "see.", "thought": True}]),
    response([{"text": "I look "}]),
    response([{"text": "it up."}, {"functionCall": {"name": "get", "args": {"city": "Paris"}}, "thoughtSignature": "c2ln"}]),
    response([{"functionCall": {"name": "get", "args": {"city": "Rome"}}}]),
    response([{"text": "", "thoughtSignature": "ZW5k"}], "STOP", usageMetadata=COUNTS),
)


@given(st.lists(st.integers(0, 10**6), max_size=8))
def test_an_exchange_cut_anywhere(cuts: list[int]) -> None:
    answer = fold(steps(EXCHANGE, cuts))
    first, second = (part for part in answer.choices[0].parts if isinstance(part, Call))
    assert answer.choices[0].parts == (
        Thinking("Let me see."), Text("I look it up."), first, second, Thinking("", "ZW5k", True, MINE),
    )  # fmt: skip
    assert (first.name, json.loads(first.arguments), first.signature) == ("get", {"city": "Paris"}, "c2ln")
    assert (json.loads(second.arguments), second.signature) == ({"city": "Rome"}, None)
    assert first.id != second.id
    assert (answer.choices[0].stop, answer.usage, answer.id, answer.model) == ("calls", USED, "rQ1", "gemini-3-pro")
    assert json.loads(answer.raw_usage or "") == COUNTS


def test_a_delta_in_is_a_delta_out() -> None:
    reader = GEMINI.reader()
    first = reader.read(stream(response([{"text": "Hel"}])))
    assert [step for step in first if isinstance(step, Opened | Piece)] == [
        Opened(id="rQ1", model="gemini-3-pro"), Piece(0, 0, "Hel"),
    ]  # fmt: skip
    assert reader.read(stream(response([{"text": "lo"}]))) == [Piece(0, 0, "lo")]


def test_a_stream_that_is_cut_has_no_end() -> None:
    reader = GEMINI.reader()
    reader.read(stream(response([{"text": "Hel"}])))
    assert reader.close() == ()
    reader.read(stream(response([{"text": "lo"}], "STOP")))
    assert list(reader.close()) == [Closed()]
    assert reader.close() == ()


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
signatures = st.none() | st.text("abcXYZ019+/=", min_size=1, max_size=8)


@st.composite
def part(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["text", "thought", "call"]))
    signed = {} if (signature := draw(signatures)) is None else {"thoughtSignature": signature}
    if kind == "call":
        value = draw(st.dictionaries(words, words | st.integers(-9, 9) | st.none(), max_size=3))
        return {"functionCall": {"name": draw(words), "args": value}} | signed
    return {"text": draw(words)} | ({"thought": True} if kind == "thought" else {}) | signed


def pieces(one: dict[str, Any], cut: int) -> Iterator[dict[str, Any]]:
    """The same part as a stream brings it: its text in pieces, its signature with the last."""
    if "functionCall" in one:
        yield one
        return
    text, rest = one["text"], {name: value for name, value in one.items() if name == "thought"}
    for at in range(0, len(text), cut):
        last = at + cut >= len(text)
        yield {"text": text[at : at + cut]} | rest | ({k: v for k, v in one.items() if k == "thoughtSignature"} if last else {})


@given(st.lists(part(), min_size=1, max_size=5), st.integers(1, 5), st.lists(st.integers(0, 10**6), max_size=8))
def test_stream_and_whole_say_the_same(parts: list[dict[str, Any]], cut: int, cuts: list[int]) -> None:
    came = whole(response(parts, "STOP", usageMetadata=COUNTS))
    chunks = [response([piece]) for one in parts for piece in pieces(one, cut)]
    streamed = fold(steps(stream(*chunks, response([], "STOP", usageMetadata=COUNTS)), cuts))
    assert streamed == came
    assert came.choices[0].stop == ("calls" if any("functionCall" in one for one in parts) else "end")


@given(st.lists(part(), min_size=1, max_size=5), st.integers(1, 5))
def test_callers_of_other_dialects_read_the_same_whole_and_streamed(parts: list[dict[str, Any]], cut: int) -> None:
    answer = response(parts, "STOP", usageMetadata=COUNTS)
    chunks = [response([piece]) for one in parts for piece in pieces(one, cut)] + [response([], "STOP", usageMetadata=COUNTS)]
    messages = Request(dialect="anthropic_messages", model="w", fields={})
    chat = Request(dialect="openai_chat", model="w", fields={}, stream=True, wants_usage=True)
    for surface, request, reads in ((MessagesSurface(), messages, MessagesComposer()), (ChatSurface(), chat, ChatComposer())):
        writer, reader, splitter = surface.writer(request), reads.reader(), EventSplitter()
        events = splitter.feed(b"".join(writer.write(step) for step in steps(stream(*chunks))))
        streamed = fold([step for event in events for step in reader.read(event)])
        told = reads.whole(surface.whole(whole(answer), request))
        assert streamed.usage == told.usage
        assert streamed.choices[0].stop == told.choices[0].stop
        for kind, field in ((Text, "text"), (Call, "name"), (Thinking, "text")):
            said = ["".join(getattr(p, field) for p in one.choices[0].parts if isinstance(p, kind)) for one in (streamed, told)]
            assert said[0] == said[1]


def usage_of(**counts: int) -> Usage | None:
    return whole(response([{"text": "x"}], "STOP", usageMetadata=counts)).usage


def test_cached_tokens_are_inside_the_prompt_and_never_counted_twice() -> None:
    usage = usage_of(**COUNTS)
    assert usage == USED
    assert usage.input_tokens == usage.uncached + (usage.cache_read or 0) == 120, "not 220: the prompt has the cached ones in it"
    assert usage.input_tokens + usage.output_tokens == COUNTS["totalTokenCount"]


@given(*[st.integers(0, 10**6)] * 5)
def test_sums_hold(plain: int, cached: int, said: int, thought: int, tools: int) -> None:
    usage = usage_of(
        promptTokenCount=plain + cached, cachedContentTokenCount=cached, candidatesTokenCount=said, thoughtsTokenCount=thought,
        toolUsePromptTokenCount=tools, totalTokenCount=plain + cached + said + thought + tools,
    )  # fmt: skip
    assert usage is not None
    assert (usage.uncached, usage.cache_read, usage.cache_write) == (plain + tools, cached, None)
    assert (usage.answer, usage.reasoning) == (said, thought)


def test_counts_of_other_servers() -> None:
    inside = usage_of(promptTokenCount=10, candidatesTokenCount=7, thoughtsTokenCount=4, totalTokenCount=17)
    assert inside is not None
    assert (inside.output_tokens, inside.reasoning) == (7, 4), "the total says that thoughts are among the candidates"
    assert usage_of(promptTokenCount=10, totalTokenCount=10) == Usage(input_tokens=10, output_tokens=0, source="provider")


@pytest.mark.parametrize(
    "counts", [{"promptTokenCount": 1, "cachedContentTokenCount": 2}, {"promptTokenCount": -1}, {"totalTokenCount": 3}]
)
def test_counts_that_contradict_themselves_are_kept_raw(counts: dict[str, int]) -> None:
    answer = whole(response([{"text": "x"}], "STOP", usageMetadata=counts))
    assert answer.usage is None
    assert json.loads(answer.raw_usage or "") == counts


REFUSALS = "SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT SPII LANGUAGE IMAGE_SAFETY".split()


@pytest.mark.parametrize(("finish", "stop"), [("MAX_TOKENS", "length"), ("STOP", "end"), *((f, "refused") for f in REFUSALS)])
def test_why_it_ended(finish: str, stop: str) -> None:
    assert whole(response([{"text": "x"}], finish)).choices[0].stop == stop


@pytest.mark.parametrize("finish", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER", "A_NEW_ONE"])
def test_an_end_that_left_no_answer(finish: str) -> None:
    with pytest.raises(ValueError, match=finish):
        whole(response([], finish))
    said = steps(stream(response([{"text": "x"}]), response([], finish, usageMetadata=COUNTS)))
    assert [step for step in said if isinstance(step, Broke | Closed | Stopped)] == [Broke(finish)]


def test_a_prompt_that_is_blocked_is_a_refusal() -> None:
    blocked = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 9},
        "responseId": "r",
    }
    answer = whole(blocked)
    assert (answer.choices[0].parts, answer.choices[0].stop) == ((), "refused")
    assert answer.usage == Usage(input_tokens=9, output_tokens=0, source="provider")
    assert fold(steps(stream(blocked))) == answer


def test_several_candidates() -> None:
    candidates = [{"index": at, "content": {"parts": [{"text": text}]}, "finishReason": "STOP"} for at, text in enumerate("ab")]
    answer = whole({"candidates": candidates})
    assert [choice.parts for choice in answer.choices] == [(Text("a"),), (Text("b"),)]
    reader = GEMINI.reader()
    reader.read(stream({"candidates": candidates[:1]}))
    reader.read(stream({"candidates": [candidates[1] | {"finishReason": None}]}))
    assert reader.close() == (), "the second has not finished"


def test_logprobs_in_the_shape_that_callers_know() -> None:
    result = {
        "chosenCandidates": [{"token": "é", "tokenId": 1, "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "é", "logProbability": -0.5}, {"token": "e", "logProbability": -1.5}]}],
    }
    answer = response([{"text": "é"}], "STOP")
    answer["candidates"][0]["logprobsResult"] = result
    (token,) = json.loads(bytes(whole(answer).choices[0].logprobs or b""))
    assert (token["token"], token["logprob"], token["bytes"]) == ("é", -0.5, [195, 169])
    assert [top["token"] for top in token["top_logprobs"]] == ["é", "e"]


def test_media_comes_whole() -> None:
    answer = whole(response([{"inlineData": {"mimeType": "image/png", "data": "AA=="}}], "STOP"))
    assert answer.choices[0].parts == (Media(kind="image", media_type="image/png", data="AA=="),)


def test_a_call_keeps_its_own_id_and_may_have_no_arguments() -> None:
    (call,) = whole(response([{"functionCall": {"name": "now", "id": "c1", "args": None}}], "STOP")).choices[0].parts
    assert call == Call("c1", "now", "{}")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b'{"candidates":[]}', b'{"candidates":[{"content":{"parts":[{"text":"x"}]}}]}', b"\xff",
        b'{"error":{"code":500,"message":"the prompt","status":"INTERNAL"}}',
        b'{"candidates":[{"content":{"parts":[{"executableCode":{}}]},"finishReason":"STOP"}]}',
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":[1]}}]},"finishReason":"STOP"}]}',
        b'{"candidates":[{"content":{"parts":[{"text":7}]},"finishReason":"STOP"}]}',
    ],
)  # fmt: skip
def test_a_body_that_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  msgspec's errors and ours are both such
        GEMINI.whole(body)
    assert "the prompt" not in str(raised.value)


def test_an_error_inside_a_stream_ends_it() -> None:
    broken = stream(response([{"text": "x"}]), {"error": {"code": 503, "message": "the prompt", "status": "UNAVAILABLE"}})
    said = steps(broken + stream(response([{"text": "y"}], "STOP")))
    assert said[-1] == Broke("UNAVAILABLE")
    with pytest.raises(ValueError, match="goes on after its finish"):
        steps(stream(response([{"text": "x"}], "STOP"), response([{"text": "y"}])))


def test_a_comment_says_nothing_and_usage_may_come_last() -> None:
    reader = GEMINI.reader()
    assert reader.read(b": ping\n\n") == ()
    reader.read(stream(response([{"text": "x"}], "STOP")))
    assert reader.read(stream({"usageMetadata": COUNTS})) == [Used(USED, json.dumps(COUNTS))]
