"""A conversation as a generateContent request: what is said, and what is refused by name before anything is sent."""

import json
from typing import Any

import msgspec
import pytest

from freehold.core.conversation import (
    Call,
    Conversation,
    Format,
    Media,
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
from freehold.wire.google_gemini import GeminiComposer
from freehold.wire.openai_chat import ChatSurface

GEMINI = GeminiComposer()
ASK = (Turn("user", (Text("hi"),)),)
SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}')
LOOK = Tool(name="look", description="Looks.", schema=SCHEMA)


def target(model: str = "gemini-3-pro-preview", **more: Any) -> Target:
    return Target(
        name="t", kind="rented", codec="google", url="https://g.test/v1beta", model=model, clearance=DataClass.public,
        secret=Secret("top-secret"), **more,
    )  # fmt: skip


def body(model: str = "gemini-3-pro-preview", turns: tuple[Turn, ...] = ASK, **more: Any) -> dict[str, Any]:
    call = GEMINI.compose(Conversation(turns=turns, **more), target(model), stream=False)
    said: dict[str, Any] = json.loads(call.body)
    return said


def config(model: str = "gemini-3-pro-preview", **more: Any) -> dict[str, Any]:
    said: dict[str, Any] = body(model, **more).get("generationConfig", {})
    return said


def refused(field: str, model: str = "gemini-3-pro-preview", turns: tuple[Turn, ...] = ASK, **more: Any) -> str:
    with pytest.raises(Untranslatable) as raised:
        body(model, turns, **more)
    assert raised.value.field == field
    return raised.value.why


def test_the_call() -> None:
    whole = GEMINI.compose(Conversation(turns=ASK), target(), stream=False)
    assert whole.url == "https://g.test/v1beta/models/gemini-3-pro-preview:generateContent"
    assert (whole.method, whole.headers["x-goog-api-key"], whole.headers["accept"]) == ("POST", "top-secret", "application/json")
    streamed = GEMINI.compose(Conversation(turns=ASK), target("tunedModels/mine"), stream=True)
    assert streamed.url == "https://g.test/v1beta/tunedModels/mine:streamGenerateContent?alt=sse"
    assert streamed.headers["accept"] == "text/event-stream"
    assert "top-secret" not in whole.url + streamed.url
    assert json.loads(whole.body) == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    odd = GEMINI.compose(Conversation(turns=ASK), target("a?key=x#y"), stream=False)
    assert odd.url == "https://g.test/v1beta/models/a%3Fkey%3Dx%23y:generateContent"


def test_turns() -> None:
    called = (
        Thinking("so", "c2ln", maker="google_gemini"), Thinking("other", "x", maker="anthropic_messages"), Thinking("bare"),
        Text("I look."), Call("a", "look", '{"n": 1}', "Y2FsbA=="), Call("b", "look", '{"n": 2}'),
        Thinking("", "ZW5k", True, "google_gemini"),
    )  # fmt: skip
    results = (Result("b", (Text("two"),)), Result("a", (Text("o"), Text("ne")), failed=True), Text("and?"))
    turns = (
        Turn("system", (Text("Be "),)), Turn("user", (Text("hi"),)), Turn("assistant", called), Turn("system", (Text("brief"),)),
        Turn("user", results),
    )  # fmt: skip
    said = body(turns=turns)
    assert said["systemInstruction"] == {"parts": [{"text": "Be "}, {"text": "brief"}]}
    assert [one["role"] for one in said["contents"]] == ["user", "model", "user"]
    assert said["contents"][1]["parts"] == [
        {"text": "so", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "I look."},
        {"functionCall": {"name": "look", "args": {"n": 1}}, "thoughtSignature": "Y2FsbA=="},
        {"functionCall": {"name": "look", "args": {"n": 2}}},
        {"text": "", "thoughtSignature": "ZW5k"},
    ]
    assert said["contents"][2]["parts"] == [
        {"functionResponse": {"name": "look", "response": {"error": "one"}}},
        {"functionResponse": {"name": "look", "response": {"output": "two"}}},
        {"text": "and?"},
    ]


