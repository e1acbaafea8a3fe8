"""Views of a ledger file, read-only and beside a running writer."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from freehold.core.errors import BadSettings
from freehold.plan.logs.buckets import Bucket, Bucketed, requests_of
from freehold.plan.traffic import TrafficRow

_RECENT = tuple(
    "id received_at workload data_class outcome status target model basis reason spilled cost_nanousd ttft_s total_s".split()
)

_FINISHED = """SELECT stands_for, workload, data_class, uncached_input + coalesce(cache_read, 0) + coalesce(cache_write, 0),
    coalesce(cache_read, 0), answer_output + coalesce(reasoning, 0)
    FROM entries WHERE outcome = 'finished' AND uncached_input IS NOT NULL ORDER BY stands_for"""
_IMPORTED = "SELECT time, workload, data_class, input_tokens, cache_read, output_tokens FROM imported WHERE bucket_s IS NULL"
# One bucket may come in pieces: by key, by project, and in a bill one line for each meter.
_BUCKETS = """SELECT time, bucket_s, workload, data_class, sum(requests), sum(input_tokens), sum(cache_read), sum(output_tokens)
    FROM imported WHERE bucket_s IS NOT NULL GROUP BY time, bucket_s, workload, data_class, provider, model, requests IS NULL
    ORDER BY time, workload"""
_BUCKETED = """SELECT workload, max(bucket_s), max(requests IS NULL) FROM imported WHERE bucket_s IS NOT NULL
    GROUP BY workload ORDER BY workload"""
_UNFINISHED = """SELECT DISTINCT i.workload, s.name FROM sources s JOIN imported i ON i.source = s.id
    WHERE s.finished_at IS NULL ORDER BY 1, 2"""


class Slice(msgspec.Struct, frozen=True):
    """One workload's requests that ended at one target (None: at none), as the ledger has them."""

    workload: str
    target: str | None
    basis: str | None
    model: str | None
    requests: int
    answered: int
    spilled: int
    input_tokens: int
    output_tokens: int
    cost_nanousd: int
    mean_ttft_s: float | None


class Seen(msgspec.Struct, frozen=True):
    """How often data of a class, with its allowed regions, was sent to a target. Every attempt counts, not only the last."""

    data_class: str
    regions: str | None
    target: str
    attempts: int


class SqliteReader:
    """Opens the file for each view and lets go of it."""

    def __init__(self, path: Path) -> None:
        """Raises BadSettings when there is no ledger at the path."""
        if not path.is_file():
            raise BadSettings(f"no ledger at {path}; 'freehold serve' writes one, or give --ledger")
        self._path = path

    def slices(self) -> list[Slice]:
        """Totals by workload and target."""
        return [
            Slice(*row)
            for row in self._rows(
                """SELECT workload, target, basis, model, count(*), sum(outcome = 'finished'), sum(spilled),
                coalesce(sum(uncached_input + coalesce(cache_read, 0) + coalesce(cache_write, 0)), 0),
                coalesce(sum(answer_output + coalesce(reasoning, 0)), 0), sum(cost_nanousd), avg(ttft_s)
                FROM entries GROUP BY workload, target ORDER BY workload, target"""
            )
        ]

    def seen(self) -> list[Seen]:
        """Which classes of data were sent where."""
        return [
            Seen(*row)
            for row in self._rows(
                """SELECT e.data_class, e.regions, a.target, count(*) FROM attempts a JOIN entries e ON e.id = a.entry_id
                GROUP BY 1, 2, 3 ORDER BY 1, 3"""
            )
        ]

    def traffic(self) -> Iterator[TrafficRow]:
        """As the plan reads it: every finished request by the time it stands for, then imported ones in the order of their files,
        then those that imported buckets are taken apart into."""
        for row in self._rows(_FINISHED):
            yield TrafficRow(*row)
        if self._has_imports():
            for row in self._rows(_IMPORTED):
                yield TrafficRow(*row)
            for row in self._rows(_BUCKETS):
                yield from requests_of(Bucket(*row))

    def bucketed_workloads(self) -> list[Bucketed]:
        """The workloads of which some traffic was imported as sums over time, so that a plan can say so."""
        if not self._has_imports():
            return []
        return [Bucketed(name, longest, bool(uncounted)) for name, longest, uncounted in self._rows(_BUCKETED)]

    def doubts(self) -> dict[str, list[str]]:
        """By workload, what about its imported traffic makes a plan of it weaker than it looks."""
        found: dict[str, list[str]] = {}
        for bucketed in self.bucketed_workloads():
            found.setdefault(bucketed.workload, []).append(bucketed.doubt())
        for workload, file in self._rows(_UNFINISHED) if self._has_imports() else ():
            found.setdefault(workload, []).append(f"{file} is imported only in part; run freehold import on it again")
        return found

    def missing(self, ids: Iterable[str]) -> set[str]:
        """Those of the request ids that have no entry."""
        return set(ids) - {row[0] for row in self._rows("SELECT id FROM entries")}

    def recent(self, limit: int) -> list[dict[str, object]]:
        """The newest entries, newest first, as plain rows for people to read."""
        rows = self._rows(f"SELECT {', '.join(_RECENT)} FROM entries ORDER BY id DESC LIMIT ?", (limit,))  # noqa: S608 (fixed names)
        return [dict(zip(_RECENT, row, strict=True)) for row in rows]

    def _has_imports(self) -> bool:
        """False in a file that an older version wrote; a reader changes nothing about it."""
        return any(self._rows("SELECT 1 FROM sqlite_master WHERE name = 'imported'"))

    def _rows(self, sql: str, values: tuple[object, ...] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            with closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=10.0)) as db:
                yield from db.execute(sql, values)
        except sqlite3.Error as error:
            raise BadSettings(f"cannot read the ledger {self._path}: {error}") from None
