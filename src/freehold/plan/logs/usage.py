"""One record of a log in the one shape all formats are read into: a single request, or a bucket that sums up many."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from freehold.plan.demand.traffic import MAX_REQUEST_TOKENS

Record: TypeAlias = Mapping[str, Any]

MOST_TOKENS = 10**15


class LoggedUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What was used. `time`: Unix seconds, of a bucket its start; a trace without a date counts from 0.

    `bucket_s` None: a single request. `requests` None: a bucket whose log does not count them. `cache_read` is part of
    `input_tokens`. `cost_nanousd` None: the log has no cost in dollars. Raises ValueError on what cannot be.
    """

    time: float
    bucket_s: float | None = None
    provider: str | None = None
    model: str | None = None
    requests: int | None = 1
    input_tokens: int
    cache_read: int = 0
    output_tokens: int
    cost_nanousd: int | None = None

    def __post_init__(self) -> None:
        tokens = self.input_tokens + self.output_tokens
        if self.cache_read > self.input_tokens:
            raise ValueError(
                f"{self.cache_read:,} cached tokens are more than the {self.input_tokens:,} input tokens they are part of"
            )
        if self.bucket_s is not None and self.bucket_s <= 0:
            raise ValueError("the bucket ends before it starts")
        if self.requests is not None and tokens > self.requests * MAX_REQUEST_TOKENS:
            raise ValueError(f"{tokens:,} tokens in {self.requests:,} requests; no model takes that many, check the columns")
        if tokens > MOST_TOKENS:
            raise ValueError(f"{tokens:,} tokens are more than a bucket can hold; check the columns")


class LogFormat(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of log is known and read.

    A record with all fields of one of `known_by` is of this format. `read` gives None for a record that is no use of tokens, and
    raises ValueError with the reason where a record is malformed. `workload`: what the traffic is called where nobody says;
    None means the file's own name.
    """

    name: str
    known_by: tuple[frozenset[str], ...]
    read: Callable[[Record], LoggedUsage | None]
    workload: str | None = None

    def fits(self, record: Record) -> bool:
        """Whether a record has this format's fields."""
        return any(fields <= record.keys() for fields in self.known_by)