def test_a_call_of_another_maker_is_said_to_be_one() -> None:
    turns = (
        *ASK,
        Turn("assistant", (Call("a", "f", ""), Call("b", "f", "{}"))),
        Turn("user", (Result("a", ()), Result("b", ()))),
    )
    first, second = body(turns=turns)["contents"][1]["parts"]
    assert (first["thoughtSignature"], first["functionCall"]["args"]) == ("skip_thought_signature_validator", {})
    assert "thoughtSignature" not in second
    older = body("gemini-2.5-flash", turns)["contents"][1]["parts"]
    assert not any("thoughtSignature" in part for part in older)


@pytest.mark.parametrize(
    ("field", "turns"),
    [
        ("messages", ()),
        ("messages", (*ASK, Turn("assistant", (Text("and so"),)))),
        ("messages", (Turn("system", (Media(kind="image", url="https://x.test/a.png"),)), *ASK)),
        ("messages", (*ASK, Turn("assistant", (Media(kind="image", data="AA==", media_type="image/png"),)), *ASK)),
        ("name", (Turn("user", (Text("hi"),), "Ada"),)),
        ("tool_call_id", (Turn("user", (Result("nobody", (Text("x"),)),)),)),
        ("tool_calls", (*ASK, Turn("assistant", (Call("a", "f", "[1]"),)), *ASK)),
        ("tool_calls", (*ASK, Turn("assistant", (Call("a", "f", "{"),)), *ASK)),
    ],
)
def test_turns_that_cannot_be_said(field: str, turns: tuple[Turn, ...]) -> None:
    refused(field, turns=turns)


def test_a_refusal_goes_back_as_words() -> None:
    turns = (*ASK, Turn("assistant", (Refusal("No."),)), *ASK)
    assert body(turns=turns)["contents"][1] == {"role": "model", "parts": [{"text": "No."}]}


def parts_of(*media: Media) -> Any:
    return body(turns=(Turn("user", media),))["contents"][0]["parts"]


