"""A conversation as a Converse request: of the shape that AWS publishes, and what cannot be said refused by name before."""

import json
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from bedrock_model import check_request
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.conversation import (
    CacheMark,
    Call,
    Conversation,
    Format,
    Media,
    Part,
    Reasoning,
    Refusal,
    Result,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    Turn,
    Untranslatable,
)
from freehold.core.data import DataClass
from freehold.core.request import Dialect
from freehold.core.target import Secret, Target
from freehold.wire.anthropic_messages import MessagesSurface
from freehold.wire.bedrock_converse import ConverseComposer
from freehold.wire.openai_chat import ChatSurface

CONVERSE = ConverseComposer()
ASK = (Turn("user", (Text("hi"),)),)
SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}')
LOOK = Tool(name="look", description="Looks.", schema=SCHEMA)
SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
OLD, NEW, NOVA, LLAMA = (
    "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
    "eu.anthropic.claude-opus-4-6-v1",
    "amazon.nova-pro-v1:0",
    "meta.llama3-3-70b-instruct-v1:0",
)
PROFILE = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3"
CALLED = (*ASK, Turn("assistant", (Call("a", "look", '{"n":1}'),)))


def target(model: str = SONNET, **more: Any) -> Target:
    return Target(
        name="t", kind="rented", codec="bedrock", url="https://bedrock-runtime.eu-west-1.amazonaws.com/", model=model,
        clearance=DataClass.public, **more,
    )  # fmt: skip


def body(model: str = SONNET, turns: tuple[Turn, ...] = ASK, **more: Any) -> dict[str, Any]:
    """What is sent, held against the published shape."""
    call = CONVERSE.compose(Conversation(turns=turns, **more), target(model), stream=False)
    said: dict[str, Any] = json.loads(call.body)
    check_request("Converse", model, said)
    return said


def refused(field: str, model: str = SONNET, turns: tuple[Turn, ...] = ASK, **more: Any) -> str:
    with pytest.raises(Untranslatable) as raised:
        body(model, turns, **more)
    assert raised.value.field == field
    return raised.value.why


def test_the_call() -> None:
    whole = CONVERSE.compose(Conversation(turns=ASK), target(secret=Secret("top-secret")), stream=False)
    root = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/"
    assert whole.url == f"{root}anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    assert (whole.headers["authorization"], whole.headers["accept"]) == ("Bearer top-secret", "application/json")
    assert json.loads(whole.body) == {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    streamed = CONVERSE.compose(Conversation(turns=ASK), target(PROFILE), stream=True)
    assert streamed.url.startswith(root)
    assert unquote(streamed.url.removeprefix(root)) == f"{PROFILE}/converse-stream"
    assert streamed.url.removeprefix(root).count("/") == 1, "nothing of an ARN is taken for a path"
    assert streamed.headers["accept"] == "application/vnd.amazon.eventstream"
    assert "authorization" not in streamed.headers


def test_turns() -> None:
    called = (
        Thinking("so", "c2ln", maker="bedrock_converse"), Thinking("hm", "eA==", maker="anthropic_messages"), Thinking("bare"),
        Thinking("other", "x", maker="google_gemini"), Text("I look."), Call("a", "look", '{"n": 1}'), Call("b?", "look", ""),
        Thinking("", "ZW5k", True, "bedrock_converse"),
    )  # fmt: skip
    image = Media(kind="image", data="AA==", media_type="image/png")
    results = (Result("a", (Text("o"), Text(""), image)), Result("b?", (), failed=True))
    turns = (
        Turn("system", (Text("Be "), Text(""))), *ASK, Turn("assistant", called), Turn("system", (Text("brief"),)),
        Turn("user", (Text("and?"), *results)),
    )  # fmt: skip
    said = body(turns=turns, tools=(LOOK,))
    assert said["system"] == [{"text": "Be "}, {"text": "brief"}]
    assert [one["role"] for one in said["messages"]] == ["user", "assistant", "user"]
    *_, second, last = said["messages"][1]["content"]
    assert said["messages"][1]["content"][:4] == [
        {"reasoningContent": {"reasoningText": {"text": "so", "signature": "c2ln"}}},
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "eA=="}}},
        {"text": "I look."},
        {"toolUse": {"toolUseId": "a", "name": "look", "input": {"n": 1}}},
    ]
    assert (second["toolUse"]["input"], last) == ({}, {"reasoningContent": {"redactedContent": "ZW5k"}})
    first, failed, text = said["messages"][2]["content"]
    assert first == {"toolResult": {"toolUseId": "a", "content": [{"text": "o"}, {"image": IMAGE}]}}
    assert (failed["toolResult"]["status"], text) == ("error", {"text": "and?"})
    assert failed["toolResult"]["toolUseId"] == second["toolUse"]["toolUseId"], "an id that AWS does not take is made anew, alike"
    older = body(NOVA, turns=turns[:3] + turns[4:], tools=(LOOK,))["messages"][1]["content"]
    assert len(older) == 5, "what Anthropic signed is nothing to Nova"


