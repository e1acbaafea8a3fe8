"""Which dialect a saved body is in: what only one of them knows tells it, and what several know does not."""

from typing import Any

import msgspec
import pytest

from freehold.app.surfaces import surface_named, surface_of
from freehold.core.errors import BadSettings
from freehold.wire.dialects import PATHS

USER = {"role": "user", "content": "hi"}


def parts(*content: dict[str, Any]) -> dict[str, Any]:
    return {"max_tokens": 9, "messages": [{"role": "user", "content": list(content)}]}


@pytest.mark.parametrize(
    ("fields", "dialect"),
    [
        ({"messages": [USER]}, "openai_chat"),
        ({"messages": [USER], "max_tokens": 9, "stop": "x"}, "openai_chat"),
        ({"messages": [{"role": "system", "content": "s"}, USER], "max_tokens": 9}, "openai_chat"),
        ({"messages": [USER], "max_tokens": 9, "tools": [{"type": "function", "function": {"name": "f"}}]}, "openai_chat"),
        ({"messages": [USER, {"role": "assistant", "tool_calls": []}], "max_tokens": 9}, "openai_chat"),
        (parts({"type": "image_url", "image_url": {"url": "data:,"}}), "openai_chat"),
        ({"messages": [USER], "max_tokens": 9, "stop_sequences": ["x"]}, "anthropic_messages"),
        ({"messages": [USER], "max_tokens": 9, "tools": [{"name": "f", "input_schema": {}}]}, "anthropic_messages"),
        ({"messages": [USER], "max_tokens": 9, "tool_choice": {"type": "any"}}, "anthropic_messages"),
        (parts({"type": "tool_result", "tool_use_id": "t", "content": "x"}), "anthropic_messages"),
        (parts({"type": "image", "source": {"type": "base64"}}), "anthropic_messages"),
        ({"messages": [USER], "tools": [{"name": "f", "input_schema": {}}]}, "anthropic_count_tokens"),
        ({"prompt": "hi"}, "openai_completions"),
        ({"prompt": ["hi"], "suffix": "x"}, "openai_completions"),
        ({"prompt": {"id": "p"}, "instructions": "x"}, "openai_responses"),
        ({"prompt": {"id": "p"}}, "openai_responses"),
        ({"input": "hi", "instructions": "x"}, "openai_responses"),
        ({"input": [USER]}, "openai_responses"),
        ({"input": [{"type": "message", "role": "user", "content": "hi"}], "user": "u"}, "openai_responses"),
        ({"messages": [USER], "max_tokens": 9}, "openai_chat"),
        ({"input": ["hi"]}, "openai_embeddings"),
        ({"input": [1, 2]}, "openai_embeddings"),
        ({"input": [[1, 2]], "user": "u"}, "openai_embeddings"),
        ({"input": "hi", "dimensions": 64}, "openai_embeddings"),
    ],
)
def test_told(fields: dict[str, Any], dialect: str) -> None:
    assert surface_of(msgspec.json.encode({"model": "m"} | fields), {}).dialect == dialect


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"messages": [USER], "max_tokens": 9, "system": "s", "stop": "x"}, ["chat", "messages"]),
        ({"messages": [USER], "system": "s", "stop": "x"}, ["chat", "count_tokens"]),
        ({"input": "hi"}, ["responses", "embeddings"]),
        ({"input": "hi", "dimensions": 64, "instructions": "x"}, ["responses", "embeddings"]),
        ({}, ["chat", "completions", "responses", "embeddings", "messages", "count_tokens"]),
    ],
)
def test_not_told(fields: dict[str, Any], names: list[str]) -> None:
    with pytest.raises(BadSettings) as refused:
        surface_of(msgspec.json.encode({"model": "m"} | fields), {})
    assert refused.value.message.endswith(f"say {' or '.join(f'--surface {name}' for name in names)}")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_for_the_dialect_to_refuse(body: bytes) -> None:
    assert surface_of(body, {}).dialect == "openai_chat"


def test_every_path_has_a_name() -> None:
    named = [surface_named(name) for name in ("chat", "completions", "responses", "embeddings", "messages", "count_tokens")]
    assert named == list(PATHS.values()) == [surface_named(path) for path in PATHS]
    with pytest.raises(BadSettings, match="--surface is 'x'"):
        surface_named("x")
