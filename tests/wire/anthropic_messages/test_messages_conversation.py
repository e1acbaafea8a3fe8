"""A Messages request as a conversation, and a conversation as a Messages request; what cannot be said is refused by name.

Bodies are written by hand from the published Messages reference (as of 2026-11-21).
"""

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.conversation import (
    CacheMark,
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
from freehold.core.errors import BadRequest
from freehold.core.target import Secret, Target
from freehold.wire.anthropic_messages import MessagesComposer, MessagesSurface

SURFACE, MINE = MessagesSurface(), "anthropic_messages"
TARGET = Target(
    name="t", kind="rented", codec="anthropic", url="https://x.test/v1", model="claude-haiku-4-5", clearance=DataClass.public,
    secret=Secret("k"),
)  # fmt: skip
HELLO = Turn("user", (Text("hi"),))
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def parsed(**fields: Any) -> Conversation:
    body = {"model": "w", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]} | fields
    return SURFACE.parse(SURFACE.read(msgspec.json.encode(body), {}))


def content(*blocks: Any) -> Any:
    return [{"role": "user", "content": list(blocks)}]


def composed(model: str = "claude-haiku-4-5", **fields: Any) -> dict[str, Any]:
    target = msgspec.structs.replace(TARGET, model=model)
    asked = Conversation(**({"turns": (HELLO,)} | fields))
    value: dict[str, Any] = json.loads(MessagesComposer().compose(asked, target, stream=False).body)
    return value


def test_a_whole_request_is_parsed() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    asked = parsed(
        system=[{"type": "text", "text": "Be brief.", "cache_control": mark}],
        messages=[
            {"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "é"}},
                {"type": "text", "text": "Look."},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2ln"}, {"type": "redacted_thinking", "data": "aGlk"},
                {"type": "tool_use", "id": "a", "name": "f", "input": {"n": 1.50}, "caller": {"type": "direct"}},
                {"type": "tool_use", "id": "b", "name": "g", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "one"},
                {"type": "tool_result", "tool_use_id": "b", "is_error": True, "content": [{"type": "text", "text": "two"}]},
                {"type": "text", "text": "Go on."},
            ]},
        ],
        tools=[{"name": "f", "description": "d", "input_schema": SCHEMA, "strict": True}],
        tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        temperature=0.5, top_p=0.9, top_k=4, stop_sequences=["#"], metadata={"user_id": "u"}, service_tier="standard_only",
        thinking={"type": "enabled", "budget_tokens": 2000},
        output_config={"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
        container="c", stream=False,
    )  # fmt: skip
    assert asked.turns == (
        Turn("system", (Text("Be brief.", CacheMark("1h")),)),
        Turn("user", (
            Media(kind="image", media_type="image/png", data="AA=="),
            Media(kind="file", media_type="text/plain", data=base64.b64encode("é".encode()).decode(), name="T"), Text("Look."),
        )),
        Turn("assistant", (
            Thinking("hm", "c2ln", maker=MINE), Thinking("", "aGlk", True, MINE), Call("a", "f", '{"n":1.5}'),
            Call("b", "g", "{}"),
        )),
        Turn("user", (Result("a", (Text("one"),), name="f"), Result("b", (Text("two"),), True, "g"), Text("Go on."))),
    )  # fmt: skip
    assert (asked.tools[0].name, asked.tools[0].strict, json.loads(bytes(asked.tools[0].schema or b""))) == ("f", True, SCHEMA)
    assert (asked.tool_choice, asked.parallel_tools) == (ToolChoice("named", "f"), False)
    assert (asked.max_tokens, asked.temperature, asked.top_p, asked.top_k, asked.stop) == (9, 0.5, 0.9, 4, ("#",))
    assert asked.reasoning == Reasoning(enabled=True, effort="low", tokens=2000)
    assert (asked.user, asked.service_tier) == ("u", "default")
    assert asked.hints == {"metadata", "cache_control"}
    assert list(asked.others) == ["container"]


KEPT = {"type": "clear_thinking_20251015", "keep": "all"}


@pytest.mark.parametrize(
    ("context", "changes"),
    [
        ({"edits": [KEPT]}, False), ({"edits": [KEPT, KEPT | {"keep": {"type": "thinking_turns", "value": 1}}]}, True),
        ({"edits": [{"type": "clear_thinking_20251015"}]}, True), ({"edits": [{"type": "clear_tool_uses_20250919"}]}, True),
        ({"edits": [KEPT | {"novel": 1}]}, True), ({"novel": 1}, True), ([KEPT], True),
    ],
)  # fmt: skip
def test_only_edits_of_the_context_that_change_nothing_are_left_out(context: Any, changes: bool) -> None:
    asked = parsed(context_management=context)
    assert (list(asked.others), set(asked.hints)) == (
        (["context_management"], set()) if changes else ([], {"context_management"})
    )


