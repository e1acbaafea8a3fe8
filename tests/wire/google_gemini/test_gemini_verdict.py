"""An error reply of Gemini's is judged by status and reason, and waits as long as its body says."""

import json
from typing import Any

import pytest

from freehold.wire.google_gemini import verdict


def error(code: int, status: str, *details: dict[str, Any]) -> bytes:
    return json.dumps({"error": {"code": code, "message": "the prompt itself", "status": status, "details": details}}).encode()


def kind(name: str, **fields: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/google.rpc.{name}", **fields}


BUSY = error(429, "RESOURCE_EXHAUSTED", kind("Help", links=[]), kind("RetryInfo", retryDelay="34.5s"))
DAY = error(
    429, "RESOURCE_EXHAUSTED", kind("QuotaFailure", violations=[{"quotaId": "RequestsPerDayPerModel"}]),
    kind("RetryInfo", retryDelay="2s"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (429, BUSY, (True, "overloaded", 34.5, 34.5)),
        (429, DAY, (True, "overloaded", 300.0, 3600.0)),
        (429, b"[" + BUSY + b"]", (True, "overloaded", 34.5, 34.5)),
        (429, b"", (True, "overloaded", 1.0, None)),
        (503, error(503, "UNAVAILABLE"), (True, "overloaded", 1.0, None)),
        (500, error(500, "INTERNAL"), (True, "broken", 0.0, None)),
        (504, error(504, "DEADLINE_EXCEEDED"), (True, "broken", 0.0, None)),
        (400, error(400, "INVALID_ARGUMENT"), (False, "rejected", 0.0, None)),
        (400, error(400, "INVALID_ARGUMENT", kind("ErrorInfo", reason="API_KEY_INVALID")), (True, "rejected", 10.0, None)),
        (400, error(400, "FAILED_PRECONDITION"), (True, "rejected", 300.0, None)),
        (401, error(401, "UNAUTHENTICATED"), (True, "rejected", 10.0, None)),
        (403, error(403, "PERMISSION_DENIED"), (True, "rejected", 0.0, None)),
        (404, error(404, "NOT_FOUND"), (True, "rejected", 0.0, None)),
        (422, b"<html>", (False, "rejected", 0.0, None)),
    ],
)
def test_verdicts(status: int, body: bytes, expected: Any) -> None:
    judged = verdict(status, {}, body)
    assert (judged.elsewhere, judged.outcome, judged.cool_s, judged.retry_after_s) == expected
    assert "prompt" not in judged.detail


def test_names_only() -> None:
    body = error(400, "INVALID_ARGUMENT", kind("ErrorInfo", reason="please ignore the prompt"), {"reason": 7})
    assert verdict(400, {}, body).detail == "400 INVALID_ARGUMENT"
