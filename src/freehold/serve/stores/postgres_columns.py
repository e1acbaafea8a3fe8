"""All requests of a PostgreSQL ledger as columns: copied out in its binary format, and taken apart by numpy."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freehold.plan.demand.traffic import Requests, Whole, joined
from freehold.serve.stores.columns import BUCKETS, Span, buckets_apart
from freehold.serve.stores.postgres_session import PostgresSession

_CHUNK_BYTES = 8 * 1024 * 1024
_CHUNK_ROWS = 65_536
_HEADER_BYTES = 19
# The number of fields, then each field behind its length in bytes; none is NULL.
_ROW = np.dtype(
    [("fields", ">i2"), ("a", ">i4"), ("time", ">f8"), ("b", ">i4"), ("workload", ">i4"), ("c", ">i4"), ("class", ">i4"),
     ("d", ">i4"), ("input", ">i8"), ("e", ">i4"), ("cache_read", ">i8"), ("f", ">i4"), ("output", ">i8")]
)  # fmt: skip
_PLACES = "array_position(?::text[], workload), array_position(?::text[], data_class)"
_ENTRIES = f"""SELECT stands_for, {_PLACES}, uncached_input + coalesce(cache_read, 0) + coalesce(cache_write, 0),
    coalesce(cache_read, 0), coalesce(answer_output, 0) + coalesce(reasoning, 0)
    FROM entries WHERE outcome = 'finished' AND uncached_input IS NOT NULL"""  # noqa: S608 (fixed text)
_IMPORTED = f"SELECT time, {_PLACES}, input_tokens, cache_read, output_tokens FROM imported WHERE bucket_s IS NULL"  # noqa: S608
_NAMES = """SELECT workload, data_class FROM entries WHERE outcome = 'finished' AND uncached_input IS NOT NULL
    UNION SELECT workload, data_class FROM imported WHERE bucket_s IS NULL"""
# Else the rows come in any order, and in another one each time.
_AS_THEY_LIE = "SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0"


def read_columns(session: PostgresSession, span: Span) -> dict[str, Requests]:
    """By workload every finished request as the table has them, then imported ones in the order of their files, then those that
    imported buckets are taken apart into. Raises StoreError."""
    names = session.rows(_NAMES)
    workloads, classes = sorted({workload for workload, _ in names}), sorted({name for _, name in names})
    session.run(_AS_THEY_LIE)
    parts: dict[str, list[Requests]] = {}
    for sql, time, order in ((_ENTRIES, "stands_for", ""), (_IMPORTED, "time", " ORDER BY source, line, part")):
        within, bounds = span.condition(time)
        for rows in _chunks(session.copy_out(f"{sql}{within}{order}", (workloads, classes, *bounds))):
            for workload, found in _apart(rows, workloads, tuple(classes)):
                parts.setdefault(workload, []).append(found)
    for buckets in buckets_apart(session.stream(BUCKETS), span, _CHUNK_ROWS):
        for workload, found in buckets.items():
            parts.setdefault(workload, []).append(found)
    return {workload: joined(parts.pop(workload)) for workload in list(parts)}


def _chunks(pieces: Iterator[bytes]) -> Iterator[NDArray[Any]]:
    """The copied rows, some megabytes at a time, without what stands before and behind them."""
    held, start = bytearray(), _HEADER_BYTES
    for piece in chain(pieces, [b""]):
        held += piece
        if piece and len(held) < _CHUNK_BYTES:
            continue
        end = start + (len(held) - start) // _ROW.itemsize * _ROW.itemsize
        yield np.frombuffer(bytes(held[start:end]), dtype=_ROW)
        del held[:end]
        start = 0


def _apart(rows: NDArray[Any], workloads: list[str], classes: tuple[str, ...]) -> Iterator[tuple[str, Requests]]:
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
                ),
            )


def _narrow(counts: NDArray[Any]) -> Whole:
    """In 32 bits where they fit, which is nearly always."""
    fit = counts.min() >= -(2**31) and counts.max() < 2**31
    return counts.astype(np.int32 if fit else np.int64)
