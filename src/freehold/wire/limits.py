"""A limit's state in the headers of the caller's dialect."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime

from freehold.core.request import Dialect
from freehold.core.window import Window

_ANTHROPIC = frozenset({"anthropic_messages", "anthropic_count_tokens"})


def limit_headers(windows: Iterable[Window], dialect: Dialect | str, now: float) -> list[tuple[str, str]]:
    """As SDKs of that dialect read them; `now` in Unix seconds, since Anthropic's resets are instants and OpenAI's durations."""
    if dialect in _ANTHROPIC:
        return [header for window in windows for header in anthropic_headers(window, now)]
    return [header for window in windows for header in openai_headers(window)]


def openai_headers(window: Window) -> list[tuple[str, str]]:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`; a reset is a duration."""
    values = (("limit", str(window.limit)), ("remaining", str(max(0, window.remaining))), ("reset", duration(window.reset_s)))
    return [(f"x-ratelimit-{name}-{window.kind}", value) for name, value in values]


def anthropic_headers(window: Window, now: float) -> list[tuple[str, str]]:
    """`anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}`; a reset is an instant of RFC 3339."""
    at = datetime.fromtimestamp(math.ceil(now + window.reset_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    values = (("limit", str(window.limit)), ("remaining", str(max(0, window.remaining))), ("reset", at))
    return [(f"anthropic-ratelimit-{window.kind}-{name}", value) for name, value in values]


def duration(seconds: float) -> str:
    """As OpenAI writes it: `12ms`, `4s`, `6m0s`."""
    if seconds < 1:
        return f"{max(0, math.ceil(seconds * 1000))}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
