"""What Bedrock counts, in the one definition of core/usage.py.

`inputTokens` leaves out what a cache held, as Anthropic's own count does, so that is added here; `cacheDetails` tells apart the
same cache writes by how long they are kept. Thinking is among `outputTokens` and not told apart.
"""

from typing import Annotated, TypeAlias

import msgspec

from freehold.core.usage import Usage, UsageSource

_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**40)]  # beyond it, tokens times price would not fit a ledger
_RAW_BYTES = 4096


class _Written(msgspec.Struct):
    ttl: str
    inputTokens: _Count  # noqa: N815  the vendor's own names, as below


class _Counts(msgspec.Struct):
    inputTokens: _Count  # noqa: N815
    outputTokens: _Count  # noqa: N815
    cacheReadInputTokens: _Count | None = None  # noqa: N815
    cacheWriteInputTokens: _Count | None = None  # noqa: N815
    cacheDetails: list[_Written] | None = None  # noqa: N815


_counts = msgspec.json.Decoder(_Counts)


def read_usage(raw: msgspec.Raw, source: UsageSource) -> tuple[Usage | None, str | None]:
    """(usage, the vendor's own words), both None where there is none. Counts that contradict themselves are kept raw only."""
    if bytes(raw) == b"null":
        return None, None
    text = bytes(raw)[:_RAW_BYTES].decode(errors="replace")
    try:
        seen = _counts.decode(raw)
        details, write = seen.cacheDetails or [], seen.cacheWriteInputTokens
        if details and write is None:
            write = sum(detail.inputTokens for detail in details)
        usage = Usage(
            input_tokens=seen.inputTokens + (seen.cacheReadInputTokens or 0) + (write or 0), output_tokens=seen.outputTokens,
            cache_read=seen.cacheReadInputTokens, cache_write=write,
            cache_write_1h=sum(detail.inputTokens for detail in details if detail.ttl == "1h") if details else None,
            source=source,
        )  # fmt: skip
    except ValueError:
        return None, text
    return usage, text
