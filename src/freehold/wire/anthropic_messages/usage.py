"""What Anthropic counts, in the one definition of core/usage.py: its input leaves out what a cache held, so that is added here.

A stream counts twice: `message_start` knows the input, `message_delta` the sums so far. Where the later one says nothing of the
input, as llama.cpp's does, the earlier one still holds.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeAlias

import msgspec

from freehold.core.usage import Usage, UsageSource

_Count: TypeAlias = Annotated[int, msgspec.Meta(le=2**40)]  # beyond it, tokens times price would not fit a ledger's integer
_RAW_USAGE_BYTES = 4096
_INPUT = frozenset({"input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"})
_OF_INPUT = _INPUT | {"cache_creation"}


class _Details(msgspec.Struct):
    thinking_tokens: _Count | None = None


class _Written(msgspec.Struct):
    ephemeral_5m_input_tokens: _Count = 0
    ephemeral_1h_input_tokens: _Count = 0


class _Counts(msgspec.Struct):
    input_tokens: _Count
    output_tokens: _Count
    cache_read_input_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    cache_creation: _Written | None = None  # the same tokens by how long they are kept
    output_tokens_details: _Details | None = None
    service_tier: str | None = None
    speed: str | None = None


class Counted(msgspec.Struct, frozen=True):
    """Counts as read, the vendor's own words, and the service that it bills: a tier, or `fast`."""

    usage: Usage | None = None
    raw: str | None = None
    service_tier: str | None = None


_objects = msgspec.json.Decoder(dict[str, Any])


def merged(raws: Iterable[msgspec.Raw], source: UsageSource) -> Counted:
    """The counts that these `usage` objects give together, a later value in place of an earlier one.

    A later one that is zero in all of its input says nothing of it: there is no request without input.
    Counts that contradict themselves, or that say nothing of input or output, are no counts: they are kept raw.
    """
    together: dict[str, Any] = {}
    for raw in raws:
        if memoryview(raw)[0] == ord("{"):
            counts = {name: value for name, value in _objects.decode(raw).items() if value is not None}
            silent = _OF_INPUT if _has_input(together) and not _has_input(counts) else frozenset()
            together.update({name: value for name, value in counts.items() if name not in silent})
    if not together:
        return Counted()
    text = msgspec.json.encode(together)[:_RAW_USAGE_BYTES].decode(errors="replace")
    try:
        seen = msgspec.convert(together, _Counts)
        by_ttl, write = seen.cache_creation, seen.cache_creation_input_tokens
        if by_ttl is not None and write is None:
            write = by_ttl.ephemeral_5m_input_tokens + by_ttl.ephemeral_1h_input_tokens
        cached = (seen.cache_read_input_tokens or 0) + (write or 0)
        details = seen.output_tokens_details
        usage = Usage(
            input_tokens=seen.input_tokens + cached, output_tokens=seen.output_tokens,
            cache_read=seen.cache_read_input_tokens, cache_write=write,
            cache_write_1h=by_ttl.ephemeral_1h_input_tokens if by_ttl else None,
            reasoning=details.thinking_tokens if details else None, source=source,
        )  # fmt: skip
    except ValueError:
        return Counted(None, text)
    return Counted(usage, text, "fast" if seen.speed == "fast" else seen.service_tier)


def _has_input(counts: Mapping[str, Any]) -> bool:
    return any(counts.get(name) for name in _INPUT)


def written(usage: Usage | None) -> dict[str, Any]:
    """The counts as callers of this dialect read them; zeros where nobody counted, because it has no word for that."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    counts: dict[str, Any] = {"input_tokens": usage.uncached, "output_tokens": usage.output_tokens}
    if usage.cache_read is not None:
        counts["cache_read_input_tokens"] = usage.cache_read
    if usage.cache_write is not None:
        counts["cache_creation_input_tokens"] = usage.cache_write
        if usage.cache_write_1h is not None:
            counts["cache_creation"] = {
                "ephemeral_5m_input_tokens": usage.cache_write - usage.cache_write_1h,
                "ephemeral_1h_input_tokens": usage.cache_write_1h,
            }
    if usage.reasoning is not None:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return counts
