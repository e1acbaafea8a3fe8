"""Requests made from buckets: a bucket says how much was used in an hour or a day, the plan asks for requests.

They are spread evenly over the bucket, all of its mean size. The volume stays exact; peaks inside a bucket are lost, so what is
owned may be planned too small. Whoever reads them says so.
"""

from collections.abc import Iterator

import msgspec

from freehold.plan.demand.traffic import DAY_S, TrafficRow

# Between the mean requests of Azure's 2023 traces: 1,366 tokens in chat, 2,076 in code (Patel et al., "Splitwise", ISCA 2024).
UNCOUNTED_REQUEST_TOKENS = 2_000


class Bucket(msgspec.Struct, frozen=True):
    """Use of one workload and model in a span of time. `requests` None: not counted. `cache_read` is part of `input_tokens`."""

    time: float
    bucket_s: float
    workload: str
    data_class: str
    requests: int | None
    input_tokens: int
    cache_read: int
    output_tokens: int


class Bucketed(msgspec.Struct, frozen=True):
    """How a workload's buckets are: the longest one's length, and whether any of them does not count its requests."""

    workload: str
    longest_s: float
    uncounted: bool

    def doubt(self) -> str:
        """What that means for a plan, in one line for people."""
        counted = f" and requests are not counted ({UNCOUNTED_REQUEST_TOKENS:,} tokens each assumed)" if self.uncounted else ""
        return (
            f"traffic was imported as sums of {span_text(self.longest_s)}{counted}: spread evenly, which hides peaks, so owned "
            "replicas may be too few; import single requests to see them"
        )


def requests_of(bucket: Bucket) -> Iterator[TrafficRow]:
    """The bucket's requests, in order of time. Their tokens add up to the bucket's."""
    tokens = bucket.input_tokens + bucket.output_tokens
    n = bucket.requests or -(-tokens // UNCOUNTED_REQUEST_TOKENS)
    fresh, cached, output = bucket.input_tokens - bucket.cache_read, bucket.cache_read, bucket.output_tokens
    for i in range(n):
        own_cached = _share(cached, i, n)
        yield TrafficRow(
            bucket.time + bucket.bucket_s * (i + 0.5) / n,
            bucket.workload,
            bucket.data_class,
            _share(fresh, i, n) + own_cached,
            own_cached,
            _share(output, i, n),
        )


def _share(total: int, i: int, n: int) -> int:
    return total * (i + 1) // n - total * i // n


def span_text(seconds: float) -> str:
    """A bucket's length for people, e.g. '1 day' or '5 minutes'."""
    for unit, length in (("day", DAY_S), ("hour", 3600.0), ("minute", 60.0)):
        if seconds >= length:
            return f"{seconds / length:g} {unit}{'' if seconds == length else 's'}"
    return f"{seconds:g} seconds"
