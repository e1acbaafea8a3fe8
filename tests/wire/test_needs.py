"""What a request asks of a server, read from its body; and how long it is at least."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import BadRequest
from freehold.wire.openai_chat import read

TOOL = {"type": "function", "function": {"name": "f"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}


def needs(content: Any = "hi", **fields: Any) -> set[str]:
    return set(read(msgspec.json.encode({"model": "w", "messages": [{"role": "user", "content": content}], **fields})).needs)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, set()),
        ({"tools": [TOOL]}, {"tools"}),
        ({"tools": []}, set()),
        ({"tools": None, "parallel_tool_calls": True}, set()),
        ({"functions": [{"name": "f"}]}, {"tools"}),
        ({"tools": [TOOL], "parallel_tool_calls": True}, {"tools"}),
        ({"tools": [TOOL], "parallel_tool_calls": None}, {"tools"}),
        ({"tools": [TOOL], "parallel_tool_calls": False}, {"tools", "single_tool_call"}),
        ({"parallel_tool_calls": False}, set()),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, {"json_schema"}),
        ({"response_format": {"type": "json_object"}}, {"json_object"}),
        ({"response_format": {"type": "text"}}, set()),
        ({"response_format": None}, set()),
        ({"logprobs": True}, {"logprobs"}),
        ({"logprobs": False, "top_logprobs": None}, set()),
        ({"top_logprobs": 3}, {"logprobs"}),
        ({"n": 1}, set()),
        ({"n": 2}, {"choices"}),
        ({"modalities": ["text"]}, set()),
        ({"modalities": ["text", "audio"]}, {"audio"}),
    ],
)
def test_fields(fields: dict[str, Any], expected: set[str]) -> None:
    assert needs(**fields) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([{"type": "text", "text": "hi"}], set()),
        ([{"type": "text", "text": '{"type":"image_url","image_url":{}}'}], set()),
        ([{"type": "text", "text": "hi"}, IMAGE], {"vision"}),
        ([{"image_url": {"url": "data:image/png;base64,AAAA"}}], {"vision"}),
        ([{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}], {"vision"}),
        ([SOUND, IMAGE], {"audio", "vision"}),
        ("an image_url and input_audio in words", set()),
    ],
)
def test_parts(content: Any, expected: set[str]) -> None:
    assert needs(content) == expected


def test_a_part_spelt_with_escapes_is_the_same_part() -> None:
    body = r'{"model":"w","messages":[{"role":"user","content":[{"\u0074ype" : "image\u005furl","x":1}]}]}'
    assert read(body.encode()).needs == {"vision"}


WRONG: list[dict[str, Any]] = [
    {"response_format": "json"}, {"modalities": 7}, {"modalities": [1]}, {"parallel_tool_calls": "no", "tools": [TOOL]},
]  # fmt: skip


@pytest.mark.parametrize("fields", WRONG)
def test_what_no_dialect_has_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as refused:
        needs(**fields)
    assert refused.value.param == next(iter(fields))
    assert refused.value.message.startswith(f"{refused.value.param}: Expected")


@given(st.text(max_size=3000), st.none() | st.integers(0, 10**6))
def test_the_least_is_never_more_than_a_byte_a_token(text: str, limit: int | None) -> None:
    """Only then is no target removed wrongly: a token is a byte at least. It is also well below what the bytes could be."""
    body = {"model": "w", "messages": [{"role": "user", "content": text}], "max_tokens": limit}
    request = read(json.dumps(body).encode())
    assert request.least_tokens <= len(text.encode(errors="surrogatepass")) + 100 + (limit or 0)
    assert request.least_tokens == request.input_bytes // 32 + (limit or 0)


def test_media_counts_for_nothing_and_the_answer_in_full() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    body = {"model": "w", "messages": [{"role": "user", "content": [picture]}], "max_tokens": 77}
    assert read(msgspec.json.encode(body)).least_tokens == 77
