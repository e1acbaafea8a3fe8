"""A limit's state, as each dialect's SDKs read it; forms from both vendors' documentation, as of 2026-11."""

from freehold.core.window import Window
from freehold.wire.limits import limit_headers

WINDOWS = (Window("requests", 60, 59, 31.2), Window("tokens", 1000, -5, 0.4))


def test_openais_resets_are_durations() -> None:
    assert dict(limit_headers(WINDOWS, "openai_responses", 0.0)) == {
        "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "32s",
        "x-ratelimit-limit-tokens": "1000", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "400ms",
    }  # fmt: skip


def test_anthropics_are_instants() -> None:
    assert dict(limit_headers(WINDOWS, "anthropic_messages", 1_700_000_000.0)) == {
        "anthropic-ratelimit-requests-limit": "60", "anthropic-ratelimit-requests-remaining": "59",
        "anthropic-ratelimit-requests-reset": "2023-11-14T22:13:52Z", "anthropic-ratelimit-tokens-limit": "1000",
        "anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "2023-11-14T22:13:21Z",
    }  # fmt: skip
