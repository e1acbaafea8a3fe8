"""All requests of a PostgreSQL ledger as columns: copied out in its binary format, and taken apart by numpy."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freehold.core.usage import Bucket
from freehold.plan.demand.traffic import Requests, Whole, joined
from freehold.serve.stores.columns import BUCKETS, KINDS, KINDS_APART, Span, buckets_apart
from freehold.serve.stores.postgres_session import PostgresSession
from freehold.serve.stores.told_apart import TOLD, TOLD_APART

_CHUNK_BYTES = 8 * 1024 * 1024
_CHUNK_ROWS = 65_536
_HEADER_BYTES = 19
# The number of fields, then each field behind its length in bytes; none is NULL.
_ROW = [
    ("fields", ">i2"), ("a", ">i4"), ("time", ">f8"), ("b", ">i4"), ("workload", ">i4"), ("c", ">i4"), ("class", ">i4"),
    ("d", ">i4"), ("input", ">i8"), ("e", ">i4"), ("cache_read", ">i8"), ("f", ">i4"), ("output", ">i8"),
]  # fmt: skip
_PLACES = "array_position(?::text[], workload), array_position(?::text[], data_class)"
_ENTRIES = f"""SELECT stands_for, {_PLACES}, uncached_input + coalesce(cache_read, 0) + coalesce(cache_write, 0),
    coalesce(cache_read, 0), coalesce(answer_output, 0) + coalesce(reasoning, 0)%s
    FROM entries WHERE outcome = 'finished' AND uncached_input IS NOT NULL"""  # noqa: S608 (fixed text)
_IMPORTED = f"SELECT time, {_PLACES}, input_tokens, cache_read, output_tokens FROM imported WHERE bucket_s IS NULL"  # noqa: S608
_NAMES = f"""SELECT workload, data_class, {", ".join(f"max({sql})" for sql in KINDS.values())} FROM entries
    WHERE outcome = 'finished' AND uncached_input IS NOT NULL GROUP BY workload, data_class
    UNION SELECT DISTINCT workload, data_class, {", ".join("0" for _ in KINDS)} FROM imported WHERE bucket_s IS NULL"""  # noqa: S608
# Else the rows come in any order, and in another one each time.
_AS_THEY_LIE = "SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0"


def read_columns(session: PostgresSession, span: Span) -> dict[str, Requests]:
    """By workload every finished request as the table has them, then imported ones in the order of their files, then those that
    imported buckets are taken apart into. Raises StoreError."""
    names = session.rows(_NAMES)
    workloads, classes = sorted({workload for workload, *_ in names}), sorted({name for _, name, *_ in names})
    kinds = _kinds(session, [max(0, *most) for most in list(zip(*names, strict=True))[2:]])
    entries = _ENTRIES % "".join(f", {sql}" for sql in kinds.values())
    session.run(_AS_THEY_LIE)
    parts: dict[str, list[Requests]] = {}
    for sql, time, order, told in (
        (entries, "stands_for", "", list(kinds)), (_IMPORTED, "time", " ORDER BY source, line, part", []),
    ):  # fmt: skip
        within, bounds = span.condition(time)
        layout = np.dtype([*_ROW, *(field for kind in told for field in ((f"{kind}_bytes", ">i4"), (kind, ">i8")))])
        for rows in _chunks(session.copy_out(f"{sql}{within}{order}", (workloads, classes, *bounds)), layout):
            for workload, found in _apart(rows, workloads, tuple(classes), told):
                parts.setdefault(workload, []).append(found)
    for buckets in buckets_apart(session.stream(BUCKETS), span, _CHUNK_ROWS):
        for workload, found in buckets.items():
            parts.setdefault(workload, []).append(found)
    return {workload: joined(parts.pop(workload)) for workload in list(parts)}


def _kinds(session: PostgresSession, most: Sequence[int]) -> Mapping[Bucket, str]:
    """The further kinds of token that hold anything, in SQL; `most` of each that an entry's own row tells."""
    own = {kind: sql for (kind, sql), tokens in zip(KINDS.items(), most, strict=False) if tokens > 0}
    if TOLD[0] not in session.columns("attempts"):  # an older version made the tables
        return own
    return KINDS_APART if session.rows(f"SELECT 1 FROM attempts WHERE {TOLD_APART} LIMIT 1") else own  # noqa: S608 (fixed names)


def _chunks(pieces: Iterator[bytes], layout: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """The copied rows, some megabytes at a time, without what stands before and behind them."""
    held, start = bytearray(), _HEADER_BYTES
    for piece in chain(pieces, [b""]):
        held += piece
        if piece and len(held) < _CHUNK_BYTES:
            continue
        end = start + (len(held) - start) // layout.itemsize * layout.itemsize
        yield np.frombuffer(bytes(held[start:end]), dtype=layout)
        del held[:end]
        start = 0


def _apart(
    rows: NDArray[Any], workloads: list[str], classes: tuple[str, ...], kinds: Sequence[Bucket]
) -> Iterator[tuple[str, Requests]]:
    """The rows of each workload, in their order. Places in the lists count from 1."""
    order = np.argsort(rows["workload"], kind="stable")
    ends = np.searchsorted(rows["workload"][order], np.arange(len(workloads) + 1), side="right")
    for n, name in enumerate(workloads):
        own = rows[order[ends[n] : ends[n + 1]]]
        if len(own):
            yield (
                name,
                Requests(
                    unix_s=own["time"].astype(np.float64),
                    data_class=(own["class"] - 1).astype(np.min_scalar_type(len(classes))),
                    classes=classes,
                    input_tokens=_narrow(own["input"]),
                    cache_read=_narrow(own["cache_read"]),
                    output_tokens=_narrow(own["output"]),
                    kinds={kind: _narrow(own[kind]) for kind in kinds if own[kind].any()},
                ),
            )


def _narrow(counts: NDArray[Any]) -> Whole:
    """In 32 bits where they fit, which is nearly always."""
    fit = counts.min() >= -(2**31) and counts.max() < 2**31
    return counts.astype(np.int32 if fit else np.int64)