@pytest.mark.parametrize(
    ("thinking", "reasoning"),
    [
        ({"type": "disabled"}, Reasoning(enabled=False)),
        ({"type": "adaptive"}, Reasoning(enabled=True)),
        ({"type": "adaptive", "display": "omitted"}, Reasoning(enabled=True, show=False)),
        ({"type": "enabled", "budget_tokens": 1024, "display": "summarized"}, Reasoning(enabled=True, tokens=1024, show=True)),
        (None, None),
    ],
)
def test_thinking_is_parsed(thinking: Any, reasoning: Reasoning | None) -> None:
    assert parsed(thinking=thinking).reasoning == reasoning


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        (
            {"messages": content({"type": "search_result", "source": "s", "title": "t", "content": []})},
            r"messages\[0\]\.content\[0\]",
        ),
        ({"messages": content({"type": "web_search_tool_result", "tool_use_id": "x", "content": []})}, "web_search_tool_result"),
        ({"messages": content({"type": "text", "text": "x", "citations": [{"type": "page_location"}]})}, "citations"),
        (
            {"messages": content({"type": "document", "source": {"type": "text", "data": "x"}, "citations": {"enabled": True}})},
            "citations",
        ),
        ({"messages": content({"type": "document", "source": {"type": "content", "content": "x"}})}, "source"),
        ({"messages": [*content(), {"role": "assistant", "content": "The answer is ("}]}, "beginning of an answer"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, r"tools\[0\]"),
        ({"tools": [{"name": "f", "input_schema": {}, "defer_loading": True}]}, "defer_loading"),
        ({"thinking": {"type": "between_tools"}}, "thinking"),
    ],
)
def test_what_no_other_dialect_can_say(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(Untranslatable, match=named):
        parsed(**fields)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"messages": [{"role": "robot", "content": "x"}]}, r"messages\[0\]\.role"),
        ({"messages": content({"text": "x"})}, r"messages\[0\]\.content\[0\]"),
        ({"messages": content({"type": "text"})}, r"messages\[0\]\.content\[0\]"),
        ({"messages": content({"type": "text", "text": "x", "novel": 1})}, "novel"),
        ({"messages": content({"type": "text", "text": "x"}, {"type": "tool_result", "tool_use_id": "a"})}, "before all others"),
        ({"messages": content({"type": "tool_use", "id": "a", "name": "f", "input": {}})}, "cannot stand here"),
        ({"messages": content({"type": "image", "source": {"type": "url"}})}, "source"),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": 7}]}]}, "input"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice"),
        ({"output_config": {"novel": 1}}, "output_config"),
        ({"output_config": {"effort": "vast"}}, "output_config"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"thinking": {"type": "enabled"}}, "budget_tokens"),
        ({"stop_sequences": "x"}, "stop_sequences"),
    ],
)
def test_shapes_that_the_dialect_has_not(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        parsed(**fields)


def test_results_of_one_turn_stand_together_and_first() -> None:
    turns = (
        Turn("system", (Text("A."),)), HELLO,
        Turn("assistant", (
            Text(""), Thinking("x", "s", maker="google_gemini"), Call("call:1", "f", ""), Call("b", "g", '{"n": 1}'),
        )),
        Turn("user", (Result("call:1", (Text("one"),)),)), Turn("user", (Result("b", (), True), Text("more"))),
        Turn("system", (Text("B.", CacheMark()),)),
    )  # fmt: skip
    body = composed(turns=turns)
    assert body["system"] == [
        {"type": "text", "text": "A."},
        {"type": "text", "text": "B.", "cache_control": {"type": "ephemeral"}},
    ]
    first, calls, results = body["messages"]
    assert first == {"role": "user", "content": [{"type": "text", "text": "hi"}]}
    identity = calls["content"][0]["id"]
    assert identity.replace("_", "").isalnum()
    assert calls["content"] == [
        {"type": "tool_use", "id": identity, "name": "f", "input": {}},
        {"type": "tool_use", "id": "b", "name": "g", "input": {"n": 1}},
    ]  # fmt: skip
    assert results["content"] == [
        {"type": "tool_result", "tool_use_id": identity, "content": [{"type": "text", "text": "one"}]},
        {"type": "tool_result", "tool_use_id": "b", "is_error": True}, {"type": "text", "text": "more"},
    ]  # fmt: skip


def test_media() -> None:
    parts = (
        Media(kind="image", media_type="image/webp", data="AA==", detail="high"), Media(kind="image", url="https://x.test/a"),
        Media(kind="file", media_type="application/pdf", data="JVBE", name="a.pdf"), Media(kind="file", url="https://x.test/b.pdf"),
        Media(kind="file", media_type="text/plain", data="w6k="),
    )  # fmt: skip
    assert composed(turns=(Turn("user", parts),))["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "AA=="}},
        {"type": "image", "source": {"type": "url", "url": "https://x.test/a"}},
        {"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}},
        {"type": "document", "source": {"type": "url", "url": "https://x.test/b.pdf"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é"}},
    ]


def test_limits_tools_and_formats() -> None:
    tools = (Tool(name="f", schema=raw(SCHEMA), strict=True, description="d"), Tool(name="g", cache=CacheMark("5m")))
    form = Format(kind="json_schema", name="n", description="how", schema=raw(SCHEMA), strict=True)
    body = composed(
        tools=tools, tool_choice=ToolChoice("any"), parallel_tools=False, format=form, user="u", service_tier="default"
    )
    assert body["tools"] == [
        {"name": "f", "description": "d", "input_schema": SCHEMA, "strict": True},
        {"name": "g", "input_schema": {"type": "object", "properties": {}}, "cache_control": {"type": "ephemeral", "ttl": "5m"}},
    ]
    assert body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": {"description": "how"} | SCHEMA}}
    assert (body["max_tokens"], body["metadata"], body["service_tier"]) == (4096, {"user_id": "u"}, "standard_only")
    assert composed(tools=tools, parallel_tools=False)["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert composed(tools=tools, tool_choice=ToolChoice("named", "f"))["tool_choice"] == {"type": "tool", "name": "f"}
    assert composed(tools=tools, tool_choice=ToolChoice("none"), parallel_tools=False)["tool_choice"] == {"type": "none"}
    capped = msgspec.structs.replace(TARGET, max_output_tokens=77)
    assert json.loads(MessagesComposer().compose(Conversation(turns=(HELLO,)), capped, stream=True).body) == {
        "model": "claude-haiku-4-5", "max_tokens": 77, "stream": True,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "reasoning", "fields", "expected"),
    [
        ("claude-haiku-4-5", Reasoning(effort="low"), {"max_tokens": 8000}, {"type": "enabled", "budget_tokens": 2048}),
        ("claude-haiku-4-5", Reasoning(effort="max"), {"max_tokens": 8000}, {"type": "enabled", "budget_tokens": 4000}),
        ("claude-sonnet-4-5-20250929", Reasoning(enabled=True, tokens=3000), {}, {"type": "enabled", "budget_tokens": 3000}),
        ("claude-opus-4-6", Reasoning(enabled=True, tokens=3000), {}, {"type": "enabled", "budget_tokens": 3000}),
        ("claude-opus-4-6", Reasoning(effort="high", show=True), {}, {"type": "adaptive", "display": "summarized"}),
        ("claude-opus-5", Reasoning(effort="minimal"), {}, {"type": "adaptive"}),
        ("claude-opus-5", Reasoning(effort="none"), {}, {"type": "disabled"}),
        ("claude-mythos-preview", Reasoning(effort="high"), {}, {"type": "adaptive"}),
        ("claude-3-5-haiku-latest", Reasoning(enabled=False), {}, None),
    ],
)
def test_how_much_to_think(model: str, reasoning: Reasoning, fields: dict[str, Any], expected: Any) -> None:
    body = composed(model, reasoning=reasoning, **fields)
    assert body.get("thinking") == expected
    said = {"minimal": "low"}.get(reasoning.effort or "", reasoning.effort)
    assert body.get("output_config") == ({"effort": said} if expected and expected["type"] == "adaptive" else None)


RESULTS = (HELLO, Turn("assistant", (Call("a", "f", "{}"),)), Turn("user", (Result("a", (Text("1"),)),)))
TOOLS = (Tool(name="f"),)
LOW = Reasoning(effort="low")


@pytest.mark.parametrize(
    ("model", "fields", "named"),
    [
        ("claude-haiku-4-5", {"choices": 2}, "n:"),
        ("claude-haiku-4-5", {"logprobs": True}, "logprobs"),
        ("claude-haiku-4-5", {"seed": 0}, "seed"),
        ("claude-haiku-4-5", {"frequency_penalty": 0.1}, "frequency_penalty"),
        ("claude-haiku-4-5", {"presence_penalty": -1}, "presence_penalty"),
        ("claude-haiku-4-5", {"temperature": 1.2}, "temperature"),
        ("claude-haiku-4-5", {"temperature": 0.5, "top_p": 0.5}, "top_p"),
        ("claude-opus-5", {"temperature": 0.5}, "temperature"),
        ("claude-haiku-4-5", {"stop": ("\n",)}, "stop"),
        ("claude-haiku-4-5", {"others": {"logit_bias": raw({})}}, "logit_bias"),
        ("claude-haiku-4-5", {"format": Format(kind="json_object")}, "response_format"),
        ("claude-opus-4-1", {"format": Format(kind="json_schema", schema=raw(SCHEMA))}, "response_format"),
        ("claude-opus-4-1", {"tools": (Tool(name="f", strict=True),)}, "strict"),
        ("claude-haiku-4-5", {"tool_choice": ToolChoice("any")}, "tool_choice"),
        ("claude-haiku-4-5", {"service_tier": "flex"}, "service_tier"),
        ("claude-haiku-4-5", {"turns": ()}, "messages"),
        ("claude-haiku-4-5", {"turns": (HELLO, Turn("assistant", (Text("("),)))}, "messages"),
        ("claude-haiku-4-5", {"turns": (Turn("user", (Text("x"),), "bob"),)}, "name"),
        ("claude-haiku-4-5", {"turns": (Turn("user", (Media(kind="audio", data="AA=="),)),)}, "input_audio"),
        ("claude-haiku-4-5", {"turns": (Turn("user", (Media(kind="image", file_id="f"),)),)}, "file_id"),
        ("claude-haiku-4-5", {"turns": (Turn("user", (Media(kind="image", url="u", detail="low"),)),)}, "detail"),
        ("claude-haiku-4-5", {"turns": (Turn("user", (Media(kind="image", media_type="image/tiff", data="A"),)),)}, "image_url"),
        ("claude-haiku-4-5", {"turns": (HELLO, Turn("assistant", (Call("a", "f", "[1]"),)), HELLO)}, "tool_calls"),
        ("claude-haiku-4-5", {"reasoning": Reasoning(effort="low"), "max_tokens": 2000}, "reasoning"),
        ("claude-haiku-4-5", {"reasoning": Reasoning(tokens=5000), "max_tokens": 5000}, "reasoning"),
        ("claude-opus-5", {"reasoning": Reasoning(tokens=5000), "max_tokens": 9000}, "reasoning"),
        ("claude-3-5-haiku-latest", {"reasoning": Reasoning(effort="low")}, "does not think"),
        ("claude-haiku-4-5", {"reasoning": Reasoning(effort="low"), "temperature": 0.0}, "temperature"),
        ("claude-haiku-4-5", {"reasoning": LOW, "tools": TOOLS, "tool_choice": ToolChoice("any")}, "tool_choice"),
        ("claude-haiku-4-5", {"reasoning": Reasoning(effort="low"), "turns": RESULTS}, "reasoning"),
    ],
)  # fmt: skip
def test_what_it_cannot_say(model: str, fields: dict[str, Any], named: str) -> None:
    with pytest.raises(Untranslatable, match=named):
        composed(model, **fields)


def test_the_usual_is_not_said() -> None:
    body = composed("claude-opus-5", temperature=1.0, top_p=1.0, frequency_penalty=0.0, presence_penalty=0.0)
    assert body.keys() == {"model", "max_tokens", "messages"}


words = st.text(min_size=1, max_size=9).filter(lambda text: text.isprintable())
texts = st.builds(Text, words, st.none() | st.just(CacheMark("5m")))
said = st.one_of(texts, st.builds(lambda s: Thinking(s, "c2ln", maker=MINE), words))


@given(
    st.lists(st.tuples(st.lists(texts, min_size=1, max_size=3), st.lists(said, min_size=1, max_size=3)), max_size=3),
    st.none() | words,
)
def test_what_is_composed_is_parsed_again(pairs: list[tuple[list[Any], list[Any]]], system: str | None) -> None:
    turns = [turn for user, answer in pairs for turn in (Turn("user", tuple(user)), Turn("assistant", tuple(answer)))] + [HELLO]
    opening = [] if system is None else [Turn("system", (Text(system),))]
    asked = Conversation(
        turns=(*opening, *turns), max_tokens=9, temperature=0.5, stop=("#",), tools=(Tool(name="f", schema=raw({})),)
    )
    body = MessagesComposer().compose(asked, TARGET, stream=False).body
    again = SURFACE.parse(SURFACE.read(body, {}))
    assert again.turns == asked.turns
    assert msgspec.structs.replace(again, hints=frozenset()) == asked


def test_a_refusal_is_words_of_the_assistants() -> None:
    body = composed(turns=(HELLO, Turn("assistant", (Refusal("No."),)), HELLO))
    assert body["messages"][1] == {"role": "assistant", "content": [{"type": "text", "text": "No."}]}
