"""A Responses request from its body: where it leads, what it needs, what is refused. Shapes as in OpenAI's SDK, 2026-11-21."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import BadRequest
from freehold.core.request import Request
from freehold.wire.content import Piece, Unscannable, texts
from freehold.wire.egress import TABLES, media_hosts
from freehold.wire.openai_responses import read

FUNCTION = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": True}
SCHEMA = {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object", "properties": {"file_id": {}}}}}


def asked(value: Any = "hi", **fields: Any) -> Request:
    return read(msgspec.json.encode({"model": "w", "input": value, **fields}))


def message(*content: Any, role: str = "user") -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(content)}


def image(**fields: Any) -> dict[str, Any]:
    return message({"type": "input_image", "detail": "auto", **fields})


def test_a_request() -> None:
    request = asked([message({"type": "input_text", "text": "hi"})], max_output_tokens=20, stream=True, instructions="Be brief.")
    assert (request.dialect, request.model, request.stream, request.wants_usage) == ("openai_responses", "w", True, True)
    assert (request.max_output_tokens, request.most_output_tokens, request.choices) == (20, 20, 1)
    assert request.input_bytes == len(bytes(request.fields["input"])) + len(b'"Be brief."')
    assert (request.egress, request.needs) == (frozenset(), frozenset())


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ({}, set()), ({"store": False}, set()), ({"store": None}, set()), ({"store": True}, {"store"}),
        ({"store": "yes"}, {"store"}),
        ({"previous_response_id": "resp_1"}, {"chain"}), ({"conversation": {"id": "conv_1"}}, {"chain"}),
        ({"prompt": {"id": "pmpt_1"}}, {"chain"}), ({"prompt_cache_retention": "24h"}, {"store"}),
        ({"prompt": {"id": "p", "variables": {"a": {"type": "input_image", "image_url": "https://a.example/x"}}}},
         {"chain", "remote_url"}),
        ({"prompt": {"id": "p", "variables": {"a": {"type": "input_file", "file_id": "file_1"}}}}, {"chain", "files"}),
        ({"prompt_cache_options": {"comparison_response_id": "resp_1"}}, {"chain"}),
        ({"tools": [FUNCTION, {"type": "custom", "name": "patch"}, {"type": "local_shell"}]}, set()),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [FUNCTION, {"type": "custom", "name": "c"}]}]}, set()),
        ({"tools": [{"type": "namespace", "name": "n", "tools": []}]}, {"server_tools"}),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [FUNCTION, {"type": "mcp"}]}]}, {"server_tools"}),
        ({"tools": [{"type": "namespace", "tools": [{"type": "namespace", "tools": [FUNCTION]}]}]}, {"server_tools"}),
        *[({"tools": [FUNCTION, {"type": kind}]}, {"server_tools"}) for kind in (
            "web_search", "web_search_preview", "file_search", "code_interpreter", "mcp", "computer_use_preview", "computer",
            "image_generation", "shell", "tool_search", "namespace", "programmatic_tool_calling", "novel",
        )],
        ({"novel": 1}, {"unknown_field"}), ({"metadata": {"page": "https://a.example"}, "client_metadata": {"a": "b"}}, set()),
        ({"text": SCHEMA, "reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"]}, set()),
    ],
)  # fmt: skip
def test_where_fields_lead(fields: dict[str, Any], kinds: set[str]) -> None:
    assert asked(**fields).egress == kinds


@pytest.mark.parametrize(
    ("item", "kinds"),
    [
        ({"role": "user", "content": "look at https://a.example"}, set()),
        (message({"type": "output_text", "text": "https://a.example", "annotations": [{"type": "url_citation",
         "url": "https://a.example"}]}, role="assistant"), set()),
        (image(image_url="data:image/png;base64,AAAA"), set()),
        (image(image_url="https://a.example/b.png"), {"remote_media"}), (image(file_id="file_1"), {"files"}),
        (message({"type": "input_file", "file_url": "https://a.example/b.pdf"}), {"remote_media"}),
        (message({"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a"}), set()),
        ({"type": "item_reference", "id": "msg_1"}, {"chain"}), ({"type": None, "id": "msg_1"}, {"chain"}),
        ({"id": "msg_1"}, {"chain"}), ({"type": "message", "role": "assistant", "id": "msg_1"}, {"chain"}),
        ({"type": "image_generation_call", "id": "ig_1"}, {"chain"}), ({"type": "novel", "text": "a"}, {"chain"}),
        ({"type": "mcp_approval_response", "approval_request_id": "a", "approve": True}, {"chain"}),
        ({"type": "additional_tools", "role": "developer", "tools": [{"type": "web_search"}]}, {"server_tools"}),
        ({"type": "web_search_call", "status": "completed", "action": {"type": "open_page", "url": "https://a.example"}},
         {"server_tools"}),
        ({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "so"}]}, {"chain"}),
        ({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}, set()),
        ({"type": "reasoning", "summary": [{"type": "summary_text", "text": "so"}]}, set()),
        ({"type": "reasoning", "id": "rs_freehold_a_0", "summary": []}, set()),
        ({"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": '{"u":"https://a.example"}'}, set()),
        ({"type": "function_call_output", "call_id": "c", "output": "https://a.example"}, set()),
        ({"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": "//a.example/b"}]},
         {"remote_media"}),
        ({"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot", "file_id": "file_1"}},
         {"files"}),
        ({"type": "compaction", "encrypted_content": "gAAA"}, set()),
    ],
)  # fmt: skip
def test_where_items_lead(item: dict[str, Any], kinds: set[str]) -> None:
    assert asked([message({"type": "input_text", "text": "hi"}), item]).egress == kinds


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"w","store":true,"store":false,"input":"hi"}',
        b'{"model":"w","input":"hi","input":[{"role":"user","content":"a","content":"b"}]}',
        b'{"model":"w","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:,","image_url":"https://a.example"}]}]}',
    ],
)
def test_what_is_judged_is_what_is_sent(body: bytes) -> None:
    request = read(body)
    sent = msgspec.json.encode(request.fields)
    assert (sent.count(b'"store"'), sent.count(b'"input"'), sent.count(b'"content"')) <= (1, 1, 1)
    assert sent.count(b'"image_url"') <= 1
    assert ("remote_media" in request.egress) == (b"https" in sent)
    assert ("store" in request.egress) == (b'"store":true' in sent)


@pytest.mark.parametrize(
    ("value", "hosts"),
    [
        (image(image_url="https://A.example/x.png"), {"a.example"}), (image(image_url="http://a.example"), {""}),
        (message({"type": "input_file", "file_url": "https://b.example/x.pdf"}), {"b.example"}),
        ({"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": "https://c.example"}]},
         {"c.example"}),
    ],
)  # fmt: skip
def test_hosts_of_remote_media(value: Any, hosts: set[str]) -> None:
    request = asked([value])
    assert request.egress == {"remote_media"}
    assert media_hosts(request.fields, TABLES[request.dialect]) == hosts


@given(st.recursive(st.none() | st.booleans() | st.text(max_size=4) | st.sampled_from(["https://a.example", "file_1"]),
       lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
           "type role content id image_url file_url file_id output summary message input_image reasoning".split()), inner,
           max_size=4), max_leaves=12))  # fmt: skip
def test_no_input_escapes_the_judge(value: Any) -> None:
    try:
        request = asked(value)
    except BadRequest:
        return
    if "remote_media" in request.egress:
        assert media_hosts(request.fields, TABLES[request.dialect])
    again = read(msgspec.json.encode(request.fields))
    assert (again.egress, again.needs) == (request.egress, request.needs)


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({"tools": [FUNCTION]}, {"tools"}), ({"tools": []}, set()),
        ({"tools": [FUNCTION], "parallel_tool_calls": True}, {"tools"}),
        ({"tools": [FUNCTION], "parallel_tool_calls": False}, {"tools", "single_tool_call"}),
        ({"text": SCHEMA}, {"json_schema"}), ({"text": {"format": {"type": "json_object"}}}, {"json_object"}),
        ({"text": {"format": {"type": "text"}, "verbosity": "low"}}, set()), ({"text": None}, set()),
        ({"top_logprobs": 3}, {"logprobs"}), ({"include": ["message.output_text.logprobs"]}, {"logprobs"}),
        ({"include": ["reasoning.encrypted_content"]}, set()),
        ({"input": [image(image_url="data:image/png;base64,AAAA")]}, {"vision"}),
        ({"input": [message({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}})]}, {"audio"}),
        ({"input": [{"type": "function_call_output", "call_id": "c",
                     "output": [{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]}]}, {"vision"}),
    ],
)  # fmt: skip
def test_needs(fields: dict[str, Any], needs: set[str]) -> None:
    assert read(msgspec.json.encode({"model": "w", "input": "hi", **fields})).needs == needs


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ""}, "model"), ({"model": None}, "model"), ({"input": ""}, "input"), ({"input": []}, "input"),
        ({"input": None}, "input"), ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": "9"}, "max_output_tokens"),
        ({"background": True}, "background"), ({"stream": "yes"}, "stream"), ({"input": {}}, "input"), ({"input": [7]}, "input"),
        ({"instructions": [{"type": "input_image", "image_url": "https://a.example"}]}, "instructions"), ({"text": 7}, "text"),
        ({"provider": {"novel": 1}}, "provider"), ({"tools": {}}, "tools"), ({"input": [{"type": "reasoning", "id": 7}]}, None),
    ],
)  # fmt: skip
def test_bad_requests_name_the_field(fields: dict[str, Any], param: str | None) -> None:
    with pytest.raises(BadRequest) as raised:
        read(msgspec.json.encode({"model": "w", "input": "hi", **fields}))
    assert raised.value.param == param
    assert param is None or param in raised.value.message


def test_what_is_kept_elsewhere_needs_no_input() -> None:
    assert read(b'{"model":"w","prompt":{"id":"pmpt_1"}}').egress == {"chain"}
    with pytest.raises(BadRequest, match="input is missing"):
        read(b'{"model":"w"}')


def test_all_text_is_scanned() -> None:
    secret = "needle-"
    places = [
        message({"type": "input_text", "text": f"{secret}1"}), {"role": "developer", "content": f"{secret}2"},
        {"type": "function_call", "call_id": "c", "name": f"{secret}3", "arguments": f"{secret}4"},
        {"type": "function_call_output", "call_id": "c", "output": f"{secret}5"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": f"{secret}6"}]},
        image(image_url="data:image/png;base64," + "A" * 400),
    ]  # fmt: skip
    request = asked(places, instructions=f"{secret}7", tools=[FUNCTION | {"description": f"{secret}8"}], text=SCHEMA)
    found = list(texts(request.fields))
    assert {piece.text for piece in found if isinstance(piece, Piece) and secret in piece.text} == {
        f"{secret}{at}" for at in range(1, 9)
    }
    assert [piece.kind for piece in found if isinstance(piece, Unscannable)] == ["image"]
