"""Replicate's predictions: what is asked, what is asked next and where, and the answer, whole and streamed.

The exchanges are written by hand from the published HTTP API and its page on streaming (api.replicate.com/v1), 2026-11-21.
"""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.conversation import (
    Call,
    Conversation,
    Format,
    Media,
    Reasoning,
    Text,
    Tool,
    ToolChoice,
    Turn,
    Untranslatable,
)
from freehold.core.data import DataClass
from freehold.core.said import Began, Broke, Closed, Ended, Opened, Piece, Step, Stopped, fold
from freehold.core.target import Secret, Target
from freehold.core.usage import Usage
from freehold.wire.replicate import ReplicateComposer, follow, verdict
from freehold.wire.sse import EventSplitter

REPLICATE = ReplicateComposer()
ASK = (Turn("user", (Text("Tell me "), Text("a story"))),)
VERSION = "a" * 64


def target(model: str = "meta/meta-llama-3-70b-instruct", url: str = "https://api.replicate.com/v1", **more: Any) -> Target:
    return Target(
        name="t",
        kind="rented",
        codec="replicate",
        url=url,
        model=model,
        clearance=DataClass.public,
        secret=Secret("r8_x"),
        **more,
    )


def prediction(status: str, **more: Any) -> bytes:
    urls = {"get": "https://api.replicate.com/v1/predictions/p1", "cancel": "https://api.replicate.com/v1/predictions/p1/cancel"}
    base = {"id": "p1", "model": "meta/meta-llama-3-70b-instruct", "version": "hidden", "status": status, "urls": urls}
    return json.dumps(base | {"input": {"prompt": "secret prompt"}, "output": None, "error": None, "logs": ""} | more).encode()


def test_the_call_that_begins_a_prediction() -> None:
    asked = Conversation(
        turns=(Turn("system", (Text("Be brief."),)), *ASK), max_tokens=9, temperature=0.5, top_p=0.9, stop=("a", "b c"), seed=4
    )
    whole = REPLICATE.compose(asked, target(), stream=False)
    assert whole.url == "https://api.replicate.com/v1/models/meta/meta-llama-3-70b-instruct/predictions"
    assert (whole.headers["authorization"], whole.headers["prefer"]) == ("Bearer r8_x", "wait")
    assert json.loads(whole.body) == {
        "input": {
            "prompt": "Tell me a story", "system_prompt": "Be brief.", "max_tokens": 9, "temperature": 0.5, "top_p": 0.9,
            "stop_sequences": "a,b c", "seed": 4,
        }
    }  # fmt: skip
    streamed = REPLICATE.compose(Conversation(turns=ASK), target(), stream=True)
    assert json.loads(streamed.body) == {"input": {"prompt": "Tell me a story"}, "stream": True}
    assert "prefer" not in streamed.headers


@pytest.mark.parametrize("model", [VERSION, f"meta/llama-2-70b-chat:{VERSION}"])
def test_a_pinned_version(model: str) -> None:
    call = REPLICATE.compose(Conversation(turns=ASK), target(model), stream=False)
    assert call.url == "https://api.replicate.com/v1/predictions"
    assert json.loads(call.body) == {"version": VERSION, "input": {"prompt": "Tell me a story"}}


