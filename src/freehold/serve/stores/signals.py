"""What the signals need of a ledger: one window of time, summed up by the database, read-only and beside a running writer.

A request's id begins with the time it was received, so a window of real time is a range of the primary key: its cost grows with
the window's traffic, not with the ledger.
"""

from typing import Any, Literal, TypeAlias

import msgspec

from freehold.core.data import DataClass
from freehold.core.entry import SHADOW
from freehold.core.ids import request_id
from freehold.plan.signals.observed import AttemptsSeen, Observed, WorkloadSeen
from freehold.serve.stores.connection import Connection
from freehold.serve.stores.opening import existing, reading
from freehold.serve.stores.place import LedgerPlace
from freehold.stats.ratio import Sample

Clock: TypeAlias = Literal["received_at", "stands_for"]

_ID_TIME = 15  # "fh-" and 12 hex digits of milliseconds
_WITHIN: dict[Clock, str] = {
    "received_at": "e.id >= :low AND e.id < :high AND e.received_at >= :start AND e.received_at < :end",
    "stands_for": "e.stands_for >= :start AND e.stands_for < :end",
}
_ENDS: dict[Clock, str] = {
    "received_at": "SELECT (SELECT received_at FROM entries ORDER BY id LIMIT 1), "
    "(SELECT received_at FROM entries ORDER BY id DESC LIMIT 1)",
    "stands_for": "SELECT (SELECT min(stands_for) FROM entries), (SELECT max(stands_for) FROM entries)",
}
# Removed targets are kept as JSON, in which a quote inside a text is escaped: only a constraint's own name can match.
_OF_DATA = ("data_class", "label", "region", "egress", "terms", "provider", "pinned")
_QUESTIONED = " OR ".join(f"""replace(removed, '"constraint":"{name}"', '') <> removed""" for name in _OF_DATA)
# A request that waited past the limit and never had a first token is late too; one that ended sooner cannot be judged.
_WORKLOADS = f"""SELECT workload, count(*), count(*) FILTER (WHERE stream = 1 AND (ttft_s IS NOT NULL OR total_s > :ttft_s)),
    count(*) FILTER (WHERE stream = 1 AND coalesce(ttft_s, total_s) > :ttft_s),
    count(*) FILTER (WHERE data_class IN (SELECT value FROM json_each(:sensitive))),
    count(*) FILTER (WHERE {_QUESTIONED}), count(*) FILTER (WHERE error_code = 'no_target_allowed' AND ({_QUESTIONED}))
    FROM entries e WHERE %s GROUP BY workload ORDER BY workload"""  # noqa: S608 (fixed names)
# Sums of squares are taken as floats: as integers they could leave 64 bits, which SQLite refuses.
_ATTEMPTS = """SELECT workload, target, model, kind, count(*), count(*) FILTER (WHERE limited),
    count(*) FILTER (WHERE failed AND NOT limited),
    coalesce(sum(CASE WHEN ended_s > started_s THEN ended_s - started_s END), 0.0), sum(cost_nanousd), count(tokens),
    coalesce(sum(1.0 * tokens), 0.0), coalesce(sum(1.0 * tokens * tokens), 0.0),
    count(ttft_s), coalesce(sum(ttft_s), 0.0), coalesce(sum(ttft_s * ttft_s), 0.0)
    FROM (SELECT e.workload, a.target, a.model, a.kind, a.ended_s, a.started_s, a.cost_nanousd,
        a.outcome = 'overloaded' OR coalesce(a.status, 0) = 429 AS limited, a.outcome NOT IN ('finished', 'cancelled') AS failed,
        CASE WHEN a.outcome = 'finished' AND a.usage_source <> 'estimated'
            THEN a.answer_output + coalesce(a.reasoning, 0) END AS tokens,
        CASE WHEN e.stream = 1 THEN a.first_token_s - a.started_s END AS ttft_s
        FROM entries e JOIN attempts a ON a.entry_id = e.id WHERE %s) tried
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"""


class Asked(msgspec.Struct, frozen=True):
    """What is counted: late beyond `ttft_s` seconds (None: nothing is), sensitive from this class on, by which clock."""

    ttft_s: float | None = None
    sensitive_from: DataClass = DataClass.confidential
    clock: Clock = "received_at"


class SignalReader:
    """Opens the ledger for each look and lets go of it."""

    def __init__(self, place: LedgerPlace) -> None:
        """Raises BadSettings when there is no ledger at that place."""
        self._place = existing(place)

    def observe(self, now: float, window_s: float, asked: Asked) -> tuple[Observed, Observed]:
        """The window that ends now, and the one before it. By `stands_for`, now is the newest time in the ledger.

        Raises BadSettings where the ledger cannot be read.
        """
        with reading(self._place) as db:
            ((first, last),) = db.rows(_ENDS[asked.clock])
            if asked.clock == "stands_for" and last is not None:
                now = last + 0.001  # the last entry is inside
            age_s = max(0.0, now - first) if first is not None else 0.0
            return (
                _observe(db, (now - window_s, now), min(window_s, age_s), asked),
                _observe(db, (now - 2 * window_s, now - window_s), max(0.0, min(window_s, age_s - window_s)), asked),
            )


def _observe(db: Connection, window: tuple[float, float], covered_s: float, asked: Asked) -> Observed:
    start, end = window
    sensitive = [c.name for c in DataClass if c >= asked.sensitive_from]
    values = {
        "start": start, "end": end, "low": _from_id(start), "high": _from_id(end + 0.001),
        "ttft_s": asked.ttft_s, "sensitive": msgspec.json.encode(sensitive).decode(),
    }  # fmt: skip
    within = _WITHIN[asked.clock]
    return Observed(
        window_s=end - start,
        covered_s=covered_s,
        workloads=tuple(WorkloadSeen(*row) for row in db.rows(_WORKLOADS % within, values) if not row[0].startswith(SHADOW)),
        attempts=tuple(_attempts(row) for row in db.rows(_ATTEMPTS % within, values) if not row[0].startswith(SHADOW)),
    )


def _attempts(row: tuple[Any, ...]) -> AttemptsSeen:
    workload, target, model, kind, attempts, limited, failed, busy_s, cost_nanousd, *sums = row
    return AttemptsSeen(
        workload=workload, target=target, model=model, kind=kind, attempts=attempts, rate_limited=limited, failed=failed,
        busy_s=busy_s, cost_nanousd=cost_nanousd, answers=Sample(*sums[:3]), ttft_s=Sample(*sums[3:]),
    )  # fmt: skip


def _from_id(unix_s: float) -> str:
    """The least id of a request received then."""
    return request_id(max(0.0, unix_s))[:_ID_TIME]
