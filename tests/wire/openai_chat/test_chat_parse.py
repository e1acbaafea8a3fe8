"""What a chat request asks, in no dialect. Exchanges by hand from OpenAI's published reference and SDK types, read 2026-11-21."""

import json
from typing import Any

import pytest

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
)  # fmt: skip
from freehold.core.errors import BadRequest
from freehold.wire.openai_chat import ChatSurface

SURFACE = ChatSurface()
ASK = [{"role": "user", "content": "hi"}]


def parsed(*messages: Any, **fields: Any) -> Conversation:
    body = {"model": "w", "messages": list(messages) or ASK} | fields
    return SURFACE.parse(SURFACE.read(json.dumps(body).encode(), {}))


def part(value: dict[str, Any]) -> Any:
    (turn,) = parsed({"role": "user", "content": [value]}).turns
    return turn.parts[0]


def test_a_conversation_with_tools() -> None:
    """As in the guide on function calling: a question, two calls at once, their results, and the next question."""
    calls = [
        {"id": f"call_{at}", "type": "function", "function": {"name": "look", "arguments": f'{{"at":{at}}}'}} for at in (1, 2)
    ]
    asked = parsed(
        {"role": "developer", "content": "be brief"},
        {"role": "system", "content": [{"type": "text", "text": "and kind"}]},
        {"role": "user", "content": "what is there?", "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": calls, "refusal": None, "annotations": [], "audio": None},
        {"role": "tool", "tool_call_id": "call_1", "content": "a"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "b"}]},
        {"role": "user", "content": "and?"},
    )
    assert asked.turns == (
        Turn("system", (Text("be brief"),)),
        Turn("system", (Text("and kind"),)),
        Turn("user", (Text("what is there?"),), "ann"),
        Turn("assistant", (Call("call_1", "look", '{"at":1}'), Call("call_2", "look", '{"at":2}'))),
        Turn("user", (Result("call_1", (Text("a"),), name="look"), Result("call_2", (Text("b"),), name="look"))),
        Turn("user", (Text("and?"),)),
    )


def test_the_older_shape_of_calls() -> None:
    asked = parsed(
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": "{}"}},
        {"role": "function", "name": "look", "content": "a"},
    )
    assert asked.turns[1:] == (
        Turn("assistant", (Call("function_1", "look", "{}"),)), Turn("user", (Result("function_1", (Text("a"),), name="look"),)),
    )  # fmt: skip


def test_an_assistants_words_thinking_and_refusal() -> None:
    told = {"role": "assistant", "reasoning_content": "why", "content": [{"type": "refusal", "refusal": "no"}]}
    assert parsed(*ASK, told, *ASK).turns[1].parts == (Thinking("why"), Refusal("no"))
    assert parsed(*ASK, {"role": "assistant", "content": "", "refusal": "no"}, *ASK).turns[1].parts == (Refusal("no"),)
    assert parsed(*ASK, {"role": "assistant", "content": "yes", "reasoning": "w"}, *ASK).turns[1].parts == (
        Thinking("w"),
        Text("yes"),
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}, Text("x", CacheMark("1h"))),
        ({"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}}, Text("x", CacheMark())),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
            Media(kind="image", media_type="image/png", data="AA==", detail="low"),
        ),
        ({"type": "image_url", "image_url": {"url": "https://x.test/a"}}, Media(kind="image", url="https://x.test/a")),
        (
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
            Media(kind="audio", media_type="audio/mpeg", data="AA=="),
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"}},
            Media(kind="file", media_type="application/pdf", data="AA==", name="a.pdf"),
        ),
        ({"type": "file", "file": {"file_data": "AA=="}}, Media(kind="file", data="AA==")),
        ({"type": "file", "file": {"file_id": "file-1"}}, Media(kind="file", file_id="file-1")),
    ],
)
def test_parts(value: dict[str, Any], expected: Any) -> None:
    assert part(value) == expected


def test_a_mark_on_a_message_is_one_on_its_last_part() -> None:
    asked = parsed({"role": "system", "content": "long", "cache_control": {"type": "ephemeral"}}, *ASK)
    assert asked.turns[0].parts == (Text("long", CacheMark()),)
    assert asked.hints == {"cache_control"}


def test_every_setting() -> None:
    schema = {"type": "object"}
    function = {"name": "look", "description": "d", "parameters": schema, "strict": True}
    asked = parsed(
        tools=[{"type": "function", "function": function}, {"type": "function", "function": {"name": "now"}}],
        tool_choice={"type": "function", "function": {"name": "look"}}, parallel_tool_calls=False,
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema, "strict": True}},
        max_completion_tokens=9, temperature=0.5, top_p=1, top_k=4, stop=["x", "y"], seed=3, frequency_penalty=-1,
        presence_penalty=2, n=2, logprobs=True, top_logprobs=5, reasoning_effort="high", service_tier="flex",
        user="ann", metadata={"a": "b"},
        store=False, prompt_cache_key="k", stream_options=None, logit_bias={}, modalities=["text"], verbosity=None,
    )  # fmt: skip
    raw = asked.tools[0].schema
    assert raw is not None
    assert json.loads(bytes(raw)) == schema
    assert asked.tools == (Tool(name="look", description="d", schema=raw, strict=True), Tool(name="now"))
    assert asked.tool_choice == ToolChoice("named", "look")
    assert asked.format == Format(kind="json_schema", name="a", schema=raw, strict=True)
    assert asked.reasoning == Reasoning(effort="high")
    assert (asked.parallel_tools, asked.max_tokens, asked.temperature, asked.top_p, asked.top_k) == (False, 9, 0.5, 1.0, 4)
    assert (asked.stop, asked.seed, asked.frequency_penalty, asked.presence_penalty) == (("x", "y"), 3, -1.0, 2.0)
    assert (asked.choices, asked.logprobs, asked.top_logprobs, asked.service_tier) == (2, True, 5, "flex")
    assert (asked.user, asked.metadata, dict(asked.others)) == ("ann", {"a": "b"}, {})
    assert asked.hints == {"user", "metadata", "store", "prompt_cache_key"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"reasoning_effort": "none"}, Reasoning(enabled=False, effort="none")),
        ({"reasoning": {"max_tokens": 99, "exclude": True}}, Reasoning(tokens=99, show=False)),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, Reasoning(enabled=True, tokens=1024)),
        ({"thinking": {"type": "disabled"}}, Reasoning(enabled=False)),
        ({}, None),
    ],
)
def test_ways_to_ask_for_thinking(fields: dict[str, Any], expected: Any) -> None:
    assert parsed(**fields).reasoning == expected