def test_the_older_name_of_a_limit() -> None:
    old = REPLICATE.compose(Conversation(turns=ASK, max_tokens=5), target("meta/llama-2-70b-chat"), stream=False)
    assert json.loads(old.body)["input"]["max_new_tokens"] == 5
    usual = REPLICATE.compose(Conversation(turns=ASK), target(max_output_tokens=7), stream=False)
    assert json.loads(usual.body)["input"]["max_tokens"] == 7


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("tools", {"tools": (Tool(name="f"),)}),
        ("tool_choice", {"tool_choice": ToolChoice("any")}),
        ("response_format", {"format": Format(kind="json_object")}),
        ("n", {"choices": 2}),
        ("logprobs", {"logprobs": True}),
        ("top_k", {"top_k": 3}),
        ("frequency_penalty", {"frequency_penalty": 0.5}),
        ("reasoning", {"reasoning": Reasoning(effort="low")}),
        ("service_tier", {"service_tier": "flex"}),
        ("stop", {"stop": ("a,b",)}),
        ("logit_bias", {"others": {"logit_bias": b"{}"}}),
        ("media", {"turns": (Turn("user", (Media(kind="image", url="https://x.test/a"),)),)}),
        ("name", {"turns": (Turn("user", (Text("x"),), "Ada"),)}),
        ("messages", {"turns": ()}),
        ("messages", {"turns": (*ASK, Turn("assistant", (Text("Once"),)), *ASK)}),
        ("messages", {"turns": (*ASK, Turn("assistant", (Call("a", "f", "{}"),)))}),
    ],
)
def test_what_a_prediction_cannot_say_is_refused_by_name(field: str, asked: dict[str, Any]) -> None:
    with pytest.raises(Untranslatable) as raised:
        REPLICATE.compose(Conversation(**({"turns": ASK} | asked)), target(), stream=False)
    assert raised.value.field == field


@pytest.mark.parametrize("model", ["llama", "a/b/c", "../../x", "a/b?x", "A" * 64, "a/b:latest"])
def test_a_model_that_is_no_name_is_refused(model: str) -> None:
    with pytest.raises(Untranslatable, match="neither owner/name"):
        REPLICATE.compose(Conversation(turns=ASK), target(model), stream=False)


def test_it_is_asked_again_until_it_has_ended() -> None:
    starting, processing = (follow(prediction(status), target(), False) for status in ("starting", "processing"))
    assert starting is not None
    assert processing is not None
    assert (starting.call.url, starting.call.method, starting.call.body) == (
        "https://api.replicate.com/v1/predictions/p1", "GET", b"",
    )  # fmt: skip
    assert starting.call.headers["authorization"] == "Bearer r8_x"
    assert starting.after_s > processing.after_s > 0
    for status in ("succeeded", "failed", "canceled"):
        assert follow(prediction(status), target(), False) is None


def test_a_stream_is_where_the_prediction_says() -> None:
    url = "https://stream.replicate.com/v1/predictions/p1"
    next_call = follow(prediction("starting", urls={"get": "x", "stream": url}), target(), True)
    assert next_call is not None
    assert (next_call.call.url, next_call.call.headers["accept"], next_call.after_s) == (url, "text/event-stream", 0.0)
    with pytest.raises(ValueError, match="streams nothing"):
        follow(prediction("starting"), target(), True)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/x", "http://stream.replicate.com/x", "https://replicate.com.evil.test/x", "https://evilreplicate.com/x",
        "https://stream.replicate.com:8443/x", "https://a@stream.replicate.com/x", "https://evil.test\\@stream.replicate.com/x",
        "https://stream.replicate.com@evil.test/x", "http://169.254.169.254/latest", "file:///etc/passwd", "//evil.test/x",
        "https://evil.test/.replicate.com", "https://evil.test#.replicate.com", "https://evil.test?.replicate.com", "",
        "https://stream.replicate.com\r\nx: y/", "https://%65vil.replicate.com/x", "https://[::1]/x", "https://x:y/", "gopher://x",
    ],
)  # fmt: skip
def test_a_reply_cannot_send_us_elsewhere(url: str) -> None:
    for stream in (True, False):
        with pytest.raises(ValueError, match="prediction names a URL"):
            follow(prediction("processing", urls={"get": url, "stream": url}), target(), stream)


def test_the_targets_own_origin_is_its_own_whatever_it_is() -> None:
    house = target(url="http://127.0.0.1:9/v1")
    said = follow(prediction("processing", urls={"get": "http://127.0.0.1:9/other"}), house, False)
    assert said is not None
    assert said.call.url == "http://127.0.0.1:9/other"
    for other in ("http://127.0.0.1:10/x", "https://127.0.0.1:9/x", "http://localhost:9/x"):
        with pytest.raises(ValueError, match="another host"):
            follow(prediction("processing", urls={"get": other}), house, False)


