"""Finished requests of callers as a ledger has them, to be asked of another model: what bound each, and how long it took."""

from collections.abc import Collection, Sequence

import msgspec

from freehold.core.data import DataClass, Demands, Handling
from freehold.core.policy_facts import Demanded
from freehold.serve.stores.opening import reading
from freehold.serve.stores.place import LedgerPlace

_IDS = """SELECT id FROM entries WHERE workload = ? AND outcome = 'finished' AND purpose IS NULL AND target <> ?
    AND received_at >= ? AND received_at < ? ORDER BY id"""
_ONE = "SELECT key, dialect, data_class, regions, demanded FROM entries WHERE id = ?"
_ATTEMPTS = "SELECT started_s, first_token_s, ended_s FROM attempts WHERE entry_id = ? ORDER BY n"


class RecordedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One of them. `handling`: what all parties demanded of it together; `answer_s`: how long its last attempt took; `attempts`:
    at how many targets its answer began."""

    id: str
    key: str
    dialect: str
    handling: Handling
    answer_s: float
    attempts: int


class Span(msgspec.Struct, frozen=True):
    """Of one workload, whatever that target did not serve, received in that time (Unix seconds, the end is no part)."""

    workload: str
    not_at: str
    since: float
    until: float


def recorded_ids(place: LedgerPlace, span: Span) -> list[str]:
    """Their ids, oldest first. Raises BadSettings where the ledger cannot be read."""
    with reading(place) as db:
        return [ident for (ident,) in db.rows(_IDS, (span.workload, span.not_at, span.since, span.until))]


def recorded_requests(place: LedgerPlace, ids: Collection[str]) -> list[RecordedRequest | None]:
    """Those of the ids that have an entry, in their order; None for one of which nobody can say what bound it. Raises BadSettings
    where the ledger cannot be read."""
    with reading(place) as db:
        found: list[RecordedRequest | None] = []
        for ident in ids:
            attempts = db.rows(_ATTEMPTS, (ident,))
            found += [_recorded(ident, row, attempts) for row in db.rows(_ONE, (ident,))]
        return found


def _recorded(ident: str, row: Sequence[object], attempts: Sequence[Sequence[float | None]]) -> RecordedRequest | None:
    key, dialect, data_class, regions, demanded = row
    try:
        stated = msgspec.json.decode(str(demanded), type=Demanded) if demanded is not None else Demanded()
        handling = Handling(
            DataClass.parse(str(data_class)),
            None if regions is None else frozenset(filter(None, str(regions).split(","))),
            frozenset(stated.labels),
            Demands(
                retention_days=stated.retention_days, no_training=stated.no_training,
                providers=None if stated.providers is None else frozenset(stated.providers),
                not_providers=frozenset(stated.not_providers), pinned=stated.pinned,
            ),
        )  # fmt: skip
    except (msgspec.MsgspecError, ValueError):
        return None
    took = [(ended or 0.0) - (started or 0.0) for started, _, ended in attempts[-1:]]
    return RecordedRequest(
        id=ident, key=str(key), dialect=str(dialect), handling=handling, answer_s=took[0] if took else 0.0,
        attempts=sum(first is not None for _, first, _ in attempts),
    )  # fmt: skip
