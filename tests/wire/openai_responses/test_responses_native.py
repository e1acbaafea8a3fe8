"""Responses towards a target that takes them as they come. Replies and events by hand from the published shapes, 2026-11-21."""

import json
from typing import Any

import msgspec
import pytest

from freehold.core.conversation import Untranslatable
from freehold.core.data import DataClass
from freehold.core.ports import Delta, Native
from freehold.core.request import Request
from freehold.core.target import Secret, Target
from freehold.core.usage import Usage
from freehold.wire.openai_responses import Responses, read

NATIVE: Native = Responses(signed=True)
ENGINE = Responses("engine")
TARGET = Target(
    name="t", kind="rented", codec="openai", url="https://house.test/v1", model="gpt-x", clearance=DataClass.internal,
    secret=Secret("sk-1"),
)  # fmt: skip
OWNED = Target(
    name="o", kind="owned", codec="vllm", url="http://127.0.0.1:8000", model="org/m@abc", clearance=DataClass.restricted
)  # fmt: skip
USAGE = {
    "input_tokens": 30, "input_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 4}, "output_tokens": 12,
    "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 42,
}  # fmt: skip
USED = Usage(input_tokens=30, output_tokens=12, cache_read=20, cache_write=4, reasoning=5, source="provider")
OUTPUT: list[dict[str, Any]] = [
    {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
    {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
     "content": [{"type": "output_text", "text": "so", "annotations": [], "logprobs": []}]},
    {"id": "fc_1", "type": "function_call", "status": "completed", "arguments": "{}", "call_id": "call_1", "name": "f"},
]  # fmt: skip
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "error": None,
    "output": OUTPUT,
    "usage": USAGE,
    "service_tier": "flex",
}


def asked(value: Any = "hi", **fields: Any) -> Request:
    return read(msgspec.json.encode({"model": "w", "input": value, **fields}))


def sent(request: Request, native: Native = NATIVE, target: Target = TARGET) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(native.encode(request, target).body)
    return body


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, 'sequence_number': 1, **fields})}\n\n".encode()


def delta(raw: bytes) -> Delta:
    return NATIVE.deltas().delta(raw)


def test_a_call() -> None:
    request = asked(stream=True, novel={"a": 1}, provider={"only": ["t"]}, store=True)
    call = NATIVE.encode(request, TARGET)
    assert (call.url, call.headers["authorization"], call.headers["accept"]) == (
        "https://house.test/v1/responses", "Bearer sk-1", "text/event-stream",
    )  # fmt: skip
    assert json.loads(call.body) == {"model": "gpt-x", "input": "hi", "stream": True, "novel": {"a": 1}, "store": True}
    assert sent(asked(), ENGINE, OWNED)["model"] == "org/m"
    assert ENGINE.encode(asked(), OWNED).url == "http://127.0.0.1:8000/v1/responses"


@pytest.mark.parametrize("target", [TARGET, OWNED])
@pytest.mark.parametrize("native", [NATIVE, ENGINE])
def test_nothing_is_kept_that_nobody_asked_to_keep(native: Native, target: Target) -> None:
    """Absent means "keep it" to a vendor; it is judged as no egress because this is what is sent."""
    for said, egress, expected in (({}, set(), False), ({"store": None}, set(), False), ({"store": False}, set(), False),
                                   ({"store": True}, {"store"}, True)):  # fmt: skip
        request = asked(**said)
        assert request.egress == egress
        assert sent(request, native, target)["store"] is expected


SEALED, FOREIGN = {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}, {
    "type": "reasoning", "id": "rs_freehold_a_0", "encrypted_content": "anthropic_messages#E", "summary": [
        {"type": "summary_text", "text": "so"}],
}  # fmt: skip
KEPT = {"type": "reasoning", "id": "rs_1", "summary": []}
OURS = {
    "type": "reasoning",
    "id": "rs_freehold_a_0",
    "summary": [{"type": "summary_text", "text": "so"}],
    "encrypted_content": None,
}
BARE = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "so"}]}
PLAIN = {"type": "reasoning", "id": "rs_freehold_a_0", "summary": [], "content": [{"type": "reasoning_text", "text": "so"}]}
USER = {"role": "user", "content": '"reasoning" is a word'}


def test_each_target_gets_the_reasoning_that_it_can_read() -> None:
    request = asked([SEALED, FOREIGN, KEPT, OURS, BARE, PLAIN, USER])
    assert sent(request)["input"] == [SEALED, KEPT, USER], "OpenAI reads its own, sealed or kept"
    assert sent(request, ENGINE, OWNED)["input"] == [PLAIN, USER], "an engine reads plain words only"
    untouched = asked([USER])
    assert NATIVE.encode(untouched, TARGET).body.count(bytes(untouched.fields["input"])) == 1
    assert sent(asked("reasoning"))["input"] == "reasoning"


def test_an_engine_that_does_not_follow_formats() -> None:
    plain = Responses("engine", lacks={"formats"})
    form = {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}}
    assert plain.takes(asked())
    assert NATIVE.takes(asked(text=form))
    for text in (form, {"format": {"type": "json_object"}}):
        assert not plain.takes(asked(text=text))
        with pytest.raises(Untranslatable, match=r"text\.format"):
            plain.encode(asked(text=text), OWNED)