IMAGE = {"format": "png", "source": {"bytes": "AA=="}}


@pytest.mark.parametrize(
    ("field", "turns"),
    [
        ("messages", ()),
        ("messages", (*ASK, Turn("assistant", (Text("and so"),)))),
        ("messages", (Turn("assistant", (Text("Hello."),)), *ASK)),
        ("messages", (Turn("system", (Media(kind="image", url="https://x.test/a.png"),)), *ASK)),
        ("messages", (*ASK, Turn("assistant", (Media(kind="image", data="AA==", media_type="image/png"),)), *ASK)),
        ("messages", (Turn("user", (Media(kind="file", data="AA==", media_type="application/pdf"),)),)),
        ("name", (Turn("user", (Text("hi"),), "Ada"),)),
        ("tool_calls", (*ASK, Turn("assistant", (Call("a", "f", "[1]"),)), *ASK)),
        ("tool_calls", (*ASK, Turn("assistant", (Call("a", "f", "{"),)), *ASK)),
        ("messages", (*CALLED, Turn("user", (Result("a", (Media(kind="audio", data="AA==", media_type="audio/wav"),)),)))),
    ],
)
def test_turns_that_cannot_be_said(field: str, turns: tuple[Turn, ...]) -> None:
    refused(field, turns=turns, tools=(LOOK,))


def test_a_failure_is_told_to_those_who_hear_it() -> None:
    failed = (*CALLED, Turn("user", (Result("a", (Text("no"),), failed=True),)))
    assert body(NOVA, failed, tools=(LOOK,))["messages"][2]["content"][0]["toolResult"]["status"] == "error"
    assert "Claude and Nova" in refused("messages", LLAMA, failed, tools=(LOOK,))


def test_a_refusal_goes_back_as_words() -> None:
    turns = (*ASK, Turn("assistant", (Refusal("No."), Refusal(""))), *ASK)
    assert body(turns=turns)["messages"][1] == {"role": "assistant", "content": [{"text": "No."}]}


def parts_of(*media: Media) -> Any:
    return body(turns=(Turn("user", (*media, Text("what is it?"))),))["messages"][0]["content"][:-1]


def test_media() -> None:
    pdf = Media(kind="file", data="AA==", media_type="application/pdf", name="Q3: plan_v2.pdf")
    sound = Media(kind="audio", data="AA==", media_type="audio/mpeg")
    image = Media(kind="image", data="AA==", media_type="image/png", detail="auto")
    said = parts_of(image, sound, pdf, msgspec.structs.replace(pdf, name=None), pdf)
    assert said[:2] == [{"image": IMAGE}, {"audio": {"format": "mp3", "source": {"bytes": "AA=="}}}]
    assert [one["document"]["name"] for one in said[2:]] == ["Q3 plan v2 pdf", "document", "Q3 plan v2 pdf 2"]
    assert said[2]["document"]["source"] == {"bytes": "AA=="}


