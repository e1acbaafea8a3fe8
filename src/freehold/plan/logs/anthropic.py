"""Anthropic's usage export: the pages of GET /v1/organizations/usage_report/messages, or the console's CSV. Buckets.

Shapes: platform.claude.com, Admin API, "Get Messages Usage Report"; the CSV's columns as the console wrote them in 2026 (read
2026-11). Input is split into uncached, cache reads and cache writes; requests are not counted.
"""

from freehold.plan.logs.fields import count, mapping, text, when
from freehold.plan.logs.usage import LogFormat, LoggedUsage, Record

_DATE_CHARACTERS = len("2026-11-21")
_WRITES_CSV = ("usage_input_tokens_cache_write_5m", "usage_input_tokens_cache_write_1h")


def _read(record: Record) -> LoggedUsage | None:
    return _read_row(record) if "usage_date_utc" in record else _read_result(record)


def _read_result(record: Record) -> LoggedUsage | None:
    start = when(record, "starting_at")
    writes = mapping(record, "cache_creation")
    return _usage(
        (start, when(record, "ending_at") - start),
        text(record, "model"),
        count(record, "uncached_input_tokens") + sum(count(writes, name, 0) for name in writes),
        count(record, "cache_read_input_tokens", 0),
        count(record, "output_tokens"),
    )


def _read_row(record: Record) -> LoggedUsage | None:
    by_day = len(str(record["usage_date_utc"]).strip()) == _DATE_CHARACTERS
    return _usage(
        (when(record, "usage_date_utc"), 86_400.0 if by_day else 3600.0),
        text(record, "model_version", "model"),
        count(record, "usage_input_tokens_no_cache", 0) + sum(count(record, name, 0) for name in _WRITES_CSV),
        count(record, "usage_input_tokens_cache_read", 0),
        count(record, "usage_output_tokens", 0),
    )


def _usage(bucket: tuple[float, float], model: str | None, fresh: int, cached: int, output: int) -> LoggedUsage | None:
    if fresh + cached + output == 0:
        return None
    return LoggedUsage(
        time=bucket[0],
        bucket_s=bucket[1],
        provider="anthropic",
        model=model,
        requests=None,
        input_tokens=fresh + cached,
        cache_read=cached,
        output_tokens=output,
    )


ANTHROPIC = LogFormat(
    name="anthropic",
    known_by=(
        frozenset({"starting_at", "ending_at", "uncached_input_tokens", "output_tokens"}),
        frozenset({"usage_date_utc", "usage_output_tokens"}),
    ),
    read=_read,
    workload="anthropic",
)
