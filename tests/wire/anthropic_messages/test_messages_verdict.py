"""An error reply of Anthropic's is judged by status and code; counting tokens costs nothing."""

import json
from typing import Any

import pytest

from freehold.core.conversation import Untranslatable
from freehold.core.data import DataClass
from freehold.core.errors import BadRequest, FreeholdError, UpstreamRefused
from freehold.core.ports import Codec, Native, Surface
from freehold.core.request import Dialect
from freehold.core.target import Secret, Target
from freehold.core.usage import Usage
from freehold.wire.anthropic_messages import (
    CountTokens,
    CountTokensSurface,
    Messages,
    MessagesComposer,
    MessagesSurface,
    counted,
    verdict,
)

COUNTING = CountTokensSurface()
RENTED = Target(
    name="t", kind="rented", codec="anthropic", url="https://x.test/v1", model="claude-opus-5", clearance=DataClass.public,
    secret=Secret("k"),
)  # fmt: skip


def error(kind: str, code: str | None = None, message: str = "the prompt itself") -> bytes:
    details = {} if code is None else {"details": {"error_code": code}}
    return json.dumps({"type": "error", "error": {"type": kind, "message": message, **details}, "request_id": "r"}).encode()


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (429, error("rate_limit_error"), {"retry-after": "7"}, (True, "overloaded", 7.0, 7.0)),
        (429, error("rate_limit_error"), {}, (True, "overloaded", 1.0, None)),
        (429, error("rate_limit_error", "enforced_spend_limit_reached"), {}, (True, "rejected", 300.0, None)),
        (402, error("billing_error"), {}, (True, "rejected", 300.0, None)),
        (
            400,
            error("invalid_request_error", message="Your credit balance is too low to go on"),
            {},
            (True, "rejected", 300.0, None),
        ),
        (400, error("invalid_request_error"), {}, (False, "rejected", 0.0, None)),
        (529, error("overloaded_error"), {}, (True, "overloaded", 1.0, None)),
        (500, error("overloaded_error"), {}, (True, "overloaded", 1.0, None)),
        (500, error("api_error"), {}, (True, "broken", 0.0, None)),
        (501, error("api_error"), {}, (True, "rejected", 0.0, None)),
        (504, error("timeout_error"), {"retry-after": "900"}, (True, "broken", 300.0, 900.0)),
        (401, error("authentication_error"), {}, (True, "rejected", 10.0, None)),
        (403, error("permission_error"), {}, (True, "rejected", 0.0, None)),
        (404, error("not_found_error"), {}, (True, "rejected", 0.0, None)),
        (413, error("request_too_large"), {}, (True, "rejected", 0.0, None)),
        (422, b"<html>", {}, (False, "rejected", 0.0, None)),
        (400, b'{"error":"text"}', {}, (False, "rejected", 0.0, None)),
    ],
)
def test_verdicts(status: int, body: bytes, headers: dict[str, str], expected: Any) -> None:
    judged = verdict(status, headers, body)
    assert (judged.elsewhere, judged.outcome, judged.cool_s, judged.retry_after_s) == expected
    assert "prompt" not in judged.detail


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request_error"), (401, "authentication_error"), (402, "billing_error"), (403, "permission_error"),
     (404, "not_found_error"), (413, "request_too_large"), (422, "invalid_request_error"), (429, "rate_limit_error"),
     (500, "api_error"), (502, "api_error"), (503, "overloaded_error"), (504, "timeout_error"), (529, "overloaded_error")],
)  # fmt: skip
def test_error_bodies(status: int, kind: str) -> None:
    class Some(FreeholdError):
        code = "some"

    some = Some("why", param="field")
    some.status = status
    shape = json.loads(MessagesSurface().error(some, "req_1"))
    details = {"error_code": "some"}
    assert shape == {"type": "error", "error": {"type": kind, "message": "field: why", "details": details}, "request_id": "req_1"}
    event = MessagesSurface().error_event(some, "req_1")
    assert event.startswith(b"event: error\ndata: {")
    assert event.endswith(b"}\n\n")


def test_a_refusal_in_this_dialect_is_passed_on_as_it_came() -> None:
    body = error("invalid_request_error", message="max_tokens: 99 > 9")
    assert MessagesSurface().error(UpstreamRefused("400 invalid_request_error", status=400, body=body), "r") == body


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"code":400,"message":"too long","type":"exceed_context_size_error"}}', "too long"),
        (b'{"error":{"code":400}}', "400 some_error"), (b'{"error":"no"}', "400 some_error"), (b"<html>", "400 some_error"),
        (b"", "400 some_error"),
    ],
)  # fmt: skip
def test_a_refusal_of_an_engine_that_says_it_otherwise_is_said_anew(body: bytes, message: str) -> None:
    refused = UpstreamRefused("400 some_error", status=400, body=body)
    shape = {"type": "invalid_request_error", "message": message, "details": {"error_code": "upstream_refused"}}
    assert json.loads(MessagesSurface().error(refused, "r")) == {"type": "error", "error": shape, "request_id": "r"}


def test_it_fits_the_seams() -> None:
    natives: dict[Dialect, Native] = {"anthropic_messages": Messages(), "anthropic_count_tokens": CountTokens()}
    codec = Codec(natives=natives, composer=MessagesComposer(), verdict=verdict)
    surfaces: tuple[Surface, ...] = (MessagesSurface(), CountTokensSurface())
    assert [surface.dialect for surface in surfaces] == list(codec.natives)
    assert surfaces[0].ending == b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def test_a_count_is_asked_for_and_costs_nothing() -> None:
    request = COUNTING.read(b'{"model":"w","messages":[{"role":"user","content":"hi"}]}', {"anthropic-version": "2023-06-01"})
    assert (request.max_output_tokens, request.stream, request.dialect) == (0, False, "anthropic_count_tokens")
    call = CountTokens("x-api-key", signed=True).encode(request, RENTED)
    assert (call.url, call.headers["x-api-key"]) == ("https://x.test/v1/messages/count_tokens", "k")
    assert json.loads(call.body) == {"model": "claude-opus-5", "messages": [{"role": "user", "content": "hi"}]}
    reply = CountTokens().decode(b'{"input_tokens":2095}')
    assert reply.usage == Usage(input_tokens=0, output_tokens=0, source="provider")
    for bad in (b"{}", b'{"input_tokens":-1}', error("api_error"), b"x"):
        with pytest.raises(ValueError, match="no count") as raised:
            CountTokens().decode(bad)
        assert "prompt" not in str(raised.value)
    with pytest.raises(Untranslatable, match="count_tokens"):
        COUNTING.parse(request)
    with pytest.raises(BadRequest, match="stream"):
        COUNTING.read(b'{"model":"w","stream":true,"messages":[{}]}', {})


def test_an_estimate_counts_the_text_and_no_media() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 4000}}
    content = [{"type": "text", "text": "x" * 100}, picture]
    body = {
        "model": "w",
        "system": "y" * 60,
        "messages": [{"role": "user", "content": content}],
        "metadata": {"user_id": "z" * 400},
    }
    estimate = json.loads(counted(COUNTING.read(json.dumps(body).encode(), {})))["input_tokens"]
    assert 40 <= estimate <= 50
