"""A Responses request as a conversation: written by hand from OpenAI's published shapes and Codex's source, 2026-11-21."""

from typing import Any

import msgspec
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
from freehold.core.data import DataClass
from freehold.core.errors import BadRequest
from freehold.core.target import Target
from freehold.wire.openai_chat import ChatComposer
from freehold.wire.openai_responses import ResponsesSurface

SURFACE = ResponsesSurface()
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "look",
    "arguments": '{"at":1}',
    "status": "completed",
}
# What Codex sends in the middle of a turn: nothing kept, reasoning sealed, no ids.
CODEX: dict[str, Any] = {
    "model": "w", "instructions": "You are a coder.", "store": False, "stream": True, "tool_choice": "auto",
    "parallel_tool_calls": False, "include": ["reasoning.encrypted_content"], "prompt_cache_key": "0199",
    "reasoning": {"effort": "medium", "summary": "auto"}, "text": {"verbosity": "medium"}, "client_metadata": {"a": "b"},
    "tools": [{"type": "function", "name": "shell", "description": "Runs a command", "strict": False,
               "parameters": {"type": "object", "properties": {"command": {"type": "array"}}}}],
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "<permissions>"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "<environment>"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Fix it."}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "**Looking**"}], "content": None,
         "encrypted_content": "gAAAAAB"},
        {"type": "message", "role": "assistant", "phase": "commentary", "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "function_call", "name": "shell", "arguments": '{"command":["ls"]}', "call_id": "call_1"},
        {"type": "function_call", "name": "shell", "arguments": '{"command":["pwd"]}', "call_id": "call_2"},
        {"type": "function_call_output", "call_id": "call_1", "output": "a.py"},
        {"type": "function_call_output", "call_id": "call_2", "output": [
            {"type": "input_text", "text": "/src"}, {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]},
    ],
}  # fmt: skip


def parsed(value: Any = "hi", **fields: Any) -> Conversation:
    return SURFACE.parse(SURFACE.read(msgspec.json.encode({"model": "w", "input": value, **fields}), {}))


def parts(*content: Any, role: str = "user") -> tuple[Any, ...]:
    return parsed([{"role": role, "content": list(content)}]).turns[0].parts


def test_codex() -> None:
    request = SURFACE.read(msgspec.json.encode(CODEX), {})
    assert request.egress == set()
    assert request.needs == {"tools", "vision", "single_tool_call"}
    said = SURFACE.parse(request)
    assert said.turns == (
        Turn("system", (Text("You are a coder."),)), Turn("system", (Text("<permissions>"),)),
        Turn("user", (Text("<environment>"),)), Turn("user", (Text("Fix it."),)),
        Turn("assistant", (
            Thinking("**Looking**", "gAAAAAB", maker="openai_responses"), Text("I look."),
            Call("call_1", "shell", '{"command":["ls"]}'), Call("call_2", "shell", '{"command":["pwd"]}'),
        )),
        Turn("user", (
            Result("call_1", (Text("a.py"),), name="shell"),
            Result("call_2", (Text("/src"), Media(kind="image", media_type="image/png", data="AAAA")), name="shell"),
        )),
    )  # fmt: skip
    assert (said.others, said.reasoning) == ({}, Reasoning(effort="medium", show=True))
    assert said.hints == {"store", "prompt_cache_key", "client_metadata", "phase"}
    assert (said.parallel_tools, said.tool_choice, said.tools[0].strict) == (False, ToolChoice("auto"), False)


def test_codex_is_said_to_a_chat_server() -> None:
    request = SURFACE.read(msgspec.json.encode(CODEX | {"input": CODEX["input"][:-1]}), {})
    target = Target(
        name="t", kind="rented", codec="openai", url="https://house.test/v1", model="m", clearance=DataClass.internal
    )  # fmt: skip
    call = ChatComposer().compose(SURFACE.parse(request), target, stream=True)
    body = msgspec.json.decode(call.body)
    assert [one["role"] for one in body["messages"]] == ["system", "system", "user", "user", "assistant", "tool"]
    assert [one["id"] for one in body["messages"][4]["tool_calls"]] == ["call_1", "call_2"]
    assert b"gAAAAAB" not in call.body
    assert b"Looking" not in call.body, "what another maker signed is no prose of ours"


