"""LiteLLM's spend logs: the table LiteLLM_SpendLogs as JSON, JSON lines or CSV, or the pages of /spend/logs.

Shape: BerriAI/litellm, schema.prisma, model LiteLLM_SpendLogs, and docs proxy/cost_tracking (read 2026-11). prompt_tokens
includes cached tokens; what was cached stands in metadata, which a database export holds as text.
"""

from freehold.plan.logs.fields import cost, count, mapping, text, when
from freehold.plan.logs.usage import LogFormat, LoggedUsage, Record

_NO_TEXT = ("embedding", "image", "speech", "transcription", "moderation", "rerank")


def _read(record: Record) -> LoggedUsage | None:
    call_type = text(record, "call_type") or ""
    answered_by_litellm = str(record.get("cache_hit")).lower() == "true"
    if answered_by_litellm or text(record, "status") == "failure" or any(kind in call_type for kind in _NO_TEXT):
        return None
    at = when(record, "startTime")
    prompt, output = count(record, "prompt_tokens"), count(record, "completion_tokens")
    if prompt + output == 0:
        return None
    cached = _cached(record)
    model = text(record, "model")
    return LoggedUsage(
        time=at,
        provider=text(record, "custom_llm_provider") or (model.partition("/")[0] if model and "/" in model else None),
        model=model,
        # Versions of before 2025 left Anthropic's cached tokens out of prompt_tokens.
        input_tokens=prompt if cached <= prompt else prompt + cached,
        cache_read=cached,
        output_tokens=output,
        cost_nanousd=cost(record, "spend"),
    )


def _cached(record: Record) -> int:
    metadata = mapping(record, "metadata")
    for usage in (mapping(metadata, "usage_object"), mapping(metadata, "additional_usage_values")):
        read = count(usage, "cache_read_input_tokens", 0) or count(mapping(usage, "prompt_tokens_details"), "cached_tokens", 0)
        if read:
            return read
    return 0


LITELLM = LogFormat(
    name="litellm",
    known_by=(frozenset({"startTime", "prompt_tokens", "completion_tokens"}),),
    read=_read,
    workload="litellm",
)
