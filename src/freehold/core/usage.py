"""Tokens of one exchange, in one definition: totals are inclusive, details are subsets of them.

`input_tokens = uncached + cache_read + cache_write` and `output_tokens = answer + reasoning`; each of these may say how much of
it is of a kind that is priced apart. A detail the source did not report is None, never 0. This is OpenAI's and OpenTelemetry's
meaning; dialects that exclude cache from input add it here. `buckets` cuts the whole into parts that share no token.
"""

from typing import Literal, TypeAlias, get_args

import msgspec

UsageSource: TypeAlias = Literal["provider", "engine", "estimated"]
Bucket: TypeAlias = Literal[
    "input",  # text and images that no cache held
    "cache_read",
    "cache_write",  # kept for minutes
    "output",
    "reasoning",
    "input_audio",
    "cache_read_audio",
    "cache_write_1h",
    "output_audio",
]
BUCKETS: tuple[Bucket, ...] = get_args(Bucket)
INPUT_BUCKETS: frozenset[Bucket] = frozenset(
    {"input", "cache_read", "cache_write", "input_audio", "cache_read_audio", "cache_write_1h"}
)


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Token counts and who counted them.

    `cache_write_1h` is the part of `cache_write` that is kept for an hour, `cache_read_audio` the audio in `cache_read`;
    `input_audio` is audio among the uncached input, `output_audio` among the answer.
    """

    input_tokens: int
    output_tokens: int
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    cache_write_1h: int | None = None
    input_audio: int | None = None
    cache_read_audio: int | None = None
    output_audio: int | None = None
    source: UsageSource

    def __post_init__(self) -> None:
        details = [detail for detail in self.details() if detail is not None]
        if min(self.input_tokens, self.output_tokens, *details, 0) < 0:
            raise ValueError("token counts cannot be negative")
        if not any(details):
            return
        if (self.cache_read or 0) + (self.cache_write or 0) > self.input_tokens:
            raise ValueError("cached tokens exceed the input they are part of")
        if (self.reasoning or 0) > self.output_tokens:
            raise ValueError("reasoning tokens exceed the output they are part of")
        if min(self.buckets().values()) < 0:
            raise ValueError("tokens of one kind exceed those they are part of")

    def details(self) -> tuple[int | None, ...]:
        """All but the totals, in the order of the fields; None where unreported."""
        return (
            self.cache_read, self.cache_write, self.reasoning, self.cache_write_1h, self.input_audio, self.cache_read_audio,
            self.output_audio,
        )  # fmt: skip

    def buckets(self) -> dict[Bucket, int]:
        """Every token in exactly one bucket, in the order of BUCKETS; what was not told apart is in the bucket it is part of."""
        hour, heard = self.cache_write_1h or 0, self.input_audio or 0
        heard_before, spoken = self.cache_read_audio or 0, self.output_audio or 0
        return {
            "input": self.uncached - heard,
            "cache_read": (self.cache_read or 0) - heard_before,
            "cache_write": (self.cache_write or 0) - hour,
            "output": self.answer - spoken,
            "reasoning": self.reasoning or 0,
            "input_audio": heard,
            "cache_read_audio": heard_before,
            "cache_write_1h": hour,
            "output_audio": spoken,
        }

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