def test_media() -> None:
    assert parts_of(
        Media(kind="image", media_type="image/png", data="AA=="), Media(kind="audio", media_type="audio/mpeg", data="AA=="),
        Media(kind="file", media_type="application/pdf", data="AA==", name="a.pdf"),
        Media(kind="image", url="https://x.test/a.JPG?x=1"), Media(kind="image", url="https://x.test/a"),
        Media(kind="file", media_type="application/pdf", url="https://x.test/b"),
    ) == [
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}}, {"inlineData": {"mimeType": "audio/mp3", "data": "AA=="}},
        {"inlineData": {"mimeType": "application/pdf", "data": "AA=="}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x.test/a.JPG?x=1"}},
        {"fileData": {"fileUri": "https://x.test/a"}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.test/b"}},
    ]  # fmt: skip
    for field, one in (
        ("image", Media(kind="image", media_type="image/gif", data="AA==")), ("file_id", Media(kind="file", file_id="f")),
        ("detail", Media(kind="image", url="https://x.test/a", detail="low")), ("messages", Media(kind="image")),
    ):  # fmt: skip
        refused(field, turns=(Turn("user", (one,)),))


def test_media_in_what_a_tool_gave_back() -> None:
    shown = Result("a", (Media(kind="image", media_type="image/png", data="AA=="),))
    turns = (*ASK, Turn("assistant", (Call("a", "f", "{}"),)), Turn("user", (shown,)))
    (part,) = body(turns=turns)["contents"][2]["parts"]
    assert part["functionResponse"]["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}]
    refused("messages", "gemini-2.5-pro", turns)


def test_tools() -> None:
    said = body(tools=(LOOK, Tool(name="now")))
    assert said["tools"] == [
        {
            "functionDeclarations": [
                {"name": "look", "description": "Looks.", "parametersJsonSchema": msgspec.json.decode(SCHEMA)},
                {"name": "now", "description": ""},
            ]
        }
    ]
    assert "toolConfig" not in said
    modes = {
        ToolChoice("none"): {"mode": "NONE"}, ToolChoice("any"): {"mode": "ANY"},
        ToolChoice("named", "look"): {"mode": "ANY", "allowedFunctionNames": ["look"]},
    }  # fmt: skip
    for choice, calling in modes.items():
        assert body(tools=(LOOK,), tool_choice=choice)["toolConfig"] == {"functionCallingConfig": calling}
    strict = msgspec.structs.replace(LOOK, strict=True)
    assert body(tools=(strict,))["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    refused("parallel_tool_calls", tools=(LOOK,), parallel_tools=False)
    refused("tool_choice", tool_choice=ToolChoice("any"))
    assert "tools" not in body(tool_choice=ToolChoice("auto"))
    refused("tools.strict", tools=(Tool(name="f", strict=True, schema=msgspec.Raw(b'{"type":"string","pattern":"a"}')),))


def test_sampling() -> None:
    assert config(
        temperature=2, top_p=0.5, top_k=4, max_tokens=9, stop=("a", "b"), seed=-7, choices=2, presence_penalty=1,
        frequency_penalty=-2, logprobs=True, top_logprobs=3,
    ) == {
        "temperature": 2, "topP": 0.5, "topK": 4, "maxOutputTokens": 9, "stopSequences": ["a", "b"], "seed": -7,
        "candidateCount": 2, "presencePenalty": 1, "frequencyPenalty": -2, "responseLogprobs": True, "logprobs": 3,
    }  # fmt: skip
    beyond: dict[str, dict[str, Any]] = {
        "temperature": {"temperature": 2.1}, "top_p": {"top_p": 1.1}, "n": {"choices": 9}, "seed": {"seed": 2**31},
        "stop": {"stop": tuple("abcdef")}, "presence_penalty": {"presence_penalty": 2}, "top_logprobs": {"top_logprobs": 21},
        "frequency_penalty": {"frequency_penalty": -3}, "service_tier": {"service_tier": "flex"},
        "logit_bias": {"others": {"logit_bias": msgspec.Raw(b"{}")}},
    }  # fmt: skip
    for field, asked in beyond.items():
        refused(field, **asked)


def test_structured_answers() -> None:
    form = Format(kind="json_schema", name="n", schema=SCHEMA, strict=True, description="A number.")
    assert config(format=form) == {
        "responseMimeType": "application/json", "responseJsonSchema": {"description": "A number."} | msgspec.json.decode(SCHEMA),
    }  # fmt: skip
    assert config(format=Format(kind="json_object")) == {"responseMimeType": "application/json"}
    assert "tools" in body(format=form, tools=(LOOK,))
    refused("response_format", "gemini-2.5-pro", format=form, tools=(LOOK,))
    refused("response_format", "gemini-2.0-flash", format=form)
    with pytest.raises(Untranslatable, match="does not enforce"):
        GEMINI.compose(Conversation(turns=ASK, format=form), target(capabilities={"json_schema": False}), stream=False)


@pytest.mark.parametrize(
    "schema",
    [
        '{"type":"object","properties":{"a":{"type":"string","pattern":"x"}}}',
        '{"anyOf":[{"type":"string"},{"const":1}]}',
        '{"type":"array","items":{"not":{}}}',
        '{"$defs":{"x":{"minLength":1}},"$ref":"#/$defs/x"}',
        '{"additionalProperties":{"multipleOf":2}}',
        "[1]",
    ],
)
def test_a_schema_that_would_not_be_followed_whole_is_refused(schema: str) -> None:
    refused("response_format", format=Format(kind="json_schema", schema=msgspec.Raw(schema.encode())))


def test_names_that_look_like_keywords_are_none() -> None:
    schema = msgspec.Raw(b'{"type":"object","properties":{"pattern":{"type":"string","enum":["not"],"default":{"not":1}}}}')
    assert config(format=Format(kind="json_schema", schema=schema))["responseJsonSchema"] == msgspec.json.decode(schema)


@pytest.mark.parametrize(
    ("model", "asked", "expected"),
    [
        ("gemini-3-pro-preview", Reasoning(effort="high", show=True), {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemini-3-pro-preview", Reasoning(effort="minimal"), {"thinkingLevel": "low"}),
        ("gemini-3.8-flash", Reasoning(effort="minimal"), {"thinkingLevel": "minimal"}),
        ("gemini-3.8-flash", Reasoning(effort="max"), {"thinkingLevel": "high"}),
        ("gemini-flash-latest", Reasoning(effort="medium"), {"thinkingLevel": "medium"}),
        ("gemini-3-pro-preview", Reasoning(enabled=True), None),
        ("gemini-3-pro-preview", Reasoning(tokens=999), {"thinkingBudget": 999}),
        ("gemini-2.5-flash", Reasoning(effort="none"), {"thinkingBudget": 0}),
        ("gemini-2.5-flash", Reasoning(enabled=False, show=False), {"thinkingBudget": 0, "includeThoughts": False}),
        ("gemini-2.5-flash", Reasoning(effort="medium"), {"thinkingBudget": 8192}),
        ("gemini-2.5-pro", Reasoning(enabled=True), {"thinkingBudget": -1}),
        ("gemini-2.5-pro", Reasoning(tokens=32_768), {"thinkingBudget": 32_768}),
        ("gemini-2.0-flash", Reasoning(enabled=False), None),
    ],
)
def test_how_much_to_think(model: str, asked: Reasoning, expected: dict[str, Any] | None) -> None:
    assert config(model, reasoning=asked).get("thinkingConfig") == expected


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("gemini-3-pro-preview", Reasoning(effort="none")),
        ("gemini-2.5-pro", Reasoning(enabled=False)),
        ("gemini-2.5-pro", Reasoning(tokens=100)),
        ("gemini-2.5-flash", Reasoning(tokens=32_768)),
        ("gemini-2.0-flash", Reasoning(effort="low")),
    ],
)
def test_thinking_that_cannot_be_asked_for(model: str, asked: Reasoning) -> None:
    refused("reasoning", model, reasoning=asked)


CHAT = {
    "model": "w", "temperature": 0.5, "seed": 3, "user": "u", "store": False, "max_completion_tokens": 50,
    "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
    "messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"},
             "extra_content": {"google": {"thought_signature": "c2ln"}}}]},
        {"role": "tool", "tool_call_id": "a", "content": "there"},
    ],
}  # fmt: skip
MESSAGES = {
    "model": "w", "max_tokens": 50, "temperature": 0.5, "system": [{"type": "text", "text": "Be brief."}],
    "tools": [{"name": "look", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "so", "signature": "google_gemini#c2ln"},
            {"type": "tool_use", "id": "a", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "there"}]},
    ],
}  # fmt: skip


@pytest.mark.parametrize(("dialect", "asked"), [("openai_chat", CHAT), ("anthropic_messages", MESSAGES)])
def test_requests_of_other_dialects(dialect: Dialect, asked: dict[str, Any]) -> None:
    surface = ChatSurface() if dialect == "openai_chat" else MessagesSurface()
    conversation = surface.parse(surface.read(json.dumps(asked).encode(), {"anthropic-version": "2023-06-01"}))
    said = json.loads(GEMINI.compose(conversation, target(), stream=True).body)
    assert said["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert (said["generationConfig"]["maxOutputTokens"], said["generationConfig"]["temperature"]) == (50, 0.5)
    assert said["contents"][2]["parts"] == [{"functionResponse": {"name": "look", "response": {"output": "there"}}}]
    signed = [part["thoughtSignature"] for part in said["contents"][1]["parts"] if "thoughtSignature" in part]
    assert signed[0] == "c2ln"