def test_an_engine_whose_streams_no_sdk_reads() -> None:
    plain = Responses("engine", lacks={"streams"})
    assert plain.takes(asked())
    assert not plain.takes(asked(stream=True))
    assert NATIVE.takes(asked(stream=True))
    with pytest.raises(Untranslatable, match="stream"):
        plain.encode(asked(stream=True), OWNED)


def test_a_whole_answer() -> None:
    reply = NATIVE.decode(json.dumps(RESPONSE).encode())
    assert (reply.usage, reply.service_tier) == (USED, "flex")
    assert json.loads(reply.raw_usage or "") == USAGE
    assert reply.text_bytes == len('"so"') + len('"f"') + len('"{}"')
    search = {"type": "web_search_call", "id": "ws_1", "action": {"type": "search"}, "arguments": {"any": "shape"}}
    assert NATIVE.decode(json.dumps({"output": [search], "status": "incomplete"}).encode()).usage is None


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b"\xff", b'{"error":{"code":"server_error","message":"the prompt"}}', b'{"output":7}',
        json.dumps(RESPONSE | {"status": "failed", "error": {"code": "server_error", "message": "the prompt"}}).encode(),
        json.dumps(RESPONSE | {"status": "queued"}).encode(), json.dumps(RESPONSE | {"output": [7]}).encode(),
        json.dumps(RESPONSE | {"output": [{"type": "message", "content": [7]}]}).encode(),
    ],
)  # fmt: skip
def test_a_body_that_is_no_answer(body: bytes) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  msgspec's errors and ours are both such
        NATIVE.decode(body)
    assert "the prompt" not in str(raised.value)


def test_a_stream() -> None:
    under_way = RESPONSE | {"status": "in_progress", "output": [], "usage": None}
    stream = [
        event("response.created", response=under_way), event("response.in_progress", response=under_way),
        event("response.output_item.added", output_index=0, item=OUTPUT[0]),
        event("response.reasoning_summary_text.delta", delta="hm"), event("response.output_item.done", item=OUTPUT[0]),
        event("response.output_text.delta", delta="so"), event("response.output_text.done", text="so"),
        event("response.output_item.added", item=OUTPUT[2] | {"arguments": ""}),
        event("response.function_call_arguments.delta", delta=""), event("response.function_call_arguments.delta", delta="{}"),
        event("response.completed", response=RESPONSE),
    ]  # fmt: skip
    deltas = [delta(one) for one in stream]
    assert [one.content for one in deltas] == [False, False, False, True, False, True, False, True, False, True, False]
    assert [one.text_bytes for one in deltas if one.content] == [4, 4, 3, 4]
    assert deltas[-1] == Delta(finished=1, usage=USED, raw_usage=deltas[-1].raw_usage, done=True, service_tier="flex")
    assert json.loads(deltas[-1].raw_usage or "") == USAGE


@pytest.mark.parametrize("status", ["completed", "incomplete"])
def test_both_endings_are_one(status: str) -> None:
    ended = delta(event(f"response.{status}", response=RESPONSE | {"status": status}))
    assert (ended.done, ended.finished, ended.usage) == (True, 1, USED)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (event("response.failed", response=RESPONSE | {"error": {"code": "server_error", "message": "secret"}}), "server_error"),
        (event("response.failed", response=RESPONSE), "no error code"),
        (event("error", code="rate_limit_exceeded", message="secret", param=None), "rate_limit_exceeded"),
        (event("error", error={"type": "invalid_request_error", "code": "context_length_exceeded", "message": "secret"}),
         "context_length_exceeded invalid_request_error"),
        (b'data: {"error":{"code":500,"message":"secret","type":"InternalServerError"}}\n\n', "500 InternalServerError"),
        (event("error", code="a secret of the prompt", message="secret"), "no error code"),
    ],
)  # fmt: skip
def test_errors_inside_a_stream(raw: bytes, name: str) -> None:
    assert delta(raw) == Delta(error=name)


@pytest.mark.parametrize("raw", [b"data: {\n\n", b'data: {"x":1}\n\n', event("response.completed"), b"data: 7\n\n"])
def test_malformed_events(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        delta(raw)


@pytest.mark.parametrize(
    "raw", [b": ping\n\n", b"data: [DONE]\n\n", event("response.novel"), event("response.queued", response={})]
)
def test_what_says_nothing(raw: bytes) -> None:
    assert delta(raw) == Delta(), "a stream without its own end is a stream cut off, whatever stands after it"


@pytest.mark.parametrize("usage", [{"input_tokens": -1}, {"input_tokens": 2**60}, {"output_tokens": 1}, {"input_tokens": 1,
    "input_tokens_details": {"cached_tokens": 2}}])  # fmt: skip
def test_counts_that_are_none_are_kept_raw(usage: dict[str, Any]) -> None:
    reply = NATIVE.decode(json.dumps(RESPONSE | {"usage": usage}).encode())
    assert reply.usage is None
    assert json.loads(reply.raw_usage or "") == usage


def test_output_left_out_of_the_parts_is_in_the_total() -> None:
    usage = {"input_tokens": 10, "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 8}, "total_tokens": 20}
    assert NATIVE.decode(json.dumps(RESPONSE | {"usage": usage}).encode()).usage == Usage(
        input_tokens=10, output_tokens=10, reasoning=8, source="provider"
    )
