"""How long a server asks to be left alone: every spelling, the longest of them, and nothing from nonsense."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.wire.retry_after import retry_after_s

DATE = {"date": "Wed, 21 Oct 2026 07:28:00 GMT"}
RETRY_INFO = b'{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}'
HELP = b'{"@type":"type.googleapis.com/google.rpc.Help","links":[{"url":"https://ai.google.dev"}]}'
PER_DAY = (
    b'{"@type":"type.googleapis.com/google.rpc.QuotaFailure",'
    b'"violations":[{"quotaMetric":"m","quotaId":"GenerateRequestsPerDayPerProjectPerModel"}]}'
)
PER_MINUTE = PER_DAY.replace(b"PerDay", b"PerMinute")


def google(*details: bytes) -> bytes:
    return b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[' + b",".join(details) + b"]}}"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 7 "}, 7),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "1.25"}, 1.25),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "1", "retry-after-ms": "2500"}, 2.5),
        ({"retry-after": "3", "retry-after-ms": "2500"}, 3),
        ({**DATE, "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, 30),
        ({**DATE, "retry-after": "Wed, 21 Oct 2026 07:27:00 GMT"}, 0),
        ({**DATE, "retry-after": "Fri, 21 Oct 2033 07:28:30 GMT"}, 86_400),
        ({"retry-after": "9" * 15}, 86_400),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (google(RETRY_INFO), 34.5),
        (b"[" + google(RETRY_INFO) + b"]", 34.5),
        (google(HELP, PER_MINUTE, RETRY_INFO), 34.5),
        (google(PER_DAY, RETRY_INFO), 3600),
        (google(PER_DAY), 3600),
        (google(HELP), None),
        (google(RETRY_INFO.replace(b"34.5s", b"soon")), None),
        (google(RETRY_INFO.replace(b'"34.5s"', b"34")), None),
        (b'{"error":"retryDelay"}', None),
        (b'{"error":{"details":[{"retryDelay":', None),
        (b"[" * 5000 + b"retryDelay", None),
        (google(RETRY_INFO) + b" " * 70_000, None),
        (b"", None),
    ],
)
def test_bodies(body: bytes, seconds: float | None) -> None:
    assert retry_after_s({}, body) == seconds


def test_the_longest_of_headers_and_body_wins() -> None:
    assert retry_after_s({"retry-after": "5"}, google(RETRY_INFO)) == 34.5
    assert retry_after_s({"retry-after": "60", "retry-after-ms": "1"}, google(RETRY_INFO)) == 60


NAMES = st.sampled_from(["retry-after", "retry-after-ms", "date"])


@given(st.dictionaries(NAMES, st.text(max_size=30)), st.binary(max_size=60))
def test_whatever_comes_it_is_a_time_within_a_day_or_nothing(headers: dict[str, str], body: bytes) -> None:
    said = retry_after_s(headers, b'{"error":{"details":[{"retryDelay":' + body)
    assert said is None or 0 <= said <= 86_400


@given(st.integers(0, 10**6), st.integers(0, 10**8), st.integers(0, 10**5))
def test_the_longest_deadline_always_wins(seconds: int, milliseconds: int, delay: int) -> None:
    headers = {"retry-after": str(seconds), "retry-after-ms": str(milliseconds)}
    said = retry_after_s(headers, google(RETRY_INFO.replace(b"34.5", str(delay).encode())))
    assert said == pytest.approx(min(86_400, max(seconds, milliseconds / 1000, delay)))
