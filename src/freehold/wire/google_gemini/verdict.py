"""What an error reply of Gemini's means: by status and by the reason in its google.rpc.ErrorInfo.

A key that is none comes as 400; so does a project without billing or in a country that is not served. How long to wait stands in
the body (google.rpc.RetryInfo), not in a header. Content that a filter stops is an answer with a reason, not an error.
"""

import re
from collections.abc import Mapping

import msgspec

from freehold.core.ports import Verdict
from freehold.wire.retry_after import retry_after_s

_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_KEY = frozenset({"UNAUTHENTICATED", "API_KEY_INVALID", "API_KEY_EXPIRED"})
_ACCOUNT = frozenset({"FAILED_PRECONDITION", "BILLING_DISABLED"})
_DEFAULT_COOL_S = 1.0
_LONGEST_COOL_S = 300.0


class _Detail(msgspec.Struct):
    reason: str = ""


class _Error(msgspec.Struct):
    status: str = ""
    details: list[msgspec.Raw] = []


class _Body(msgspec.Struct):
    error: _Error


_bodies = msgspec.json.Decoder(_Body | list[_Body])
_details = msgspec.json.Decoder(_Detail)


def verdict(status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Whether another target may help, and how long to leave this one alone."""
    names = error_names(body)
    detail = f"{status} {' '.join(names) or 'no error code'}"
    wait = retry_after_s(headers, body)
    cool = _DEFAULT_COOL_S if wait is None else min(wait, _LONGEST_COOL_S)
    if status == 401 or not _KEY.isdisjoint(names):
        return Verdict(True, "rejected", detail, cool_s=10.0)
    if status == 402 or not _ACCOUNT.isdisjoint(names):
        return Verdict(True, "rejected", detail, cool_s=_LONGEST_COOL_S)
    if status in {429, 503, 529}:
        return Verdict(True, "overloaded", detail, cool_s=cool, retry_after_s=wait)
    if status >= 500 or status in {408, 409, 425, 499} or 300 <= status < 400:
        return Verdict(True, "broken", detail, cool_s=0.0 if wait is None else cool, retry_after_s=wait)
    return Verdict(status in {403, 404, 413}, "rejected", detail)


def error_names(body: bytes) -> list[str]:
    """The error's status and reasons: names only. Its message may echo the prompt and is kept nowhere."""
    try:
        decoded = _bodies.decode(body)
    except (ValueError, RecursionError):
        return []
    errors = [one.error for one in decoded] if isinstance(decoded, list) else [decoded.error]
    found = [error.status for error in errors] + [_reason(raw) for error in errors for raw in error.details]
    return [name for name in dict.fromkeys(found) if _NAME.fullmatch(name)]


def _reason(raw: msgspec.Raw) -> str:
    try:
        return _details.decode(raw).reason
    except (ValueError, RecursionError):
        return ""  # another kind of detail
