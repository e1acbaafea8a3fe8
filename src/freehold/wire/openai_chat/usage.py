"""What OpenAI's usage objects mean, read and written in one place for chat, legacy completions and embeddings."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import msgspec

from freehold.core.usage import Usage, UsageSource, estimate_tokens

_Count: TypeAlias = Annotated[int, msgspec.Meta(le=2**40)]  # beyond it, tokens times price would not fit a ledger's integer
_RAW_BYTES = 4096


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: _Count
    completion_tokens: _Count = 0
    total_tokens: _Count | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek: part of prompt_tokens, with prompt_cache_miss_tokens the whole of it
    cached_tokens: int | None = None  # Moonshot: part of prompt_tokens


_decoder = msgspec.json.Decoder(_Usage)


class Groq(msgspec.Struct):
    """What Groq adds to the last chunk of a stream: there its usage is, whether it was asked for or not."""

    usage: msgspec.Raw = msgspec.Raw(b"null")


def counts_of(usage: msgspec.Raw, groq: Groq | None) -> msgspec.Raw:
    """The usage object of a chunk, wherever it stands; both are the same counts."""
    return usage if groq is None or bytes(usage) != b"null" else groq.usage


def read_usage(raw: msgspec.Raw, source: UsageSource) -> tuple[Usage | None, str | None]:
    """(usage, the vendor's own words), both None where there is none.

    Counts that contradict themselves are no counts: they are kept raw and estimated instead.
    """
    if bytes(raw) == b"null":
        return None, None
    text = bytes(raw)[:_RAW_BYTES].decode(errors="replace")
    try:
        seen = _decoder.decode(raw)
        inputs, outputs = seen.prompt_tokens_details or _PromptDetails(), seen.completion_tokens_details or _CompletionDetails()
        # Details of OpenAI's first: a vendor that says it twice means the same tokens.
        reads = (inputs.cached_tokens, seen.prompt_cache_hit_tokens, seen.cached_tokens)
        read = next((count for count in reads if count is not None), None)
        fresh = seen.prompt_tokens - (read or 0) - (inputs.cache_write_tokens or 0)
        heard, heard_before = apart(inputs.audio_tokens, fresh)
        # Some vendors leave reasoning out of completion_tokens; their total has it.
        output = max(seen.completion_tokens, (seen.total_tokens or 0) - seen.prompt_tokens)
        usage = Usage(
            input_tokens=seen.prompt_tokens, output_tokens=output, cache_read=read, cache_write=inputs.cache_write_tokens,
            reasoning=outputs.reasoning_tokens, input_audio=heard, cache_read_audio=heard_before,
            output_audio=outputs.audio_tokens, source=source,
        )  # fmt: skip
    except ValueError:
        return None, text
    return usage, text


def apart(audio: int | None, uncached: int) -> tuple[int | None, int | None]:
    """Audio of a prompt as (uncached, cached), where it is not said how much of it a cache held: no more than there must be."""
    if audio is None or audio <= uncached:
        return audio, None
    return uncached, audio - uncached


def of_all_choices(usage: Usage, text_bytes: Sequence[int]) -> Usage:
    """For a server whose usage is of the first choice only: the others' output estimated from their bytes, and marked so."""
    if len(text_bytes) < 2:
        return usage
    output = usage.output_tokens + sum(estimate_tokens(size) for size in text_bytes[1:])
    return msgspec.structs.replace(usage, output_tokens=output, source="estimated")


def added(before: Usage | None, now: Usage) -> Usage:
    """For a server that counts each choice of a stream for itself: their outputs together, the prompt once."""
    if before is None:
        return now
    return msgspec.structs.replace(before, output_tokens=before.output_tokens + now.output_tokens)


def usage_body(usage: Usage) -> dict[str, Any]:
    """The same as a caller reads it; a detail that is not known is left out."""
    body: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    heard = (usage.input_audio, usage.cache_read_audio)
    audio = None if heard == (None, None) else sum(count or 0 for count in heard)
    inputs = {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write, "audio_tokens": audio}
    if known := {name: count for name, count in inputs.items() if count is not None}:
        body["prompt_tokens_details"] = known
    outputs = {"reasoning_tokens": usage.reasoning, "audio_tokens": usage.output_audio}
    if known := {name: count for name, count in outputs.items() if count is not None}:
        body["completion_tokens_details"] = known
    return body
