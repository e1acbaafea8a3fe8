"""Tokens of one exchange, in one definition: totals are inclusive, details are subsets of them.

`input_tokens = uncached + cache_read + cache_write` and `output_tokens = answer + reasoning`. A detail the source did not
report is None, never 0. This is OpenAI's and OpenTelemetry's meaning; dialects that exclude cache from input add it here.
"""

from typing import Literal, TypeAlias

import msgspec

UsageSource: TypeAlias = Literal["provider", "engine", "estimated"]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Token counts and who counted them."""

    input_tokens: int
    output_tokens: int
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    source: UsageSource

    def __post_init__(self) -> None:
        if min(self.input_tokens, self.output_tokens, *(d for d in self.details() if d is not None), 0) < 0:
            raise ValueError("token counts cannot be negative")
        if (self.cache_read or 0) + (self.cache_write or 0) > self.input_tokens:
            raise ValueError("cached tokens exceed the input they are part of")
        if (self.reasoning or 0) > self.output_tokens:
            raise ValueError("reasoning tokens exceed the output they are part of")

    def details(self) -> tuple[int | None, int | None, int | None]:
        """(cache_read, cache_write, reasoning), None where unreported."""
        return self.cache_read, self.cache_write, self.reasoning

    @property
    def uncached(self) -> int:
        """Input tokens that were neither read from nor written to a cache."""
        return self.input_tokens - (self.cache_read or 0) - (self.cache_write or 0)

    @property
    def answer(self) -> int:
        """Output tokens the caller sees: output without reasoning."""
        return self.output_tokens - (self.reasoning or 0)


def estimate_tokens(characters: int) -> int:
    """Tokens in a text of that many characters or bytes, at four a token, never below one for a non-empty text.

    Used only where no usage came; every figure built on it is marked `estimated`.
    """
    return -(-characters // 4)
