"""A conversation from another dialect as the body of a chat request. By hand from OpenAI's published reference, 2026-11-21."""

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
)  # fmt: skip
from freehold.core.data import DataClass
from freehold.core.target import Secret, Target
from freehold.wire.openai_chat import ENGINE, OPENAI, ChatComposer, ChatSurface, OpenAiChat, Quirks, read

TARGET = Target(
    name="t", kind="rented", codec="openai", url="https://x.test/v1", model="m-1", clearance=DataClass.public, secret=Secret("k")
)
TYPE = {"type": "object"}
SCHEMA = msgspec.Raw(b'{"type":"object"}')
ASK = Turn("user", (Text("hi"),))
PNG = Media(kind="image", media_type="image/png", data="AA==")


def sent(asked: Conversation, quirks: Quirks = ENGINE, *, stream: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(ChatComposer(quirks=quirks).compose(asked, TARGET, stream=stream).body)
    return body


def messages(*turns: Turn, quirks: Quirks = ENGINE) -> list[Any]:
    return list(sent(Conversation(turns=turns), quirks)["messages"])


def user(*parts: Part) -> Turn:
    return Turn("user", parts)


def test_a_whole_conversation() -> None:
    calls = (Call("c1", "look", "{}", "signed"), Call("c2", "look", "{}"))
    thought = Thinking("why", "sig", maker="anthropic_messages")
    said = messages(
        Turn("system", (Text("be brief"),)),
        Turn("user", (Text("what is"), PNG), "ann"),
        Turn("assistant", (thought, Text("let me look"), *calls)),
        user(Result("c1", (Text("a"),)), Result("c2", (Text("lost"),), failed=True), Text("and?")),
    )
    call = {"type": "function", "function": {"name": "look", "arguments": "{}"}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    assert said == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "what is"}, picture], "name": "ann"},
        {"role": "assistant", "content": "let me look", "tool_calls": [{"id": "c1", **call}, {"id": "c2", **call}]},
        {"role": "tool", "tool_call_id": "c1", "content": "a"},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: lost"},
        {"role": "user", "content": "and?"},
    ]


def test_thinking_goes_back_only_to_a_server_that_wants_its_own() -> None:
    own, foreign = Thinking("own"), Thinking("foreign", "sig", maker="anthropic_messages")
    turns = (ASK, Turn("assistant", (own, foreign, Text("x"))), ASK)
    assert messages(*turns)[1] == {"role": "assistant", "content": "x"}
    wants = messages(*turns, quirks=Quirks(thinking_field="reasoning_content"))
    assert wants[1] == {"role": "assistant", "content": "x", "reasoning_content": "own"}


def test_turns_that_say_little() -> None:
    said = messages(ASK, Turn("assistant", ()), ASK, Turn("assistant", (Refusal("no"),)), user(Result("c", ())), user(Text("")))
    assert said[1] == {"role": "assistant", "content": ""}
    assert said[3] == {"role": "assistant", "content": None, "refusal": "no"}
    assert said[4]["content"] == said[5]["content"] == ""


def test_that_a_tool_failed_is_said_in_words() -> None:
    parts = ((Text("lost"),), (), (Text("a"), Text("b")))
    said = [messages(user(Result("c", each, failed=True)))[0]["content"] for each in parts]
    both = [{"type": "text", "text": "Error: a"}, {"type": "text", "text": "b"}]
    assert said == ["Error: lost", "Error: ", both]


