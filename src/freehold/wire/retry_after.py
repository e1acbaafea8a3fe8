"""How long a server asks to be left alone, in every spelling seen.

The headers retry-after-ms and retry-after, in seconds or as an HTTP date (RFC 9110 10.2.3), and Google's error details in the
body (google.rpc.RetryInfo and QuotaFailure).
"""

import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime

import msgspec

_LONGEST_S = 86_400.0
_DAY_QUOTA_S = 3600.0  # a day's quota comes back at an hour that is not said: asked again each hour
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{0,15})?", re.ASCII)
_DETAIL_BYTES = 64 * 1024


class _Violation(msgspec.Struct):
    quotaId: str = ""  # noqa: N815  the body's own name, as below


class _Detail(msgspec.Struct):
    retryDelay: str | None = None  # noqa: N815
    violations: list[_Violation] = []


class _Error(msgspec.Struct):
    details: list[msgspec.Raw] = []


class _Body(msgspec.Struct):
    error: _Error


_bodies = msgspec.json.Decoder(_Body | list[_Body])
_details = msgspec.json.Decoder(_Detail)


def retry_after_s(headers: Mapping[str, str], body: bytes = b"") -> float | None:
    """Seconds to wait, up to a day: the longest that headers (names in lower case) or body say; None when they say nothing.

    A date counts from the reply's own Date header, so that the two clocks need not agree.
    """
    waits = [
        _seconds(headers.get("retry-after-ms"), per_unit=0.001),
        _seconds(headers.get("retry-after"), per_unit=1.0),
        _between(headers.get("date"), headers.get("retry-after")),
        *_in_body(body),
    ]
    said = [wait for wait in waits if wait is not None]
    return min(_LONGEST_S, max(0.0, *said)) if said else None


def _seconds(text: str | None, per_unit: float) -> float | None:
    return float(text) * per_unit if text is not None and _NUMBER.fullmatch(text := text.strip()) else None


def _between(start: str | None, end: str | None) -> float | None:
    if start is None or end is None:
        return None
    try:
        return (parsedate_to_datetime(end) - parsedate_to_datetime(start)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None


def _in_body(body: bytes) -> Iterator[float | None]:
    """Of Google's details: one that delays a retry, and one that names a quota by the day, beside which that may be too short."""
    if (b"retryDelay" not in body and b"PerDay" not in body) or len(body) > _DETAIL_BYTES:
        return
    try:
        decoded = _bodies.decode(body)
    except (ValueError, RecursionError):
        return
    for one in decoded if isinstance(decoded, list) else [decoded]:
        for raw in one.error.details:
            try:
                detail = _details.decode(raw)
            except (ValueError, RecursionError):
                continue  # another kind of detail
            yield _seconds((detail.retryDelay or "").removesuffix("s"), per_unit=1.0)
            if any("PerDay" in violation.quotaId for violation in detail.violations):
                yield _DAY_QUOTA_S
