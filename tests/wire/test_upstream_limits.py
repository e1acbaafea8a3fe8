"""What replies say is left: OpenAI's and Anthropic's spellings, and nothing from what says nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.window import Window
from freehold.wire.limits import duration
from freehold.wire.upstream_limits import upstream_limits


def openai(kind: str, limit: str, remaining: str, reset: str | None) -> dict[str, str]:
    said = {f"x-ratelimit-limit-{kind}": limit, f"x-ratelimit-remaining-{kind}": remaining}
    return said if reset is None else {**said, f"x-ratelimit-reset-{kind}": reset}


def anthropic(kind: str, limit: int, remaining: int, reset: str) -> dict[str, str]:
    values = {"limit": str(limit), "remaining": str(remaining), "reset": reset}
    return {f"anthropic-ratelimit-{kind}-{name}": value for name, value in values.items()}


def test_openais_two_windows() -> None:
    headers = openai("requests", "5000", "4999", "12ms") | openai("tokens", "160000", "0", "6m0s")
    assert upstream_limits(headers) == (Window("requests", 5000, 4999, 0.012), Window("tokens", 160_000, 0, 360.0))


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("12ms", 0.012), ("1s", 1), ("7.66s", 7.66), ("2m59.56s", 179.56), ("1h0m0s", 3600), ("1m", 60), ("30", 30), ("0", 0),
        ("1d", 86_400), ("9d1h", 86_400), ("59.5", 59.5), ("", 60), ("soon", 60), (None, 60), ("-1", 60), ("1e9s", 60),
    ],
)  # fmt: skip
def test_resets(reset: str | None, seconds: float) -> None:
    (window,) = upstream_limits(openai("requests", "10", "1", reset))
    assert window.reset_s == pytest.approx(seconds)


def test_anthropics_instants_count_from_the_replys_own_date() -> None:
    headers = {
        "date": "Sat, 21 Nov 2026 12:00:00 GMT",
        **anthropic("requests", 50, 49, "2026-11-21T12:00:01Z"),
        **anthropic("tokens", 50_000, 30_000, "2026-11-21T12:00:24Z"),
        **anthropic("input-tokens", 40_000, 39_000, "2026-11-21T12:00:02+00:00"),
        **anthropic("output-tokens", 8_000, 100, "2026-11-21T12:00:59Z"),
    }
    assert upstream_limits(headers) == (Window("requests", 50, 49, 1.0), Window("tokens", 8_000, 100, 59.0))
    del headers["date"]
    assert [window.reset_s for window in upstream_limits(headers)] == [60.0, 60.0]
    past = {"date": "Sat, 21 Nov 2026 12:00:00 GMT", **anthropic("requests", 50, 50, "2026-11-21T11:00:00Z")}
    assert upstream_limits(past) == (Window("requests", 50, 50, 0.0),)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/json"},
        openai("tokens", "-1", "-1", "0"),
        openai("requests", "0", "0", "0"),
        openai("requests", "many", "1", "1s"),
        openai("requests", "9" * 400, "1", "1s"),
        {"x-ratelimit-remaining-requests": "5"},
        {"anthropic-ratelimit-requests-remaining": "x"},
    ],
)
def test_what_says_nothing_usable_is_not_said(headers: dict[str, str]) -> None:
    assert upstream_limits(headers) == ()


@given(st.floats(0, 86_000))
def test_a_reset_as_we_write_it_ourselves_reads_back(seconds: float) -> None:
    (window,) = upstream_limits(openai("requests", "10", "1", duration(seconds)))
    assert seconds - 1e-6 <= window.reset_s <= seconds + 1


TEXTS = st.text(max_size=20)


@given(TEXTS, TEXTS, TEXTS, TEXTS, st.sampled_from(["x-ratelimit-{1}-requests", "anthropic-ratelimit-requests-{1}"]))
def test_whatever_comes_no_window_is_absurd(limit: str, remaining: str, reset: str, date: str, name: str) -> None:
    said = {name.replace("{1}", part): text for part, text in (("limit", limit), ("remaining", remaining), ("reset", reset))}
    for window in upstream_limits({**said, "date": date}):
        assert window.limit >= 1
        assert window.remaining >= 0
        assert 0 <= window.reset_s <= 86_400
