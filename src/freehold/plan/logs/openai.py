"""OpenAI's usage export: the pages of GET /v1/organization/usage/completions, or the CSV of the usage dashboard. Buckets.

Shape: platform.openai.com, API reference, "Usage: completions" (read 2026-11); the CSV has the same fields, one result a row.
input_tokens includes cached ones. Days without use are rows without counts.
"""

from freehold.plan.logs.fields import count, text, when
from freehold.plan.logs.usage import LogFormat, LoggedUsage, Record

_COMPLETIONS = "organization.usage.completions.result"


def _read(record: Record) -> LoggedUsage | None:
    if text(record, "object") not in (None, _COMPLETIONS):
        return None
    start, end = when(record, "start_time"), when(record, "end_time")
    tokens_in, tokens_out = count(record, "input_tokens", 0), count(record, "output_tokens", 0)
    if tokens_in + tokens_out == 0:
        return None
    return LoggedUsage(
        time=start,
        bucket_s=end - start,
        provider="openai",
        model=text(record, "model"),
        requests=count(record, "num_model_requests", 0) or None,
        input_tokens=tokens_in,
        cache_read=count(record, "input_cached_tokens", 0),
        output_tokens=tokens_out,
    )


OPENAI = LogFormat(
    name="openai",
    known_by=(frozenset({"start_time", "end_time", "input_tokens", "output_tokens", "num_model_requests"}),),
    read=_read,
    workload="openai",
)
