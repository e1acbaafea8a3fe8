"""What the usage of Responses means, read and written: OpenAI's counts under other names than in chat."""

from typing import Annotated, Any, TypeAlias

import msgspec

from freehold.core.usage import Usage, UsageSource

_Count: TypeAlias = Annotated[int, msgspec.Meta(le=2**40)]  # beyond it, tokens times price would not fit a ledger's integer
_RAW_BYTES = 4096


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: _Count
    output_tokens: _Count = 0
    total_tokens: _Count | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


_decoder = msgspec.json.Decoder(_Usage)


def read_usage(raw: msgspec.Raw, source: UsageSource) -> tuple[Usage | None, str | None]:
    """(usage, the vendor's own words), both None where there is none.

    Counts that contradict themselves are no counts: they are kept raw and estimated instead.
    """
    if bytes(raw) == b"null":
        return None, None
    text = bytes(raw)[:_RAW_BYTES].decode(errors="replace")
    try:
        seen = _decoder.decode(raw)
        inputs, outputs = seen.input_tokens_details or _InputDetails(), seen.output_tokens_details
        # A total that is more than its parts holds output that the parts left out.
        output = max(seen.output_tokens, (seen.total_tokens or 0) - seen.input_tokens)
        usage = Usage(
            input_tokens=seen.input_tokens, output_tokens=output, cache_read=inputs.cached_tokens,
            cache_write=inputs.cache_write_tokens, reasoning=outputs.reasoning_tokens if outputs else None, source=source,
        )  # fmt: skip
    except ValueError:
        return None, text
    return usage, text


def usage_body(usage: Usage) -> dict[str, Any]:
    """The same as a caller reads it; zeros where nobody counted, because the dialect demands its details."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cache_read or 0, "cache_write_tokens": usage.cache_write or 0},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
