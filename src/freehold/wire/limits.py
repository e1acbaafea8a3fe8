"""A limit's state in the headers of the caller's dialect."""

import math

import msgspec


class Window(msgspec.Struct, frozen=True):
    """How many of `kind` (requests or tokens) a minute allows, how many are left in this one, and when it ends."""

    kind: str
    limit: int
    remaining: int
    reset_s: float


def openai_headers(window: Window) -> list[tuple[str, str]]:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`; a reset is a duration."""
    values = (("limit", str(window.limit)), ("remaining", str(max(0, window.remaining))), ("reset", duration(window.reset_s)))
    return [(f"x-ratelimit-{name}-{window.kind}", value) for name, value in values]


def duration(seconds: float) -> str:
    """As OpenAI writes it: `12ms`, `4s`, `6m0s`."""
    if seconds < 1:
        return f"{max(0, math.ceil(seconds * 1000))}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