def test_a_text_is_a_turn() -> None:
    assert parsed("hi", instructions="Be brief.").turns == (Turn("system", (Text("Be brief."),)), Turn("user", (Text("hi"),)))


def test_fields() -> None:
    said = parsed(
        max_output_tokens=99, temperature=0.5, top_p=0.9, parallel_tool_calls=True, service_tier="flex", user="u",
        metadata={"a": "b"}, top_logprobs=2, truncation="disabled", background=False, store=None, max_tool_calls=3,
        reasoning={"effort": "none"}, stream_options={"include_obfuscation": False},
        tool_choice={"type": "function", "name": "f"},
    )  # fmt: skip
    assert (said.max_tokens, said.temperature, said.top_p, said.parallel_tools) == (99, 0.5, 0.9, True)
    assert (said.service_tier, said.user, said.metadata) == ("flex", "u", {"a": "b"})
    assert (said.logprobs, said.top_logprobs, said.reasoning) == (True, 2, Reasoning(enabled=False, effort="none"))
    assert said.tool_choice == ToolChoice("named", "f")
    assert said.others == {}
    assert said.hints == {"user", "metadata", "max_tool_calls", "stream_options"}
    assert parsed(include=["message.output_text.logprobs"]).logprobs
    assert (parsed(top_logprobs=0).logprobs, parsed(top_logprobs=0).top_logprobs) == (False, None)
    assert parsed(reasoning={"summary": None}).reasoning is None


@pytest.mark.parametrize(("said", "mode"), [("auto", "auto"), ("none", "none"), ("required", "any")])
def test_tool_choices(said: str, mode: str) -> None:
    choice = parsed(tool_choice=said).tool_choice
    assert choice is not None
    assert choice.mode == mode


def test_tools_and_formats() -> None:
    tool = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "defer_loading": False}
    schema = msgspec.Raw(b'{"type":"object"}')
    assert parsed(tools=[tool]).tools == (Tool(name="f", description="d", schema=schema),)
    assert parsed(tools=[{"type": "function", "name": "f", "parameters": None}]).tools == (Tool(name="f"),)
    form = {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "strict": True}
    assert parsed(text={"format": form}).format == Format(kind="json_schema", name="a", schema=schema, strict=True)
    assert parsed(text={"format": {"type": "json_object"}}).format == Format(kind="json_object")
    assert parsed(text={"format": {"type": "text"}}).format is None


def test_media() -> None:
    assert parts(
        {"type": "input_image", "image_url": "https://a.example/b", "detail": "low"},
        {"type": "input_image", "file_id": "file_1"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"},
        {"type": "input_file", "file_url": "https://a.example/c", "detail": "auto"},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        {"type": "input_text", "text": "so", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}},
    ) == (
        Media(kind="image", url="https://a.example/b", detail="low"), Media(kind="image", file_id="file_1"),
        Media(kind="file", media_type="application/pdf", data="AAAA", name="a.pdf"),
        Media(kind="file", url="https://a.example/c"), Media(kind="audio", media_type="audio/mpeg", data="AAAA"),
        Text("so", CacheMark()),
    )  # fmt: skip


def test_answers_sent_back() -> None:
    answer = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [
        {"type": "output_text", "text": "so", "annotations": [{"type": "url_citation"}], "logprobs": []},
        {"type": "refusal", "refusal": "no"}]}  # fmt: skip
    full = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "short"}], "status": "completed",
            "content": [{"type": "reasoning_text", "text": "a"}, {"type": "reasoning_text", "text": "b"}]}  # fmt: skip
    sealed = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "anthropic_messages#EqQB"}
    empty = {"type": "reasoning", "id": "rs_3", "summary": []}
    assert parsed([full, empty, sealed, answer, CALL, {"role": "user", "content": "go on"}]).turns == (
        Turn("assistant", (
            Thinking("a\n\nb"), Thinking("", "EqQB", True, "anthropic_messages"), Text("so"), Refusal("no"),
            Call("call_1", "look", '{"at":1}'),
        )),
        Turn("user", (Text("go on"),)),
    )  # fmt: skip
    assert parsed([empty, {"role": "user", "content": "hi"}]).turns == (Turn("user", (Text("hi"),)),)


