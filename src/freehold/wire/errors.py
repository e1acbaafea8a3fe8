"""Errors in the caller's dialect: one JSON body and the headers SDKs act on."""

import math

import msgspec

from freehold.core.errors import FreeholdError, RateLimited, UpstreamRefused
from freehold.core.request import Dialect
from freehold.wire.limits import limit_headers


def openai_body(error: FreeholdError) -> bytes:
    """`{"error": {"message", "type", "param", "code"}}`; a target's own refusal is passed on as it came."""
    if isinstance(error, UpstreamRefused) and error.body:
        return error.body
    shape = {"message": error.message, "type": error.kind, "param": error.param, "code": error.code}
    return msgspec.json.encode({"error": shape})


def openai_event(error: FreeholdError) -> bytes:
    """The same as a stream event, for when the head is already out. SDKs raise on it; no [DONE] follows."""
    return b"data: " + openai_body(error) + b"\n\n"


def headers(error: FreeholdError, dialect: Dialect = "openai_chat") -> list[tuple[str, str]]:
    """`x-should-retry` overrides every SDK's own judgement, so that our exhausted failover is not multiplied by theirs."""
    result = [("content-type", "application/json"), ("x-should-retry", "true" if error.retry else "false")]
    if error.retry_after_s is not None:
        result.append(("retry-after", str(math.ceil(error.retry_after_s))))
    if isinstance(error, RateLimited):
        result.extend(limit_headers(error.windows, dialect, error.at))
    return result
