"""What a Messages request is read to be: its bytes, where its data would go, what it asks of a server, and what is refused."""

import json
from typing import Any

import msgspec
import pytest

from freehold.core.conversation import Untranslatable
from freehold.core.data import DataClass
from freehold.core.errors import BadRequest
from freehold.core.target import Secret, Target
from freehold.wire.anthropic_messages import Messages, MessagesSurface
from freehold.wire.content import Piece, Unscannable, texts
from freehold.wire.egress import MESSAGES, media_hosts

SURFACE = MessagesSurface()
RENTED = Target(
    name="t", kind="rented", codec="anthropic", url="https://x.test/v1", model="claude-opus-5", clearance=DataClass.public,
    secret=Secret("k"),
)  # fmt: skip
OWNED = msgspec.structs.replace(RENTED, kind="owned", model="m@rev", secret=None, url="http://127.0.0.1:8000")
LOOK = {"name": "f", "input_schema": {}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}


def body(content: Any = "hi", **fields: Any) -> bytes:
    return msgspec.json.encode({"model": "w", "max_tokens": 9, "messages": [{"role": "user", "content": content}]} | fields)


def egress(content: Any = "hi", beta: str = "", **fields: Any) -> frozenset[str]:
    return SURFACE.read(body(content, **fields), {"anthropic-beta": beta} if beta else {}).egress


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"{", "not a Messages request"),
        (b"[]", "not a Messages request"),
        (body(model=7), "model is not"),
        (body(model=""), "model is empty"),
        (b'{"model":"w","max_tokens":1}', "messages is missing"),
        (body(messages=[]), "messages is empty"),
        (b'{"model":"w","messages":[{}]}', "max_tokens is missing"),
        (body(max_tokens=None), "max_tokens is not"),
        (body(max_tokens=-1), "max_tokens is -1"),
        (body(stream="yes"), "stream is not"),
        (body(content=7), "messages: content is neither text nor a list of parts"),
        (body(system={"type": "text"}), "system: content is neither text"),
        (
            body(system=[{"type": "image", "source": {"type": "url", "url": "https://x.test"}}]),
            "system: it holds what leads elsewhere",
        ),
        (body(provider={"onyl": []}), "provider"),
        (b'{"a":' + b"[" * 100_000, "not a Messages request"),
    ],
)
def test_bad_requests_name_the_field(raw: bytes, named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        SURFACE.read(raw, {})


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        ([{"type": "text", "text": "see https://x.test", "cache_control": {"type": "ephemeral"}}], set()),
        ([{"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}], {"remote_media"}),
        ([{"type": "image", "source": {"type": "file", "file_id": "f"}}], {"files"}),
        ([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}], set()),
        ([PDF], set()),
        ([PDF | {"title": "https://x.test", "source": {"type": "url", "url": "https://x.test"}}], {"remote_media"}),
        ([PDF | {"title": "https://x.test", "source": {"type": "text", "data": "https://x.test"}}], set()),
        ([{"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "//x"}]}}], set()),
        (
            [{"type": "document", "source": {"type": "content", "content": [{"type": "image", "source": {"url": "//x.test"}}]}}],
            {"remote_media"},
        ),
        ([{"type": "tool_use", "id": "a", "name": "open", "input": {"url": "https://x.test"}}], set()),
        ([{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "https://x.test"}]}], set()),
        (
            [
                {
                    "type": "tool_result",
                    "tool_use_id": "a",
                    "content": [{"type": "image", "source": {"type": "url", "url": "//x"}}],
                }
            ],
            {"remote_media"},
        ),
        ([{"type": "thinking", "thinking": "http://x.test", "signature": "s"}], set()),
        ([{"type": "search_result", "source": "https://x.test", "title": "t", "content": []}], set()),
        ([{"type": "text", "text": "x", "novel_url": "https://x.test"}], {"remote_media"}),
        ([{"type": "novel", "place": "https:x.test"}], {"remote_media"}),
        ([{"type": "container_upload", "file_id": "f"}], {"files"}),
    ],
)
def test_egress_in_blocks(content: Any, kinds: set[str]) -> None:
    assert egress(content) == kinds


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ({"metadata": {"user_id": "https://ours.test"}, "thinking": {"type": "adaptive"}, "speed": "fast"}, set()),
        ({"container": "c"}, {"chain"}),
        ({"diagnostics": {"previous_message_id": "m"}}, {"chain"}),
        ({"mcp_servers": [{"type": "url", "url": "https://x.test"}]}, {"server_tools"}),
        ({"inference_geo": "us"}, {"unknown_field"}),
        ({"x_new": {"deep": ["http://x.test"]}}, {"remote_url", "unknown_field"}),
        ({"tools": [{"name": "f", "input_schema": {}}, {"name": "g", "type": "custom"}, {"type": "bash_20250124"}]}, set()),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, {"server_tools"}),
        ({"tools": [{"type": "bash_code_execution_20250825"}]}, {"server_tools"}),
        ({"system": [{"type": "text", "text": "https://x.test", "cache_control": {"type": "ephemeral"}}]}, set()),
    ],
)
def test_egress_in_fields(fields: dict[str, Any], kinds: set[str]) -> None:
    assert egress(**fields) == kinds


@pytest.mark.parametrize(
    ("flags", "kinds"),
    [
        ("claude-code-20250219, interleaved-thinking-2025-05-14,context-1m-2025-08-07", set()),
        ("mid-conversation-system-2026-04-07,effort-2025-11-24", set()),
        ("files-api-2025-04-14", {"files"}),
        ("code-execution-2025-08-25,pdfs-2024-09-25", {"server_tools"}),
        ("MCP-client-2025-11-20", {"server_tools"}),
        ("message-threads-2026-08-12, agent-memory-2026-07-22", {"chain", "store"}),
        ("novel-2027-01-01", {"unknown_field"}),
        (",,", set()),
    ],
)
def test_egress_of_beta_flags(flags: str, kinds: set[str]) -> None:
    assert egress(beta=flags) == kinds


