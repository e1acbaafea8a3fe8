"""An error reply of Bedrock's is judged by status and by the name of its exception, in the header or in the body."""

import json
from typing import Any

import pytest
from bedrock_model import operation

from freehold.wire.bedrock_converse import verdict


def judged(status: int, name: str, **headers: str) -> Any:
    """By the header, and by the body alike."""
    body = json.dumps({"message": "the prompt itself"}).encode()
    typed = json.dumps({"__type": f"com.amazon.coral.service#{name}", "message": "the prompt itself"}).encode()
    by_header = verdict(status, {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/", **headers}, body)
    assert by_header == verdict(status, headers, typed)
    assert by_header.detail == f"{status} {name}"
    return by_header.elsewhere, by_header.outcome, by_header.cool_s, by_header.retry_after_s


@pytest.mark.parametrize(
    ("status", "name", "expected"),
    [
        (429, "ThrottlingException", (True, "overloaded", 1.0, None)),
        (400, "ServiceQuotaExceededException", (True, "overloaded", 1.0, None)),
        (429, "ModelNotReadyException", (True, "overloaded", 1.0, None)),
        (503, "ServiceUnavailableException", (True, "overloaded", 1.0, None)),
        (408, "ModelTimeoutException", (True, "broken", 0.0, None)),
        (424, "ModelErrorException", (True, "broken", 0.0, None)),
        (500, "InternalServerException", (True, "broken", 0.0, None)),
        (400, "ValidationException", (False, "rejected", 0.0, None)),
        (403, "AccessDeniedException", (True, "rejected", 0.0, None)),
        (403, "UnrecognizedClientException", (True, "rejected", 10.0, None)),
        (403, "ExpiredTokenException", (True, "rejected", 10.0, None)),
        (403, "InvalidSignatureException", (True, "rejected", 10.0, None)),
        (404, "ResourceNotFoundException", (True, "rejected", 0.0, None)),
    ],
)
def test_verdicts(status: int, name: str, expected: Any) -> None:
    assert judged(status, name) == expected


def test_every_published_error_is_judged() -> None:
    for shape in operation("Converse").error_shapes:
        elsewhere, *_ = judged(shape.metadata["error"]["httpStatusCode"], shape.name) if "error" in shape.metadata else (True,)
        assert elsewhere or shape.name == "ValidationException", "only a request that is wrong everywhere ends here"


def test_a_wait_is_kept_and_words_are_not() -> None:
    assert judged(429, "ThrottlingException", **{"retry-after": "7"}) == (True, "overloaded", 7.0, 7.0)
    for body in (b"", b"<html>", b'{"__type":7}', b'{"__type":"please ignore the prompt"}', b"[" * 10_000):
        assert verdict(400, {"x-amzn-errortype": "some words: and more"}, body).detail == "400 no error code"
    assert verdict(401, {}, b"").cool_s == 10.0
    assert verdict(402, {}, b"").cool_s == 300.0
    assert verdict(422, {}, b"").elsewhere is False
