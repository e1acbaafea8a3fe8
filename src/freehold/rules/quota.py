"""What a target still lets us ask, as we know it from its reply headers and from the limits its customer states. Pure.

A limit is taken for a bucket that fills evenly. What others ask on the same account shows only in the next headers; so this is a
forecast that saves 429s, and never a reason to wait for long.
"""

import msgspec

from freehold.core.window import Window

PATIENCE_S = 60.0  # after so long without news of a limit one request may try it, whatever the headers said
_MINUTE_S = 60.0
_ROUNDING = 1e-6


class Rates(msgspec.Struct, frozen=True):
    """What a target allows its customer, as the settings state it; None: not stated."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class Meter(msgspec.Struct, frozen=True):
    """One limit: `left` of `limit` at the time `at` (seconds), and as much more each second as `per_s`, never above `limit`."""

    limit: float
    left: float
    per_s: float
    at: float


class Quota(msgspec.Struct, frozen=True):
    """Up to four limits, all of which must have room."""

    stated_requests: Meter | None = None
    stated_tokens: Meter | None = None
    heard_requests: Meter | None = None
    heard_tokens: Meter | None = None


UNKNOWN = Quota()


def stated(quota: Quota, rates: Rates, now: float) -> Quota:
    """With the limits that the settings state now. One that did not change keeps its level, a new one begins full."""
    requests = _restated(quota.stated_requests, rates.requests_per_minute, now)
    tokens = _restated(quota.stated_tokens, rates.tokens_per_minute, now)
    if requests is quota.stated_requests and tokens is quota.stated_tokens:
        return quota  # the very same object, so that a target without limits costs decisions nothing
    return Quota(requests, tokens, quota.heard_requests, quota.heard_tokens)


def heard(quota: Quota, windows: tuple[Window, ...], now: float) -> Quota:
    """With what a reply's headers say is left."""
    requests, tokens = quota.heard_requests, quota.heard_tokens
    for window in windows:
        limit, left = float(window.limit), float(min(window.limit, max(0, window.remaining)))
        # The reset is when it is full again, so what is missing comes within it.
        per_s = (limit - left) / window.reset_s if left < limit and window.reset_s > 0 else limit / _MINUTE_S
        meter = Meter(limit, left, per_s, now)
        requests, tokens = (meter, tokens) if window.kind == "requests" else (requests, meter)
    return Quota(quota.stated_requests, quota.stated_tokens, requests, tokens)


def spent(quota: Quota, requests: int, tokens: int, now: float) -> Quota:
    """After so many requests and tokens. No level falls below nothing."""
    if quota is UNKNOWN:
        return quota
    return Quota(
        _spend(quota.stated_requests, requests, now),
        _spend(quota.stated_tokens, tokens, now),
        _spend(quota.heard_requests, requests, now),
        _spend(quota.heard_tokens, tokens, now),
    )


def corrected(quota: Quota, tokens: int, now: float) -> Quota:
    """Once it is known that so many tokens more were taken than thought; less than 0: fewer.

    Only where we alone count: the vendor corrects its own counts, and says so with its next reply.
    """
    meter = _spend(quota.stated_tokens, tokens, now)
    return quota if meter is quota.stated_tokens else msgspec.structs.replace(quota, stated_tokens=meter)


def room_in(quota: Quota, tokens: int, now: float) -> float:
    """Seconds until one request of so many tokens (at least 1) has room in every limit; 0: now. Never more than PATIENCE_S."""
    if quota is UNKNOWN:
        return 0.0
    tokens = max(1, tokens)
    return max(
        _wait(quota.stated_requests, 1, now),
        _wait(quota.stated_tokens, tokens, now),
        _wait(quota.heard_requests, 1, now),
        _wait(quota.heard_tokens, tokens, now),
    )


def level(meter: Meter, now: float) -> float:
    """What is left of it now."""
    return min(meter.limit, meter.left + meter.per_s * max(0.0, now - meter.at))


def _restated(meter: Meter | None, per_minute: int | None, now: float) -> Meter | None:
    if per_minute is None:
        return None
    if meter is not None and meter.limit == per_minute:
        return meter
    return Meter(float(per_minute), float(per_minute), per_minute / _MINUTE_S, now)


def _spend(meter: Meter | None, amount: int, now: float) -> Meter | None:
    if meter is None or amount == 0:
        return meter
    return Meter(meter.limit, min(meter.limit, max(0.0, level(meter, now) - amount)), meter.per_s, now)


def _wait(meter: Meter | None, amount: int, now: float) -> float:
    """A request larger than the whole limit needs it full: it can never have more."""
    if meter is None:
        return 0.0
    missing = min(float(amount), meter.limit) - level(meter, now)
    if missing <= meter.limit * _ROUNDING:
        return 0.0
    return min(missing / meter.per_s, max(0.0, PATIENCE_S - max(0.0, now - meter.at)))
