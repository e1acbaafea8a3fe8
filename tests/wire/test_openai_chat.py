"""Requests keep every byte we do not act on; replies are read for what they bill and how they end."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.data import DataClass
from freehold.core.errors import BadRequest
from freehold.core.target import Secret, Target
from freehold.wire import openai_chat
from freehold.wire.openai_chat import OpenAiChat, api_root

RENTED = Target(
    name="t", kind="rented", codec="openai", url="https://x.test/v1", model="m-1", clearance=DataClass.public, secret=Secret("k")
)
MESSAGES = [{"role": "user", "content": "hi"}]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def body(**fields: Any) -> bytes:
    return msgspec.json.encode({"model": "w", "messages": MESSAGES} | fields)


def sent(raw: bytes) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.json.decode(OpenAiChat().encode(openai_chat.read(raw), RENTED).body)
    return value


@given(
    st.dictionaries(st.text(st.characters(categories=["L"]), min_size=1, max_size=8).map("x_".__add__), json_values, max_size=4)
)
def test_unknown_fields_pass_unchanged(extra: dict[str, Any]) -> None:
    assert sent(body(**extra)) == {"model": "m-1", "messages": MESSAGES} | extra


def test_values_keep_their_bytes() -> None:
    raw = (
        b'{"model":"w","messages":[ {"role" : "user","content":"caf\\u00e9 \xc3\xa9"},'
        b'{"role":"user","content":[{"type":"text","text":"\\u0041"}]} ],"temperature":1.50}'
    )
    call = OpenAiChat().encode(openai_chat.read(raw), RENTED)
    assert b'"content":"caf\\u00e9 \xc3\xa9"' in call.body
    assert b'"text":"\\u0041"' in call.body
    assert b"1.50" in call.body


def test_usage_is_always_asked_for_and_other_stream_options_stay() -> None:
    assert sent(body(stream=True))["stream_options"] == {"include_usage": True}
    kept = sent(body(stream=True, stream_options={"include_obfuscation": False, "include_usage": False}))
    assert kept["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert "stream_options" not in sent(body())


def test_our_hints_and_the_callers_key_stay_here() -> None:
    call = OpenAiChat().encode(openai_chat.read(body(provider={"only": ["t"]})), RENTED)
    assert b"provider" not in call.body
    assert call.headers["authorization"] == "Bearer k"
    assert "Secret(***)" in repr(RENTED)


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"{", "not a chat completion"),
        (b"[]", "not a chat completion"),
        (b'{"messages":[{}]}', "model is missing"),
        (b'{"model":"","messages":[{}]}', "model is empty"),
        (b'{"model":7,"messages":[{}]}', "model is not"),
        (b'{"model":"a"}', "messages is missing"),
        (b'{"model":"a","messages":[]}', "messages is empty"),
        (b'{"model":"a","messages":"x"}', "messages: Expected"),
        (b'{"model":"a","messages":[{}],"tools":{}}', "tools: Expected"),
        (b'{"model":"a","messages":[{}],"stream":"yes"}', "stream is not"),
        (b'{"model":"a","messages":[{}],"n":0}', "n is 0"),
        (b'{"model":"a","messages":[{}],"provider":{"max_price":1}}', "max_price"),
        (b"\xff\xfe", "not a chat completion"),
        (b"[" * 100_000, "not a chat completion"),
    ],
)
def test_bad_bodies_are_refused_by_name(raw: bytes, named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        openai_chat.read(raw)


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ({}, set()),
        ({"store": False, "metadata": {"url": "https://ours.test"}}, set()),
        ({"store": True}, {"store"}),
        ({"prompt_cache_retention": "24h"}, {"store"}),
        ({"previous_response_id": "r"}, {"chain"}),
        ({"web_search_options": {}}, {"server_tools"}),
        ({"": 7}, {"unknown_field"}),
        ({"tools": [{"type": "function", "function": {"description": "see https://x.test"}}]}, set()),
        ({"tools": [{"type": "mcp", "server_url": "https://x.test"}]}, {"server_tools"}),
        ({"x_new": {"deep": ["http://x.test"]}}, {"remote_url", "unknown_field"}),
        ({"x_new": "text with https://x.test inside"}, {"unknown_field"}),
        ({"x_new": None}, set()),
        ({"top_k": 4, "guided_json": {"$schema": "https://json-schema.org"}}, set()),
        ({"enable_search": True}, {"server_tools"}),
        ({"models": ["other/model"]}, {"remote_url"}),
        ({"kv_transfer_params": {"remote_host": "10.0.0.1"}}, {"remote_url"}),
        ({"extra_body": {"google": {"cached_content": "c"}}}, {"unknown_field"}),
        ({"prompt_cache_options": {"ttl": "24h"}}, {"store"}),
        ({"prompt_cache_options": {"ttl": "5m"}}, set()),
    ],
)
def test_egress_fields(fields: dict[str, Any], kinds: set[str]) -> None:
    assert openai_chat.read(body(**fields)).egress == kinds


@pytest.mark.parametrize(
    ("part", "kinds"),
    [
        ({"type": "text", "text": "https://x.test"}, set()),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}, set()),
        ({"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}, {"remote_media"}),
        ({"type": "image_url", "image_url": {"url": " //x.test/a.png"}}, {"remote_media"}),
        ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, {"remote_media"}),
        ({"type": "image_url", "image_url": {"url": "ht\ttps://x.test"}}, {"remote_media"}),
        ({"type": "image_url", "image_url": {"url": "\x01https:\\\\x.test"}}, {"remote_media"}),
        ({"type": "image_url", "image_url": {"url": "x.test/a.png"}}, {"remote_media"}),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}}, set()),
        ({"type": "text", "text": "x", "uuid": "u", "image_url": {"url": "https://x.test"}}, {"remote_media"}),
        ({"type": "novel", "place": "https:x.test"}, {"remote_media"}),
        ({"type": "file", "file": {"id": "f-1"}}, {"files"}),
        ({"type": "file", "file": {"file_id": "f-1"}}, {"files"}),
        ({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}, set()),
    ],
)
def test_egress_in_content_parts(part: dict[str, Any], kinds: set[str]) -> None:
    assert openai_chat.read(body(messages=[{"role": "user", "content": [part]}])).egress == kinds


def test_egress_cannot_hide_behind_escapes_or_a_second_key() -> None:
    hidden = (
        b'{"model":"w","messages":[{"role":"user","content":'
        b'[{"type":"image_url","image_\\u0075rl":{"url":"\\u0068ttps://x.test"}}]}]}'
    )
    assert openai_chat.read(hidden).egress == {"remote_media"}
    content = b'"content":[{"type":"image_url","image_url":{"url":"https://x.test"}}],"content":"hello"'
    one = openai_chat.read(b'{"model":"w","messages":[{"role":"user",' + content + b"}]}")
    assert one.egress == set()
    assert b"x.test" not in OpenAiChat().encode(one, RENTED).body
    twice = openai_chat.read(b'{"model":"w","store":false,"messages":[{}],"store":true}')
    assert twice.egress == {"store"}
    assert OpenAiChat().encode(twice, RENTED).body.count(b'"store"') == 1


def chunk(**fields: Any) -> bytes:
    return b"data: " + msgspec.json.encode({"id": "c", "object": "chat.completion.chunk", "choices": []} | fields) + b"\n\n"


def test_deltas() -> None:
    codec = OpenAiChat()

    def choice(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return chunk(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])

    assert not codec.delta(choice({"role": "assistant", "content": ""})).content
    assert codec.delta(choice({"content": "a"})).content
    assert codec.delta(choice({"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]})).content
    assert codec.delta(choice({"reasoning_content": "hm"})).content
    assert codec.delta(choice({}, "stop")).finished == 1
    assert codec.delta(b"data: [DONE]\n\n").done
    assert codec.delta(b": keep-alive\n\n") == codec.delta(b"event: ping\n\n")
    assert codec.delta(b'data: {"error":{"code":"overloaded","message":"your prompt was: x"}}\n\n').error == "overloaded"
    assert codec.delta(b'data: {"object":"error","message":"CUDA"}\n\n').error == "no error code"
    assert codec.delta(b"event: error\ndata: {}\n\n").error is not None
    assert codec.delta(choice({"content": "a"}, "")).finished == 0
    for broken in (b'data: {"choices":[\n\n', b"data: hello\n\n"):
        with pytest.raises(ValueError, match=r".+"):
            codec.delta(broken)


def test_usage_is_read_in_inclusive_totals() -> None:
    seen = OpenAiChat().delta(
        chunk(usage={"prompt_tokens": 100, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 60}})
    )
    assert seen.usage is not None
    assert seen.usage_only
    assert (seen.usage.uncached, seen.usage.cache_read, seen.usage.reasoning) == (40, 60, None)


@pytest.mark.parametrize(
    "usage",
    [{"prompt_tokens": -1}, {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 6}}, {}, {"prompt_tokens": 2**63}],
)
def test_a_count_that_contradicts_itself_is_kept_raw_and_not_used(usage: dict[str, Any]) -> None:
    seen = OpenAiChat().delta(chunk(usage=usage))
    assert seen.usage is None
    assert seen.raw_usage is not None


def test_what_a_target_says_about_the_prompt_is_not_kept() -> None:
    verdict = OpenAiChat().verdict(400, {}, b'{"error":{"message":"PATIENT John Doe","code":"bad input: John"}}')
    assert "John" not in verdict.detail


def test_reasoning_left_out_of_completion_tokens_is_found_in_the_total() -> None:
    seen = OpenAiChat().delta(
        chunk(
            usage={
                "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 45,
                "completion_tokens_details": {"reasoning_tokens": 30},
            }
        )
    )  # fmt: skip
    assert seen.usage is not None
    assert (seen.usage.output_tokens, seen.usage.answer) == (35, 5)


@pytest.mark.parametrize(
    ("status", "error", "elsewhere", "outcome"),
    [
        (429, {"code": "rate_limit_exceeded"}, True, "overloaded"),
        (429, {"type": "insufficient_quota", "code": "credit_balance_exhausted"}, True, "rejected"),
        (503, {"code": "server_is_overloaded"}, True, "overloaded"),
        (500, {}, True, "broken"),
        (501, {"code": "not_supported_error"}, True, "rejected"),
        (401, {}, True, "rejected"),
        (403, {"code": "content_policy_violation"}, False, "rejected"),
        (307, {}, True, "broken"),
        (400, {"code": "context_length_exceeded"}, False, "rejected"),
    ],
)
def test_verdicts(status: int, error: dict[str, str], elsewhere: bool, outcome: str) -> None:
    verdict = OpenAiChat().verdict(status, {}, msgspec.json.encode({"error": error}))
    assert (verdict.elsewhere, verdict.outcome) == (elsewhere, outcome)


def test_retry_after_in_every_spelling() -> None:
    def wait(**headers: str) -> float | None:
        return OpenAiChat().verdict(429, {k.replace("_", "-"): v for k, v in headers.items()}, b"").retry_after_s

    assert wait() is None
    assert wait(retry_after="7") == 7
    assert wait(retry_after_ms="1500") == 1.5
    assert wait(retry_after="1", retry_after_ms="2500") == 2.5
    assert wait(retry_after="Wed, 21 Oct 2026 07:28:30 GMT", date="Wed, 21 Oct 2026 07:28:00 GMT") == 30
    assert wait(retry_after="soon") is None


def test_a_200_that_is_no_answer_is_told_apart() -> None:
    with pytest.raises(ValueError, match="server_error"):
        OpenAiChat().decode(b'{"error":{"type":"server_error","message":"server exploded"}}')
    with pytest.raises(ValueError, match=r".+"):
        OpenAiChat().decode(b"<html>")


def test_api_root() -> None:
    assert api_root("http://h:1") == "http://h:1/v1"
    assert api_root("http://h:1/") == "http://h:1/v1"
    assert api_root("https://h/openai/v1/") == "https://h/openai/v1"
