"""How long a server asks to be left alone, in every spelling seen: retry-after-ms, seconds, or an HTTP date (RFC 9110 10.2.3)."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, the longest of what the headers say; None when they say nothing readable.

    A date counts from the reply's own Date header, so that the two clocks need not agree.
    """
    waits = [
        _seconds(headers.get("retry-after-ms"), per_unit=0.001),
        _seconds(headers.get("retry-after"), per_unit=1.0),
        _between(headers.get("date"), headers.get("retry-after")),
    ]
    said = [wait for wait in waits if wait is not None]
    return max(0.0, *said) if said else None


def _seconds(text: str | None, per_unit: float) -> float | None:
    if text is None or not text.strip().replace(".", "", 1).isdecimal():
        return None
    return float(text) * per_unit


def _between(start: str | None, end: str | None) -> float | None:
    if start is None or end is None:
        return None
    try:
        return (parsedate_to_datetime(end) - parsedate_to_datetime(start)).total_seconds()
    except (ValueError, TypeError):
        return None