@pytest.mark.parametrize(
    ("field", "media"),
    [
        ("image_url", Media(kind="image", url="https://x.test/a.png")),
        ("image_url", Media(kind="image", data="AA==", media_type="image/tiff")),
        ("file", Media(kind="file", url="https://x.test/a.pdf", media_type="application/pdf")),
        ("file", Media(kind="file", data="AA==", media_type="application/zip")),
        ("input_audio", Media(kind="audio", data="AA==", media_type="audio/midi")),
        ("file_id", Media(kind="file", file_id="file-1")),
        ("detail", Media(kind="image", data="AA==", media_type="image/png", detail="low")),
    ],
)
def test_media_that_cannot_be_said(field: str, media: Media) -> None:
    refused(field, turns=(Turn("user", (media, Text("x"))),))


def test_cache_marks_become_cache_points() -> None:
    minutes, hour = CacheMark(), CacheMark("1h")
    turns = (
        Turn("system", (Text("Long.", minutes),)), Turn("user", (Text("hi", hour),)),
        Turn("assistant", (Call("a", "look", "{}"),)), Turn("user", (Result("a", (Text("x"),), cache=CacheMark("5m")),)),
    )  # fmt: skip
    tools = (msgspec.structs.replace(LOOK, cache=minutes),)
    said = body(turns=turns, tools=tools)
    point = {"cachePoint": {"type": "default"}}
    assert said["system"][1] == said["toolConfig"]["tools"][1] == point
    assert said["messages"][0]["content"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert said["messages"][2]["content"][1] == {"cachePoint": {"type": "default", "ttl": "5m"}}
    assert body(OLD, turns, tools=tools)["messages"][0]["content"][1] == point, "it keeps a cache for minutes only"
    assert "cachePoint" not in json.dumps(body(LLAMA, turns, tools=tools)), "a mark changes no answer, and there it is an error"
    refused("cache_control", turns=(Turn("user", (Text("hi", CacheMark("2h")),)),))


def test_tools() -> None:
    bare = Tool(name="now", description="", strict=False)
    config = body(tools=(LOOK, bare), tool_choice=ToolChoice("auto"))["toolConfig"]
    assert config["tools"][0] == {
        "toolSpec": {"name": "look", "description": "Looks.", "inputSchema": {"json": json.loads(bytes(SCHEMA))}}
    }
    assert config["tools"][1] == {"toolSpec": {"name": "now", "inputSchema": {"json": {"type": "object", "properties": {}}}}}
    assert config["toolChoice"] == {"auto": {}}
    for choice, said in ((ToolChoice("any"), {"any": {}}), (ToolChoice("named", "look"), {"tool": {"name": "look"}})):
        assert body(tools=(LOOK,), tool_choice=choice)["toolConfig"]["toolChoice"] == said
    assert "toolConfig" not in body(tools=(LOOK,), tool_choice=ToolChoice("none"))
    strict = msgspec.structs.replace(LOOK, strict=True)
    assert body(tools=(strict,))["toolConfig"]["tools"][0]["toolSpec"]["strict"] is True
    refused("tools.strict", OLD, tools=(strict,))
    refused("parallel_tool_calls", tools=(LOOK,), parallel_tools=False)
    refused("tool_choice", tool_choice=ToolChoice("any"))
    answered = (*CALLED, Turn("user", (Result("a", (Text("x"),)),)))
    refused("tools", turns=answered)
    refused("tool_choice", turns=answered, tools=(LOOK,), tool_choice=ToolChoice("none"))


def test_sampling() -> None:
    said = body(LLAMA, max_tokens=9, temperature=0.5, top_p=1.0, stop=("#",))
    assert said["inferenceConfig"] == {"maxTokens": 9, "temperature": 0.5, "topP": 1.0, "stopSequences": ["#"]}
    assert said["additionalModelResponseFieldPaths"] == ["/stop_sequence"]
    assert "inferenceConfig" not in body("anthropic.claude-opus-4-8-v1", temperature=1.0, top_p=1.0)
    assert body(top_k=4)["additionalModelRequestFields"] == {"top_k": 4}
    refused("top_k", LLAMA, top_k=4)
    refused("top_k", "anthropic.claude-opus-4-8-v1", top_k=4)
    refused("temperature", LLAMA, temperature=1.5)
    refused("top_p", LLAMA, top_p=-0.5)
    refused("temperature", "anthropic.claude-opus-4-8-v1", temperature=0.2)
    refused("top_p", temperature=0.2, top_p=0.3)
    refused("stop", stop=("#", " "))
    refused("stop", stop=("",))


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("n", {"choices": 2}), ("logprobs", {"logprobs": True}), ("seed", {"seed": 3}),
        ("frequency_penalty", {"frequency_penalty": 0.5}), ("presence_penalty", {"presence_penalty": 0.5}),
        ("top_logprobs", {"top_logprobs": 2}), ("service_tier", {"service_tier": "priority"}),
        ("prediction", {"others": {"prediction": msgspec.Raw(b"{}")}}),
        ("response_format", {"format": Format(kind="json_object")}),
    ],
)  # fmt: skip
def test_what_has_no_place(field: str, more: dict[str, Any]) -> None:
    refused(field, **more)


