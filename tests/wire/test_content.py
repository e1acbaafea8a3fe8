"""All text of a request is read, wherever it stands, and what is no text is named."""

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.wire import openai_chat
from freehold.wire.content import Fields, Piece, Unscannable, replaced, texts

MARK = "here-4012"
PICTURE = "data:image/png;base64," + "iVBORw0KGgo" * 60


def fields(**values: Any) -> Fields:
    return {name: msgspec.Raw(json.dumps(value).encode()) for name, value in values.items()}


def said(*messages: Any) -> Fields:
    return fields(model="m", messages=list(messages))


def read(given: Fields) -> list[str]:
    return [piece.text for piece in texts(given) if isinstance(piece, Piece)]


def unread(given: Fields) -> list[str]:
    return [part.kind for part in texts(given) if isinstance(part, Unscannable)]


@pytest.mark.parametrize(
    "given",
    [
        said({"role": "system", "content": MARK}, {"role": "user", "content": "hi"}),
        said({"role": "developer", "content": [{"type": "text", "text": MARK}]}, {"role": "user", "content": "hi"}),
        said({"role": "assistant", "content": MARK}, {"role": "user", "content": "hi"}),
        said({"role": "tool", "tool_call_id": "c1", "content": MARK}),
        said({"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": f'{{"a": "{MARK}"}}'}}]}),
        said({"role": "assistant", "function_call": {"name": "f", "arguments": MARK}}),
        said({"role": "user", "name": MARK, "content": "hi"}),
        said({"role": "assistant", "content": "x", "reasoning_content": MARK}),
        said({"role": "assistant", "content": None, "refusal": MARK}),
        said({"role": "user", "content": [{"type": "file", "file": {"filename": MARK, "file_id": "file-1"}}]}),
        said({"role": "user", "content": [{"type": "document", "source": {"type": "text", "data": MARK}}]}),
        said({"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": MARK}]}]}),
        fields(tools=[{"type": "function", "function": {"name": "f", "description": MARK}}]),
        fields(tools=[{"type": "function", "function": {"name": "f", "parameters": {"properties": {MARK: {"type": "string"}}}}}]),
        fields(metadata={"customer": MARK}),
        fields(metadata={MARK: "x"}),
        fields(user=MARK),
        fields(prediction={"type": "content", "content": MARK}),
        fields(response_format={"type": "json_schema", "json_schema": {"schema": {"enum": [MARK]}}}),
        fields(stop=[MARK]),
        fields(something_new={"deep": [[{"er": MARK}]]}),
    ],
    ids=",".join,
)
def test_text_is_found_wherever_it_stands(given: Fields) -> None:
    assert any(MARK in text for text in read(given))


def test_whole_numbers_inside_a_structure_are_text_and_sampling_numbers_are_not() -> None:
    assert "4012888888881881" in read(fields(metadata={"card": 4012888888881881}))
    assert read(fields(seed=4012888888881881, temperature=0.5)) == []


def test_the_second_of_two_equal_keys_hides_nothing() -> None:
    raw = b'[{"role":"assistant","tool_calls":[{"function":{"arguments":"first","arguments":"second"}}]}]'
    assert {"first", "second"} <= set(read({"messages": msgspec.Raw(raw)}))


def test_places_and_keys_are_told() -> None:
    pieces = list(texts(said({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]})))
    assert [piece.place for piece in pieces] == ["messages[0].content[0].text", "messages[0].content[1].text"]
    assert list(texts(fields(metadata={"ssn": "1"})))[1:] == [
        Piece("metadata.ssn", "ssn", is_key=True),
        Piece("metadata.ssn", "1"),
    ]


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"type": "image_url", "image_url": {"url": PICTURE}}, "image"),
        ({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}, "image"),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo" * 60}}, "image"),
        ({"type": "input_audio", "input_audio": {"data": "UklGR" * 90, "format": "wav"}}, "audio"),
        ({"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}}, "video"),
        ({"type": "file", "file": {"file_id": "file-1"}}, "file"),
        ({"type": "document", "source": {"type": "base64", "data": "JVBERi0" * 60}}, "file"),
        ({"type": "something", "blob": PICTURE}, "data"),
    ],
)
def test_media_is_named_once_and_its_bytes_are_not_read(part: dict[str, Any], kind: str) -> None:
    given = said({"role": "user", "content": [{"type": "text", "text": "look"}, part]})
    assert unread(given) == [kind]
    assert "look" in read(given)
    assert not any(len(text) > 256 for text in read(given))


def test_an_audio_answer_referred_to_by_id_is_named() -> None:
    assert unread(said({"role": "assistant", "audio": {"id": "audio_abc"}})) == ["audio"]


def test_short_text_in_a_media_part_is_read_all_the_same() -> None:
    given = said({"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"https://example.org/?m={MARK}"}}]})
    assert any(MARK in text for text in read(given))


def test_a_tool_that_takes_a_file_is_no_file() -> None:
    schema = {"properties": {"file_id": {"type": "string"}, "image_url": {"type": "string"}}}
    assert unread(fields(tools=[{"type": "function", "function": {"name": "f", "parameters": schema}}])) == []


def test_nesting_without_end_is_an_error_not_a_crash() -> None:
    raw = msgspec.Raw(b'{"a":' * 100_000 + b"1" + b"}" * 100_000)
    with pytest.raises(ValueError, match="metadata nests too deeply"):
        list(texts({"metadata": raw}))
    with pytest.raises(ValueError, match="metadata nests too deeply"):
        replaced({"metadata": raw}, str.upper)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3),
    max_leaves=12,
)


@given(json_values)
def test_every_string_of_any_structure_is_read_or_a_structural_word(value: Any) -> None:
    given = fields(metadata=value)
    seen = read(given)

    def strings(below: Any, key: str = "") -> list[tuple[str, str]]:
        if isinstance(below, str):
            return [(key, below)]
        if isinstance(below, list):
            return [found for item in below for found in strings(item)]
        return [found for name, item in below.items() for found in strings(item, name)] if isinstance(below, dict) else []

    if len(given["metadata"]) >= 8 and isinstance(value, str | list | dict):
        assert all(text in seen for key, text in strings(value) if key not in {"role", "type"})


@given(st.text(max_size=20), st.text(max_size=20) | st.just(PICTURE) | json_values, st.sampled_from(["messages", "input", "x"]))
def test_a_message_says_the_same_in_either_order_of_its_keys(role: str, content: Any, name: str) -> None:
    usual, reverse = ({name: [dict(pairs)]} for pairs in itertools.permutations((("role", role), ("content", content))))
    assert sorted(texts(fields(**usual))) == sorted(texts(fields(**reverse)))


@given(json_values)
def test_replacing_nothing_changes_no_byte(value: Any) -> None:
    given = fields(metadata=value, user="u")
    assert replaced(given, str) == given


@given(json_values)
def test_what_is_replaced_is_gone_and_the_shape_stays(value: Any) -> None:
    after = json.loads(bytes(replaced(fields(metadata=value), lambda text: f"<{text}>")["metadata"]))
    if isinstance(value, dict):
        assert sorted(after) == sorted(f"<{key}>" for key in value)
    elif isinstance(value, list):
        assert len(after) == len(value)
    elif isinstance(value, str):
        assert after == f"<{value}>"


def test_a_request_as_the_gateway_reads_it() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "caf\u00e9 \ud83d\ude00"}], "user": "u-12345", "seed": 7}
    request = openai_chat.read(json.dumps(body).encode())
    assert read(request.fields) == ["caf\u00e9 \U0001f600", "user", "u-12345"]
