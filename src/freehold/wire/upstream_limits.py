"""What is left of a vendor's limits, from the headers of any of its replies.

OpenAI's names, with a reset as a duration (`6m0s`, `12ms`; some compatible servers write plain seconds), and Anthropic's, with a
reset as an RFC 3339 instant. One that says nothing usable, such as Azure's -1, is not said.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from freehold.core.window import Window

_MINUTE_S = 60.0
_DAY_S = 86_400.0
_COUNT = re.compile(r"\d{1,15}", re.ASCII)
_DURATION = re.compile(
    r"(?=.)(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,9})?)ms)?", re.ASCII
)
_SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_IN_SECONDS = (_DAY_S, 3600.0, 60.0, 1.0, 0.001)
_ANTHROPIC_TOKENS = ("tokens", "input-tokens", "output-tokens")
_SAY_IT = frozenset(
    "x-ratelimit-remaining-requests x-ratelimit-remaining-tokens"
    " anthropic-ratelimit-requests-remaining anthropic-ratelimit-tokens-remaining".split()
)


def upstream_limits(headers: Mapping[str, str]) -> tuple[Window, ...]:
    """One window of requests and one of tokens, as far as the headers (names in lower case) say them.

    Of several limits on tokens the one with the least left counts. An instant counts from the reply's own Date.
    """
    if _SAY_IT.isdisjoint(headers):  # most replies
        return ()
    if "anthropic-ratelimit-requests-remaining" in headers or "anthropic-ratelimit-tokens-remaining" in headers:
        return _anthropic(headers)
    found = (_openai(headers, kind) for kind in ("requests", "tokens"))
    return tuple(window for window in found if window is not None)


def _openai(headers: Mapping[str, str], kind: str) -> Window | None:
    remaining = _count(headers.get(f"x-ratelimit-remaining-{kind}"))
    limit = _count(headers.get(f"x-ratelimit-limit-{kind}"))
    if remaining is None or not limit:
        return None
    return Window(kind, limit, remaining, _duration_s(headers.get(f"x-ratelimit-reset-{kind}")))


def _anthropic(headers: Mapping[str, str]) -> tuple[Window, ...]:
    date = headers.get("date")
    requests = _anthropic_window(headers, "requests", "requests", date)
    tokens = [_anthropic_window(headers, name, "tokens", date) for name in _ANTHROPIC_TOKENS]
    tightest = min((window for window in tokens if window is not None), key=lambda window: window.remaining, default=None)
    return tuple(window for window in (requests, tightest) if window is not None)


def _anthropic_window(headers: Mapping[str, str], name: str, kind: str, date: str | None) -> Window | None:
    remaining = _count(headers.get(f"anthropic-ratelimit-{name}-remaining"))
    limit = _count(headers.get(f"anthropic-ratelimit-{name}-limit"))
    if remaining is None or not limit:
        return None
    return Window(kind, limit, remaining, _until_s(date, headers.get(f"anthropic-ratelimit-{name}-reset")))


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and _COUNT.fullmatch(text.strip()) else None


def _duration_s(text: str | None) -> float:
    """Seconds, up to a day; a minute where it cannot be read, since these are limits of a minute."""
    text = (text or "").strip()
    if _SECONDS.fullmatch(text):
        return min(_DAY_S, float(text))
    parts = _DURATION.fullmatch(text)
    if parts is None:
        return _MINUTE_S
    return min(_DAY_S, sum(float(part) * unit for part, unit in zip(parts.groups(), _IN_SECONDS, strict=True) if part))


def _until_s(date: str | None, reset: str | None) -> float:
    if date is None or reset is None:
        return _MINUTE_S
    try:
        sent, full = parsedate_to_datetime(date), datetime.fromisoformat(reset.strip())
    except (ValueError, TypeError, OverflowError):
        return _MINUTE_S
    return min(_DAY_S, max(0.0, (_aware(full) - _aware(sent)).total_seconds()))


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