def test_what_is_judged_is_what_is_sent() -> None:
    hidden = (
        b'{"model":"w","max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":'
        b'{"type":"url","url":"https://x.test/a","url":"data:image/png;base64,AA=="}}]}]}'
    )
    request = SURFACE.read(hidden, {})
    assert request.egress == set()
    assert b"x.test" not in Messages().encode(request, RENTED).body
    nested = (
        b'{"model":"w","max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a",'
        b'"content":[{"type":"im\\u0061ge","source":{"type":"url","url":"\\u0068ttps://x.test/a"}}]}]}]}'
    )
    request = SURFACE.read(nested, {})
    assert request.egress == {"remote_media"}
    assert request.needs == {"vision"}
    assert media_hosts(request.fields, MESSAGES) == {"x.test"}


def test_hosts_are_those_of_media_alone() -> None:
    content = [
        {"type": "tool_use", "id": "a", "name": "open", "input": {"url": "https://tool.test"}},
        {"type": "image", "source": {"type": "url", "url": "https://cdn.test/a.png"}},
    ]
    request = SURFACE.read(body(content, system=[{"type": "text", "text": "https://words.test"}]), {})
    assert media_hosts(request.fields, MESSAGES) == {"cdn.test"}


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({}, set()),
        ({"tools": [LOOK]}, {"tools"}), ({"tools": [LOOK], "tool_choice": {"type": "any"}}, {"tools"}),
        ({"tools": [LOOK], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, {"tools", "single_tool_call"}),
        ({"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, set()),
        ({"output_config": {"format": {"type": "json_schema", "schema": {}}}}, {"json_schema"}),
        ({"output_config": {"effort": "low"}}, set()),
        ({"output_format": {"type": "json_schema", "schema": {}}}, {"json_schema"}),
        ({"content": [PDF]}, {"vision"}),
        ({"content": [PDF | {"source": {"type": "text", "data": "x", "media_type": "text/plain"}}]}, set()),
        ({"content": [{"type": "image", "source": {"type": "base64", "data": "AA=="}}]}, {"vision"}),
    ],
)  # fmt: skip
def test_needs(fields: dict[str, Any], needs: set[str]) -> None:
    assert SURFACE.read(body(**fields), {}).needs == needs


def test_all_its_text_is_scanned() -> None:
    content = [
        {"type": "text", "text": "first words"}, {"type": "thinking", "thinking": "second words", "signature": "s"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"to": "third words"}},
        {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "fourth words"}]},
        {"type": "document", "source": {"type": "text", "data": "fifth words"}, "title": "sixth words"},
    ]  # fmt: skip
    request = SURFACE.read(body([*content, PDF], system="seventh words", metadata={"user_id": "eighth words"}), {})
    found = list(texts(request.fields))
    words = {piece.text for piece in found if isinstance(piece, Piece) and piece.text.endswith(" words")}
    assert words == {f"{n} words" for n in "first second third fourth fifth sixth seventh eighth".split()}
    assert [one.kind for one in found if isinstance(one, Unscannable)] == ["file"]


def test_it_leaves_as_it_came_but_for_the_model() -> None:
    raw = (
        b'{"model":"w","max_tokens":9,"provider":{"only":["t"]},"temperature":1.50,'
        b'"messages":[{"role":"user","content":"caf\\u00e9"}]}'
    )
    request = SURFACE.read(raw, {"anthropic-version": "2026-10-21", "anthropic-beta": "pdfs-2024-09-25", "x-other": "no"})
    call = Messages(key_header="x-api-key").encode(request, RENTED)
    assert call.url == "https://x.test/v1/messages"
    assert json.loads(call.body) == {"model": "claude-opus-5"} | {
        k: v for k, v in json.loads(raw).items() if k not in {"model", "provider"}
    }
    assert b"caf\\u00e9" in call.body
    assert b"1.50" in call.body
    assert (call.headers["x-api-key"], call.headers["anthropic-version"]) == ("k", "2026-10-21")
    assert "x-other" not in call.headers
    owned = Messages().encode(SURFACE.read(raw, {}), OWNED)
    assert owned.url == "http://127.0.0.1:8000/v1/messages"
    assert (json.loads(owned.body)["model"], owned.headers["anthropic-version"]) == ("m", "2023-06-01")
    assert owned.headers.keys().isdisjoint({"authorization", "x-api-key"})


def test_thinking_of_another_maker_is_left_out_where_it_would_be_rejected() -> None:
    said = [{"type": "thinking", "thinking": "a", "signature": mark} for mark in ("bWluZQ==", "", "google_gemini#x")]
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": [*said, {"type": "text", "text": "so"}]}]
    request = SURFACE.read(body(messages=[*turns, turns[0]]), {})
    kept = json.loads(Messages(signed=True).encode(request, RENTED).body)["messages"][1]["content"]
    assert kept == [said[0], {"type": "text", "text": "so"}]
    assert json.loads(Messages().encode(request, OWNED).body)["messages"] == [*turns, turns[0]]


def test_an_engine_that_would_not_honour_it_is_not_asked() -> None:
    native = Messages(schemas=False)
    plain = SURFACE.read(body(), {})
    strict = SURFACE.read(body(output_config={"format": {"type": "json_schema", "schema": {}}}), {})
    assert (native.takes(plain), native.takes(strict), Messages().takes(strict)) == (True, False, True)
    with pytest.raises(Untranslatable, match=r"output_config\.format"):
        native.encode(strict, OWNED)
    assert native.encode(plain, OWNED)