def test_structured_output_and_tiers() -> None:
    form = Format(kind="json_schema", name="n", description="One number.", schema=SCHEMA, strict=True)
    said = body(LLAMA, format=form, service_tier="flex")
    definition = {"schema": bytes(SCHEMA).decode(), "name": "n", "description": "One number."}
    assert said["outputConfig"]["textFormat"] == {"type": "json_schema", "structure": {"jsonSchema": definition}}
    assert said["serviceTier"] == {"type": "flex"}
    assert "serviceTier" not in body(service_tier="auto")
    refused("response_format", OLD, format=form)
    with pytest.raises(Untranslatable, match="response_format"):
        CONVERSE.compose(Conversation(turns=ASK, format=form), target(LLAMA, capabilities={"json_schema": False}), stream=False)


def test_thinking() -> None:
    budget = body(reasoning=Reasoning(tokens=2000), max_tokens=4000)
    assert budget["additionalModelRequestFields"] == {"thinking": {"type": "enabled", "budget_tokens": 2000}}
    by_effort = body(NEW, reasoning=Reasoning(effort="high", show=True))
    assert by_effort["additionalModelRequestFields"] == {"thinking": {"type": "adaptive", "display": "summarized"}}
    assert by_effort["outputConfig"] == {"effort": "high"}
    assert body(reasoning=Reasoning(effort="low"))["additionalModelRequestFields"]["thinking"]["budget_tokens"] == 2048
    assert "additionalModelRequestFields" not in body(LLAMA, reasoning=Reasoning(show=False))
    for model in (LLAMA, NOVA, PROFILE):
        refused("reasoning", model, reasoning=Reasoning(effort="low"))
    refused("temperature", reasoning=Reasoning(tokens=2000), max_tokens=4000, temperature=0.5)
    thought = (Thinking("so", "c2ln", maker="bedrock_converse"), Call("a", "look", "{}"))
    waiting = (*ASK, Turn("assistant", thought), Turn("user", (Result("a", (Text("x"),)),)))
    assert "additionalModelRequestFields" in body(turns=waiting, tools=(LOOK,), reasoning=Reasoning(tokens=2000), max_tokens=4000)
    bare = (*CALLED, *waiting[2:])
    refused("reasoning", turns=bare, tools=(LOOK,), reasoning=Reasoning(tokens=2000), max_tokens=4000)


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
marks = st.none() | st.builds(CacheMark, st.sampled_from([None, "5m", "1h"]))
ids = st.sampled_from(["a", "b", "call?", "x" * 70])
media: st.SearchStrategy[Part] = st.one_of(
    st.builds(
        Media, kind=st.just("image"), data=st.just("AA=="), media_type=st.sampled_from(["image/png", "image/bmp"]), cache=marks
    ),
    st.builds(Media, kind=st.just("file"), data=st.just("AA=="), media_type=st.just("text/plain"), name=st.none() | words),
)
makers = st.sampled_from([None, "bedrock_converse", "anthropic_messages"])
heard = st.one_of(
    st.builds(Text, words, marks), media,
    st.builds(Result, ids, st.lists(st.builds(Text, words), max_size=2).map(tuple), st.booleans(), cache=marks),
)  # fmt: skip
told = st.one_of(
    st.builds(Text, words, marks), st.builds(Refusal, words),
    st.builds(Thinking, words, st.none() | st.just("c2ln"), maker=makers),
    st.builds(Call, ids, st.just("look"), st.sampled_from(["", "{}", '{"n":1}', "[]"]), cache=marks),
)  # fmt: skip
turns = st.one_of(
    st.builds(lambda parts: Turn("user", tuple(parts)), st.lists(heard, max_size=3)),
    st.builds(lambda parts: Turn("assistant", tuple(parts)), st.lists(told, max_size=3)),
    st.builds(lambda text: Turn("system", (Text(text),)), words),
)
conversations = st.builds(
    Conversation, turns=st.lists(turns, min_size=1, max_size=5).map(lambda some: (*ASK, *some, *ASK)),
    tools=st.sampled_from([(LOOK,), (LOOK,), (LOOK, Tool(name="now", cache=CacheMark())), ()]),
    tool_choice=st.none() | st.builds(ToolChoice, st.sampled_from(["auto", "any", "none"])),
    max_tokens=st.none() | st.integers(1, 9999), temperature=st.none() | st.floats(0, 2), top_k=st.none() | st.just(5),
    stop=st.lists(words, max_size=2).map(tuple), service_tier=st.sampled_from([None, "auto", "flex"]),
    reasoning=st.none() | st.builds(Reasoning, effort=st.sampled_from(["none", "low", "max"]), show=st.none() | st.booleans()),
    format=st.none() | st.builds(Format, kind=st.just("json_schema"), name=st.none() | words, schema=st.just(SCHEMA)),
)  # fmt: skip