def test_cache_marks_where_they_are_taken() -> None:
    turns = (Turn("system", (Text("long", CacheMark("1h")),)), user(Result("c", (Text("a"),), cache=CacheMark())), ASK)
    assert [message["content"] for message in messages(*turns)] == ["long", "a", "hi"]
    marked = messages(*turns, quirks=Quirks(cache_control=True))
    assert marked[0]["content"] == [{"type": "text", "text": "long", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    assert marked[1]["content"] == [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]


FULL = Conversation(
    turns=(ASK,), tools=(Tool(name="look", description="d", schema=SCHEMA, strict=True), Tool(name="now")),
    tool_choice=ToolChoice("named", "look"), parallel_tools=False,
    format=Format(kind="json_schema", schema=SCHEMA, strict=True), max_tokens=9, temperature=0.5, top_p=0.9, top_k=4, stop=("x",),
    seed=3, frequency_penalty=1.0, presence_penalty=-1.0, choices=2, logprobs=True, top_logprobs=5,
    reasoning=Reasoning(enabled=True, tokens=8192), service_tier="default", user="ann", metadata={"a": "b"},
)  # fmt: skip


def test_every_setting() -> None:
    assert sent(FULL) == {
        "model": "m-1", "messages": [{"role": "user", "content": "hi"}],
        "tools": [
            {"type": "function", "function": {"name": "look", "description": "d", "parameters": TYPE, "strict": True}},
            {"type": "function", "function": {"name": "now"}},
        ],
        "tool_choice": {"type": "function", "function": {"name": "look"}}, "parallel_tool_calls": False,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": TYPE, "strict": True}},
        "max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "top_k": 4, "stop": ["x"], "seed": 3, "frequency_penalty": 1.0,
        "presence_penalty": -1.0, "n": 2, "logprobs": True, "top_logprobs": 5, "reasoning_effort": "medium",
        "service_tier": "default", "user": "ann",
    }  # fmt: skip


def test_what_is_composed_is_read_again_as_the_same() -> None:
    surface = ChatSurface()
    body = ChatComposer(quirks=ENGINE).compose(FULL, TARGET, stream=False).body
    again = surface.parse(surface.read(body, {}))
    assert again.format is not None
    form = msgspec.structs.replace(again.format, name=None)
    expected = msgspec.structs.replace(FULL, reasoning=Reasoning(effort="medium"), metadata={}, hints=frozenset({"user"}))
    assert msgspec.structs.replace(again, format=form) == expected


def test_a_stream_always_asks_for_usage_where_the_server_knows_how() -> None:
    asked = Conversation(turns=(ASK,))
    assert sent(asked, stream=True)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in sent(asked, Quirks(lacks=frozenset({"stream_options"})), stream=True)
    bare = read(b'{"model":"w","messages":[{}],"stream":true,"stream_options":{"include_usage":true}}')
    native = OpenAiChat(quirks=Quirks(lacks=frozenset({"stream_options"}))).encode(bare, TARGET)
    assert b"stream_options" not in native.body


def test_quirks_of_servers() -> None:
    asked = Conversation(turns=(ASK,), max_tokens=9, seed=3, user="ann")
    assert sent(asked, OPENAI)["max_completion_tokens"] == 9
    renamed = sent(asked, Quirks(renamed={"seed": "random_seed"}, lacks=frozenset({"user", "top_k"})))
    assert renamed == {"model": "m-1", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9, "random_seed": 3}
    azure = msgspec.structs.replace(TARGET, url="https://x.test/openai/deployments/d?api-version=2024-10-21")
    for call in (
        ChatComposer(quirks=Quirks(key_header="api-key")).compose(asked, azure, stream=False),
        OpenAiChat(quirks=Quirks(key_header="api-key")).encode(read(b'{"model":"w","messages":[{}]}'), azure),
    ):
        assert call.url == "https://x.test/openai/deployments/d/chat/completions?api-version=2024-10-21"
        assert call.headers["api-key"] == "k"
        assert "authorization" not in call.headers


@pytest.mark.parametrize(
    ("reasoning", "effort"),
    [
        (Reasoning(effort="xhigh", tokens=5), "xhigh"), (Reasoning(enabled=False, effort="high"), "none"),
        (Reasoning(enabled=False), "none"), (Reasoning(enabled=True), "medium"), (Reasoning(tokens=1024), "low"),
        (Reasoning(tokens=8191), "low"), (Reasoning(tokens=16_384), "high"), (Reasoning(show=True), None),
    ],
)  # fmt: skip
def test_efforts(reasoning: Reasoning, effort: str | None) -> None:
    assert sent(Conversation(turns=(ASK,), reasoning=reasoning)).get("reasoning_effort") == effort


@pytest.mark.parametrize(
    ("media", "said"),
    [
        (
            Media(kind="image", url="https://x.test/a", detail="high"),
            {"image_url": {"url": "https://x.test/a", "detail": "high"}},
        ),
        (Media(kind="audio", media_type="audio/x-wav", data="AA=="), {"input_audio": {"data": "AA==", "format": "wav"}}),
        (
            Media(kind="file", media_type="application/pdf", data="AA==", name="a.pdf"),
            {"file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
        ),
    ],
)
def test_media(media: Media, said: dict[str, Any]) -> None:
    (part,) = messages(user(media))[0]["content"]
    assert {name: value for name, value in part.items() if name != "type"} == said


@pytest.mark.parametrize(
    ("turns", "field"),
    [
        ((user(Media(kind="audio", media_type="audio/flac", data="AA==")),), "audio"),
        ((user(Media(kind="audio", url="https://x.test")),), "audio"),
        ((user(Media(kind="file", url="https://x.test")),), "file"),
        ((user(Media(kind="file", data="AA==")),), "file"),
        ((user(Media(kind="file", file_id="f")),), "file_id"),
        ((user(Media(kind="image", url="https://x.test", detail="odd")),), "detail"),
        ((user(Result("c", (PNG,))),), "image"),
        ((Turn("system", (PNG,)), ASK), "image"),
        ((Turn("user", (Call("c", "f", "{}"),)),), "call"),
        ((ASK, Turn("assistant", (Text("Once"),))), "messages"),
        ((), "messages"),
    ],
)  # fmt: skip
def test_turns_that_cannot_be_said_are_refused_by_name(turns: tuple[Turn, ...], field: str) -> None:
    with pytest.raises(Untranslatable) as refused:
        messages(*turns)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_k": 4}, "top_k"),
        ({"stop": ("a", "b", "c", "d", "e")}, "stop"),
        ({"service_tier": "batch"}, "service_tier"),
        ({"seed": 1}, "seed"),
        ({"tool_choice": ToolChoice("any")}, "tool_choice"),
        ({"tools": (Tool(name="f", strict=True),)}, "tools.strict"),
        ({"format": Format(kind="json_schema", schema=SCHEMA, strict=True)}, "response_format.strict"),
        ({"others": {"context_management": msgspec.Raw(b"{}")}}, "context_management"),
    ],
)
def test_settings_that_cannot_be_said_are_refused_by_name(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(Untranslatable) as refused:
        sent(Conversation(turns=(ASK,), **settings), Quirks(lacks=frozenset({"top_k", "seed", "strict"})))
    assert refused.value.field == field


@given(st.lists(st.sampled_from(["user", "assistant", "system"]), min_size=1, max_size=6), st.data())
def test_no_word_is_lost_and_none_is_added(roles: list[Any], data: st.DataObject) -> None:
    words = st.text("abc", min_size=1, max_size=3)
    turns = [
        Turn(role, tuple(Text(text) for text in data.draw(st.lists(words, min_size=1, max_size=3)))) for role in [*roles, "user"]
    ]
    surface = ChatSurface()
    again = surface.parse(surface.read(json.dumps(sent(Conversation(turns=tuple(turns)))).encode(), {}))
    assert again.turns == tuple(turns)