def test_a_whole_answer() -> None:
    metrics = {"input_token_count": 26, "output_token_count": 3, "predict_time": 1.5}
    whole = REPLICATE.whole(prediction("succeeded", output=["Once", " upon", ""], metrics=metrics))
    assert (whole.id, whole.model, whole.choices[0].parts) == ("p1", "meta/meta-llama-3-70b-instruct", (Text("Once upon"),))
    assert whole.choices[0].stop == "end"
    assert whole.usage == Usage(input_tokens=26, output_tokens=3, source="provider")
    assert json.loads(whole.raw_usage or "") == metrics
    uncounted = REPLICATE.whole(prediction("succeeded", output="Once", metrics={"predict_time": 1.5}))
    assert (uncounted.usage, uncounted.choices[0].parts) == (None, (Text("Once"),))
    assert uncounted.raw_usage is not None
    assert REPLICATE.whole(prediction("succeeded", output=[])).choices[0].parts == ()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", prediction("failed", error="secret prompt"), prediction("canceled"), prediction("starting"),
        prediction("unheard of"), prediction("succeeded"), prediction("succeeded", output={"a": 1}),
        prediction("succeeded", output=["a", 1]),
    ],
)  # fmt: skip
def test_a_body_that_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  msgspec's errors and ours are both such
        REPLICATE.whole(body)
    assert "secret" not in str(raised.value)


def event(kind: str, data: str, identity: str = "1690212292:0") -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"event: {kind}\nid: {identity}\n{lines}\n".encode()


def steps(stream: bytes, cuts: Sequence[int] = ()) -> list[Step]:
    reader, splitter = REPLICATE.reader(), EventSplitter()
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    said = [
        step for start, end in itertools.pairwise(places) for one in splitter.feed(stream[start:end]) for step in reader.read(one)
    ]
    return [*said, *reader.close()]


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=12)


@given(st.lists(texts, max_size=6), st.lists(st.integers(0, 10**6), max_size=8))
def test_stream_and_whole_say_the_same(output: list[str], cuts: list[int]) -> None:
    streamed = fold(steps(b"".join(event("output", text) for text in output) + event("done", "{}"), cuts))
    assert streamed.choices == REPLICATE.whole(prediction("succeeded", output=output)).choices
    assert streamed.usage is None, "a stream counts no tokens: they are estimated"


def test_the_steps_of_a_stream() -> None:
    stream = (
        event("output", "Once ") + event("logs", "secret") + b": hi\n\n" + event("output", "upon\na time") + event("done", "{}")
    )
    assert steps(stream + event("output", "late")) == [
        Opened(id="prediction-1690212292:0", model=""), Began(choice=0, part=0, kind="text"), Piece(0, 0, "Once "),
        Piece(0, 0, "upon\na time"), Ended(0, 0), Stopped(0, "end"), Closed(),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (event("error", '{"detail": "secret"}'), "prediction_error"),
        (event("done", '{"reason": "error"}'), "prediction_error"),
        (event("done", '{"reason": "canceled"}'), "prediction_canceled"),
        (event("done", '{"reason": "secret"}'), "prediction_ended"),
    ],
)
def test_a_stream_that_breaks(last: bytes, code: str) -> None:
    said = steps(event("output", "Once") + last)
    assert said[-1] == Broke(code)
    assert not any(isinstance(step, Stopped | Closed) for step in said)


def test_a_stream_that_is_cut_has_no_end() -> None:
    assert not any(isinstance(step, Stopped | Closed) for step in steps(event("output", "Once")))
    with pytest.raises(ValueError):  # noqa: PT011  msgspec's
        steps(event("done", "{"))


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (429, {"retry-after": "7"}, (True, "overloaded", 7.0, 7.0)),
        (402, {}, (True, "rejected", 300.0, None)),
        (401, {}, (True, "rejected", 10.0, None)),
        (404, {}, (True, "rejected", 0.0, None)),
        (422, {}, (False, "rejected", 0.0, None)),
        (500, {}, (True, "broken", 0.0, None)),
    ],
)
def test_verdicts(status: int, headers: dict[str, str], expected: Any) -> None:
    judged = verdict(status, headers, b'{"title":"x","detail":"secret","status":1}')
    assert (judged.elsewhere, judged.outcome, judged.cool_s, judged.retry_after_s) == expected
    assert "secret" not in judged.detail
