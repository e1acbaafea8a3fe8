"""Views of a ledger, read-only and beside a running writer."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from freehold.core.entry import SHADOW
from freehold.plan.demand.traffic import Requests
from freehold.plan.logs.buckets import Bucketed
from freehold.serve.stores import postgres_columns, sqlite_columns
from freehold.serve.stores.columns import Span
from freehold.serve.stores.connection import Row, Values
from freehold.serve.stores.opening import existing, reading
from freehold.serve.stores.place import LedgerPlace
from freehold.serve.stores.postgres_session import PostgresSession

_RECENT = tuple(
    "id received_at workload key team data_class outcome status error_code target model prompt weights basis reason spilled "
    "cost_nanousd ttft_s total_s".split()
)

_BUCKETED = """SELECT workload, max(bucket_s), max(CASE WHEN requests IS NULL THEN 1 ELSE 0 END)
    FROM imported WHERE bucket_s IS NOT NULL GROUP BY workload ORDER BY workload"""
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


class LedgerReader:
    """Opens the ledger for each view and lets go of it."""

    def __init__(self, place: LedgerPlace) -> None:
        """Raises BadSettings when there is no ledger at that place."""
        self._place = existing(place)

    def slices(self) -> list[Slice]:
        """Totals by workload and target."""
        return [
            Slice(*row)
            for row in self._rows(
                """SELECT workload, target, max(basis), max(model), count(*),
                count(*) FILTER (WHERE outcome = 'finished'), sum(spilled),
                coalesce(sum(uncached_input + coalesce(cache_read, 0) + coalesce(cache_write, 0)), 0),
                coalesce(sum(answer_output + coalesce(reasoning, 0)), 0), sum(cost_nanousd), avg(ttft_s)
                FROM entries GROUP BY workload, target ORDER BY workload, target NULLS FIRST"""
            )
        ]

    def columns(self, since: float | None = None, until: float | None = None) -> dict[str, Requests]:
        """As the plan reads it, by workload: finished requests in the order of the ledger, imported ones in the order of their
        files, then those that imported buckets are taken apart into. All that stand for `since` <= time < `until` (Unix seconds).
        What a migration asked once more is nobody's traffic.
        """
        span = Span(since, until)
        with reading(self._place) as db:
            if isinstance(db, PostgresSession):
                found = postgres_columns.read_columns(db, span)
            else:
                assert isinstance(self._place, Path)
                found = sqlite_columns.read_columns(self._place, span)
        return {workload: requests for workload, requests in found.items() if not workload.startswith(SHADOW)}

    def bucketed_workloads(self) -> list[Bucketed]:
        """The workloads of which some traffic was imported as sums over time, so that a plan can say so."""
        with reading(self._place) as db:
            rows = db.rows(_BUCKETED) if db.has("imported") else []
            return [Bucketed(name, longest, bool(uncounted)) for name, longest, uncounted in rows]

    def doubts(self, bucketed: Iterable[Bucketed] | None = None) -> dict[str, list[str]]:
        """By workload, what about its imported traffic makes a plan of it weaker than it looks. `bucketed`: where it is known."""
        found: dict[str, list[str]] = {}
        for one in self.bucketed_workloads() if bucketed is None else bucketed:
            found.setdefault(one.workload, []).append(one.doubt())
        with reading(self._place) as db:
            for workload, file in db.rows(_UNFINISHED) if db.has("imported") else ():
                found.setdefault(workload, []).append(f"{file} is imported only in part; run freehold import on it again")
        return found

    def missing(self, ids: Iterable[str]) -> set[str]:
        """Those of the request ids that have no entry."""
        with reading(self._place) as db:
            return set(ids) - {ident for (ident,) in db.stream("SELECT id FROM entries")}

    def recent(self, limit: int) -> list[dict[str, object]]:
        """The newest entries, newest first, as plain rows for people to read."""
        with reading(self._place) as db:
            known = db.columns("entries")
            names = ", ".join(name if name in known else "NULL" for name in _RECENT)
            rows = db.rows(f"SELECT {names} FROM entries ORDER BY id DESC LIMIT ?", (limit,))  # noqa: S608 (fixed names)
        return [dict(zip(_RECENT, row, strict=True)) for row in rows]

    def _rows(self, sql: str, values: Values = ()) -> list[Row]:
        with reading(self._place) as db:
            return db.rows(sql, values)