@pytest.mark.parametrize(("said", "mode"), [("auto", "auto"), ("none", "none"), ("required", "any")])
def test_tool_choices(said: str, mode: Any) -> None:
    assert parsed(tool_choice=said).tool_choice == ToolChoice(mode)


@pytest.mark.parametrize(
    "fields",
    [
        {"logit_bias": {"5": 1}}, {"modalities": ["text", "audio"]}, {"audio": {"voice": "x"}}, {"prediction": {"type": "x"}},
        {"verbosity": "low"}, {"store": True}, {"web_search_options": {}}, {"functions": [{"name": "f"}]}, {"min_p": 0.1},
    ],
)  # fmt: skip
def test_what_only_this_dialect_has_is_told_apart(fields: dict[str, Any]) -> None:
    asked = parsed(**fields)
    assert asked.others.keys() == fields.keys()
    with pytest.raises(Untranslatable, match=next(iter(fields))):
        asked.require_nothing_else("another dialect")


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ({"role": "assistant", "audio": {"id": "a"}}, "messages[1].audio"),
        ({"role": "assistant", "content": "x", "prefix": True}, "messages[1].prefix"),
        ({"role": "user", "content": [{"type": "video_url", "video_url": {"url": "x"}}]}, "messages[1].content[0].type"),
        ({"role": "user", "content": [{"type": "text", "text": "x", "new": 1}]}, "messages[1].content[0].new"),
        ({"role": "user", "content": [{"type": "file", "file": {"file_id": "f", "new": 1}}]}, "messages[1].content[0].file.new"),
        (
            {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "x", "input": "y"}}]},
            "messages[1].tool_calls[0].type",
        ),
    ],
)
def test_what_no_conversation_holds_is_refused_by_its_place(message: dict[str, Any], named: str) -> None:
    with pytest.raises(Untranslatable) as refused:
        parsed(*ASK, message)
    assert refused.value.field == named


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {}}}, "tool_choice"),
        ({"response_format": {"type": "grammar", "grammar": "x"}}, "response_format.grammar"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
    ],
)
def test_settings_that_no_conversation_holds(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(Untranslatable) as refused:
        parsed(**fields)
    assert refused.value.field == named


@pytest.mark.parametrize(
    ("messages", "fields", "named"),
    [
        ([{"role": "wizard", "content": "x"}], {}, "messages[0].role"),
        ([{"content": "x"}], {}, "messages[0]"),
        ([{"role": "user", "content": [{"type": "text", "text": 7}]}], {}, "messages[0].content[0]"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "https://x.test"}]}], {}, "messages[0].content[0]"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,AA"}}]}], {},
            "messages[0].content[0].image_url.url",
        ),
        ([{"role": "user", "content": [{"type": "file", "file": {}}]}], {}, "messages[0].content[0].file"),
        ([{"role": "tool", "content": "x"}], {}, "messages[0].tool_call_id"),
        ([{"role": "user", "content": [{"type": "refusal", "refusal": "x"}]}], {}, "messages[0].content"),
        ([{"role": "function", "name": "f", "content": "x"}], {}, "messages[0].name"),
        ([{"role": "assistant", "tool_calls": [{"id": "", "function": {"name": "f"}}]}], {}, "messages[0].tool_calls[0]"),
        ([{"role": "assistant", "reasoning_details": [{"type": "new"}]}], {}, "messages[0].reasoning_details"),
        (ASK, {"temperature": "hot"}, "temperature"),
        (ASK, {"max_tokens": 0}, "max_tokens"),
        (ASK, {"max_completion_tokens": -1}, "max_completion_tokens"),
        (ASK, {"stop": 7}, "stop"),
        (ASK, {"tool_choice": "maybe"}, "tool_choice"),
        (ASK, {"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}, "tools[0].function.parameters"),
        (ASK, {"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (ASK, {"reasoning_effort": "a lot"}, "reasoning_effort"),
        (ASK, {"reasoning_effort": "low", "thinking": {"type": "disabled"}}, "reasoning_effort"),
        (ASK, {"metadata": {"a": 1}}, "metadata"),
    ],
)  # fmt: skip
def test_other_shapes_are_bad_requests_that_name_the_place(messages: list[Any], fields: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parsed(*messages, **fields)
    assert refused.value.param == named
    assert refused.value.message.startswith((named, f"{named} and"))
