"""What reading a ledger as columns is everywhere: the span of time asked for, and imported buckets taken apart into requests."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import msgspec

from freehold.core.usage import Bucket as Kind
from freehold.plan.demand.traffic import Requests, requests_from_rows
from freehold.plan.logs.buckets import Bucket, requests_of
from freehold.serve.stores.connection import Row
from freehold.serve.stores.told_apart import TOLD

# Further kinds of token, each without those of another: of an entry's own row, and together with what its last attempt tells.
KINDS: Mapping[Kind, str] = {"cache_write": "coalesce(cache_write, 0)", "reasoning": "coalesce(reasoning, 0)"}
_OF_ATTEMPT = "coalesce((SELECT {} FROM attempts WHERE entry_id = entries.id ORDER BY n DESC LIMIT 1), 0)"
KINDS_APART: Mapping[Kind, str] = {
    "cache_write": f"{KINDS['cache_write']} - {_OF_ATTEMPT.format('cache_write_1h')}", "reasoning": KINDS["reasoning"],
    **{kind: _OF_ATTEMPT.format(kind) for kind in TOLD},
}  # fmt: skip

# One bucket may come in pieces: by key, by project, and in a bill one line for each meter.
BUCKETS = """SELECT time, bucket_s, workload, data_class, sum(requests), sum(input_tokens), sum(cache_read), sum(output_tokens)
    FROM imported WHERE bucket_s IS NOT NULL GROUP BY time, bucket_s, workload, data_class, provider, model, requests IS NULL
    ORDER BY time, workload"""


class Span(msgspec.Struct, frozen=True):
    """Which requests are asked for, by the Unix seconds they stand for: `since` <= time < `until`; None: no bound."""

    since: float | None = None
    until: float | None = None

    def condition(self, time: str) -> tuple[str, list[float]]:
        """SQL to go behind a condition, and its values."""
        bounds = [(f" AND {time} >= ?", self.since), (f" AND {time} < ?", self.until)]
        return "".join(sql for sql, end in bounds if end is not None), [end for _, end in bounds if end is not None]

    def holds(self, time: float) -> bool:
        """Whether that time is in it."""
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)


def buckets_apart(found: Iterable[Row], span: Span, chunk_rows: int) -> Iterator[dict[str, Requests]]:
    """The requests of what BUCKETS found, so many at a time, because a bucket of little size may hold millions of them."""
    rows = (row for bucket in found for row in requests_of(Bucket(*bucket)) if span.holds(row.stands_for))
    while chunk := list(islice(rows, chunk_rows)):
        yield requests_from_rows(chunk)
