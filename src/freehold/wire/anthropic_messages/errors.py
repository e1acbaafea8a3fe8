"""Errors as callers of Anthropic's dialect read them: the type by the status, our own stable code among the details."""

import msgspec

from freehold.core.errors import FreeholdError, UpstreamRefused

_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 408: "timeout_error", 413: "request_too_large", 429: "rate_limit_error",
    503: "overloaded_error", 504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip


class _Said(msgspec.Struct, frozen=True):
    message: str = ""


class _Body(msgspec.Struct, frozen=True):
    type: str | None = None
    error: _Said = _Said()


_bodies = msgspec.json.Decoder(_Body)


def body(error: FreeholdError, request_id: str) -> bytes:
    """`{"type": "error", "error": {"type", "message", "details": {"error_code"}}, "request_id"}`.

    A target's own refusal is passed on as it came, or its message alone where an engine says it in OpenAI's shape.
    """
    message = error.message if error.param is None else f"{error.param}: {error.message}"
    if isinstance(error, UpstreamRefused) and error.body:
        said = _refused(error.body)
        if said.type == "error":
            return error.body
        message = said.error.message or message
    usual = "invalid_request_error" if 400 <= error.status < 500 else "api_error"
    shape = {
        "type": _TYPES.get(error.status, usual),
        "message": message,
        "details": {"error_code": error.code},
    }
    return msgspec.json.encode({"type": "error", "error": shape, "request_id": request_id})


def event(error: FreeholdError, request_id: str) -> bytes:
    """The same as a stream event. SDKs raise on it; no message_stop follows."""
    return b"event: error\ndata: " + body(error, request_id) + b"\n\n"


def _refused(body: bytes) -> _Body:
    try:
        return _bodies.decode(body)
    except ValueError:
        return _Body()