@given(conversations, st.sampled_from([SONNET, OLD, NEW, NOVA, LLAMA, PROFILE]))
def test_whatever_is_said_is_of_the_published_shape(conversation: Conversation, model: str) -> None:
    with suppress(Untranslatable):
        call = CONVERSE.compose(conversation, target(model), stream=True)
        check_request("ConverseStream", model, json.loads(call.body))


CHAT_ASK = {
    "model": "w", "max_tokens": 9, "temperature": 0.5, "stop": ["#"], "tool_choice": "required", "user": "u",
    "messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"n":1}'}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": json.loads(bytes(SCHEMA))}},
    ],
}  # fmt: skip
MESSAGES_ASK = {
    "model": "w", "max_tokens": 9, "temperature": 0.5, "stop_sequences": ["#"], "tool_choice": {"type": "any"},
    "system": "Be brief.", "metadata": {"user_id": "u"},
    "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {"n": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "2"}]},
    ],
    "tools": [{"name": "look", "description": "Looks.", "input_schema": json.loads(bytes(SCHEMA))}],
}  # fmt: skip


@pytest.mark.parametrize(("dialect", "asked"), [("openai_chat", CHAT_ASK), ("anthropic_messages", MESSAGES_ASK)])
def test_callers_of_every_dialect_say_the_same(dialect: Dialect, asked: dict[str, Any]) -> None:
    surface = ChatSurface() if dialect == "openai_chat" else MessagesSurface()
    conversation = surface.parse(surface.read(json.dumps(asked).encode(), {"anthropic-version": "2023-06-01"}))
    said = json.loads(CONVERSE.compose(conversation, target(), stream=False).body)
    check_request("Converse", SONNET, said)
    assert said["system"] == [{"text": "Be brief."}]
    assert said["messages"] == [
        {"role": "user", "content": [{"text": "hi"}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "look", "input": {"n": 1}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "2"}]}}]},
    ]
    assert said["inferenceConfig"] == {"maxTokens": 9, "temperature": 0.5, "stopSequences": ["#"]}
    assert said["toolConfig"]["toolChoice"] == {"any": {}}
    assert conversation.hints - CONVERSE.carries in ({"user"}, {"metadata"}), "left out, and its caller is told so"
