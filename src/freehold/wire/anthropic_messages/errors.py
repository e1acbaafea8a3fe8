"""Errors as callers of Anthropic's dialect read them: the type by the status, our own stable code among the details."""

import msgspec

from freehold.core.errors import FreeholdError

_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 408: "timeout_error", 413: "request_too_large", 429: "rate_limit_error",
    503: "overloaded_error", 504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip


def body(error: FreeholdError, request_id: str) -> bytes:
    """`{"type": "error", "error": {"type", "message", "details": {"error_code"}}, "request_id"}`."""
    usual = "invalid_request_error" if 400 <= error.status < 500 else "api_error"
    shape = {
        "type": _TYPES.get(error.status, usual),
        "message": error.message if error.param is None else f"{error.param}: {error.message}",
        "details": {"error_code": error.code},
    }
    return msgspec.json.encode({"type": "error", "error": shape, "request_id": request_id})


def event(error: FreeholdError, request_id: str) -> bytes:
    """The same as a stream event. SDKs raise on it; no message_stop follows."""
    return b"event: error\ndata: " + body(error, request_id) + b"\n\n"