def test_results_of_one_round_stand_together() -> None:
    result = {"type": "function_call_output", "call_id": "call_1", "output": "1"}
    turns = parsed([CALL, result, result, {"role": "user", "content": "so"}, CALL, result]).turns
    assert [(turn.role, len(turn.parts)) for turn in turns] == [
        ("assistant", 1), ("user", 2), ("user", 1), ("assistant", 1), ("user", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"), ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"), ({"store": True}, "store"), ({"truncation": "auto"}, "truncation"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"), ({"novel": 1}, "novel"), ({"n": 2}, "n"),
        ({"text": {"verbosity": "low"}}, "text.verbosity"), ({"prompt_cache_options": {"prewarm": True}}, "prompt_cache_options"),
    ],
)  # fmt: skip
def test_what_no_other_dialect_has_is_kept_to_be_refused(fields: dict[str, Any], name: str) -> None:
    said = parsed(**fields)
    assert list(said.others) == [name]
    with pytest.raises(Untranslatable, match=name):
        said.require_nothing_else("another dialect")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        *[({"tools": [{"type": kind}]}, "tools[0].type") for kind in (
            "web_search", "file_search", "code_interpreter", "mcp", "computer_use_preview", "custom", "local_shell", "namespace",
        )],
        ({"tools": [{"type": "function", "name": "f", "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tools": [{"type": "function", "name": "f", "allowed_callers": ["programmatic"]}]}, "tools[0].allowed_callers"),
        ({"tools": [{"type": "function", "name": "f", "novel": 1}]}, "tools[0].novel"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}, "tool_choice"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"), ({"text": {"novel": 1}}, "text.novel"),
        ({"reasoning": {"context": "all_turns"}}, "reasoning.context"), ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"include": ["novel"]}, "include"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"), ({"input": [{"id": "msg_1"}]}, "input[0]"),
        ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, "input[0]"), ({"input": [{"type": "novel"}]}, "input[0]"),
        ({"input": [CALL | {"namespace": "crm"}]}, "input[0].namespace"),
        ({"input": [CALL | {"caller": {"type": "program", "caller_id": "a"}}]}, "input[0].caller.caller_id"),
        ({"input": [CALL | {"async": True}]}, "input[0].async"),
        ({"input": [{"role": "user", "content": [{"type": "novel"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f", "detail": "low"}]}]},
         "input[0].content[0].detail"),
    ],
)  # fmt: skip
def test_refused_by_name(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(Untranslatable) as raised:
        parsed(**({"value": fields.pop("input")} if "input" in fields else {}), **fields)
    assert raised.value.field == name


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"instructions": 7}, "instructions"),
        ({"tools": [{"type": "function", "name": "f", "parameters": 7}]}, "tools[0].parameters"),
        ({"tool_choice": "sometimes"}, "tool_choice"), ({"reasoning": {"effort": "some"}}, "reasoning"),
        ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema"),
        ({"temperature": "warm"}, "temperature"),
        ({"value": [{"role": "tool", "content": "a"}]}, "input[0].role"),
        ({"value": [CALL | {"call_id": ""}]}, "input[0].call_id"),
        ({"value": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]}, "input[0].name"),
        ({"value": [{"type": "message", "role": "user", "content": None}]}, "input[0].content"),
        ({"value": [{"role": "user", "content": [{"type": "refusal", "refusal": "a"}]}]}, "input[0].content"),
        ({"value": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0]"),
        ({"value": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png,AAAA"}]}]},
         "input[0].content[0].image_url"),
        ({"value": [{"role": "user", "content": [{"type": "input_file", "file_id": "f", "file_data": "AAAA"}]}]},
         "input[0].content[0]"),
    ],
)  # fmt: skip
def test_shapes_that_the_dialect_has_not(fields: dict[str, Any], param: str | None) -> None:
    with pytest.raises(BadRequest) as raised:
        parsed(**fields)
    assert raised.value.param == param
