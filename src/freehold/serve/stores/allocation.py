"""What owning cost, from a ledger: read-only, and beside a running writer. The rule is in rules/allocation.py.

The long sums are the database's work, which holds up nobody else in the process; only hours and their few users come out.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from freehold.core.machine import MachineSpan, OwnedMachine
from freehold.rules.allocation import HOUR_S, HourUse, MachineHour, OwnedShare, allocate, machine_hours, part_of
from freehold.serve.stores.connection import Connection
from freehold.serve.stores.opening import existing, reading
from freehold.serve.stores.place import LedgerPlace

__all__ = ["AllocationReader", "EntryCost", "OwnedShare", "SliceCost"]

_EVER = 253_402_300_800  # the year 10000, in Unix seconds
_MACHINE = OwnedMachine.__struct_fields__
_SPANS = f"""SELECT began_at, seen_until, {", ".join(_MACHINE)} FROM machine_spans
    WHERE seen_until > ? AND began_at < ? ORDER BY id"""  # noqa: S608 (fixed names)

# Attempts at owned targets, cut at full hours. Ids are in order of time, so the oldest that can matter is found by its id.
_PARTS = """
WITH RECURSIVE used AS (
    SELECT e.id, a.target, a.model, e.workload, e.key,
        CAST(round((e.received_at + a.started_s) * 1e6) AS INTEGER) AS began,
        CAST(round((e.received_at + CASE WHEN a.ended_s > a.started_s THEN a.ended_s ELSE a.started_s END) * 1e6) AS INTEGER)
            AS ended,
        coalesce(a.uncached_input, 0) + coalesce(a.cache_read, 0) + coalesce(a.cache_write, 0) AS input,
        coalesce(a.answer_output, 0) + coalesce(a.reasoning, 0) AS output
    FROM entries e JOIN attempts a ON a.entry_id = e.id WHERE e.id >= :oldest AND e.received_at < :until AND a.kind = 'owned'),
cut AS (
    SELECT id, target, model, workload, key, began / 3600000000 AS n, began, ended, 1 AS first, input, output FROM used
    UNION ALL
    SELECT id, target, model, workload, key, n + 1, (n + 1) * 3600000000, ended, 0, 0, 0 FROM cut
    WHERE ended > (n + 1) * 3600000000),
parts AS (
    SELECT *, n * 3600 AS hour, CASE WHEN ended < (n + 1) * 3600000000 THEN ended ELSE (n + 1) * 3600000000 END - began AS us
    FROM cut
    WHERE n * 3600 >= :since AND n * 3600 < :until)
"""
_USES = f"""{_PARTS}
SELECT hour, target, model, workload, key, sum(first), sum(input), sum(output), sum(us) FROM parts
GROUP BY hour, target, model, workload, key"""  # noqa: S608 (fixed text)
_OF_ENTRIES = f"""{_PARTS},
marked AS (
    SELECT id, hour, target, model, workload, key, us, sum(us) OVER whose - us AS before, sum(us) OVER (
        PARTITION BY hour, target, model, workload, key) AS total FROM parts
    WINDOW whose AS (PARTITION BY hour, target, model, workload, key ORDER BY id ROWS UNBOUNDED PRECEDING))
SELECT * FROM marked WHERE total > 0 AND id IN (SELECT value FROM json_each(:ids))"""  # noqa: S608 (fixed text)
# The empty text keeps SQLite from walking the ids: the few entries over an hour have an index of their own.
_OLDEST_LONG = (
    "SELECT min(id || '') FROM entries WHERE total_s > 3600 AND received_at < :since AND received_at + total_s > :since"
)
_SLICES = """SELECT workload, target, max(lab), sum(marginal_nanousd), sum(shadow_nanousd), count(shadow_nanousd)
    FROM entries GROUP BY workload, target ORDER BY workload, target NULLS FIRST"""
_BESIDE = "SELECT id, marginal_nanousd, shadow_nanousd, shadow_at, lab FROM entries WHERE id IN (SELECT value FROM json_each(?))"
_WHEN = "SELECT min(received_at), max(received_at + total_s) FROM entries WHERE id IN (SELECT value FROM json_each(?))"


class SliceCost(msgspec.Struct, frozen=True):
    """Beside the rented cost of one workload at one target: what `shadowed` of its requests would have cost elsewhere."""

    workload: str
    target: str | None
    lab: bool | None
    marginal_nanousd: int | None
    shadow_nanousd: int | None
    shadowed: int


class EntryCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one entry cost beside its rented cost. None: not owned, not known, or nothing to compare with."""

    owned_nanousd: int | None = None
    marginal_nanousd: int | None = None
    shadow_nanousd: int | None = None
    shadow_at: str | None = None
    lab: bool | None = None


class AllocationReader:
    """Opens the ledger for each view and lets go of it. One that an older version wrote has machines nowhere."""

    def __init__(self, place: LedgerPlace) -> None:
        """Raises BadSettings when there is no ledger at that place."""
        self._place = existing(place)

    def shares(self, since: float | None = None, until: float | None = None) -> list[OwnedShare]:
        """Whose cost the hours were that began at or after `since` and before `until` (Unix seconds; None: no limit)."""
        return self.hours_and_shares(since, until)[1]

    def hours_and_shares(
        self, since: float | None = None, until: float | None = None
    ) -> tuple[list[MachineHour], list[OwnedShare]]:
        """The machine hours, and the shares that add up to each of them."""
        with reading(self._place) as db:
            return _hours_and_shares(db, since, until)

    def slices(self) -> list[SliceCost]:
        """By workload and target, as the reader of entries sums them."""
        with reading(self._place) as db:
            rows = db.rows(_SLICES) if _has_machines(db) else []
            return [SliceCost(workload, target, _truth(lab), *sums) for workload, target, lab, *sums in rows]

    def of_entries(self, ids: Sequence[str]) -> dict[str, EntryCost]:
        """What each of these entries cost. The parts of all entries add up to the shares."""
        with reading(self._place) as db:
            if not ids or not _has_machines(db):
                return {}
            wanted = msgspec.json.encode(ids).decode()
            owned = _owned(db, wanted)
            return {
                ident: EntryCost(
                    owned_nanousd=owned.get(ident),
                    marginal_nanousd=marginal,
                    shadow_nanousd=shadow,
                    shadow_at=at,
                    lab=_truth(lab),
                )
                for ident, marginal, shadow, at, lab in db.rows(_BESIDE, (wanted,))
            }


def _has_machines(db: Connection) -> bool:
    return db.has("machine_spans")


def _hours_and_shares(db: Connection, since: float | None, until: float | None) -> tuple[list[MachineHour], list[OwnedShare]]:
    if not _has_machines(db):
        return [], []
    first, last = since or 0, _EVER if until is None else until
    rows = db.rows(_SPANS, (first, last + HOUR_S))
    spans = [
        MachineSpan(machine=OwnedMachine(**dict(zip(_MACHINE, [*of, bool(lab)], strict=True))), began_at=began, seen_until=seen)
        for began, seen, *of, lab in rows
    ]
    hours = [hour for hour in machine_hours(spans) if first <= hour.hour < last]
    if not hours:
        return [], []
    window = _window(db, hours[0].hour, hours[-1].hour + HOUR_S)
    return hours, allocate(hours, [HourUse(*row) for row in db.rows(_USES, window)])


def _window(db: Connection, since: int, until: int) -> dict[str, Any]:
    """Which entries can have run in those hours: what was received up to an hour before, or is known to have taken longer."""
    ((long,),) = db.rows(_OLDEST_LONG, {"since": since})
    an_hour_before = f"fh-{max(0, since - HOUR_S) * 1000:012x}"
    return {"since": since, "until": until, "oldest": min(long or an_hour_before, an_hour_before)}


def _owned(db: Connection, wanted: str) -> dict[str, int]:
    """Each entry's part of the shares; none for an entry of which no machine has a cost."""
    ((began, ended),) = db.rows(_WHEN, (wanted,))
    if began is None:
        return {}
    _, shares = _hours_and_shares(db, began // HOUR_S * HOUR_S, ended + 1)
    if not shares:
        return {}
    cost = {(s.hour, s.target, s.model, s.workload, s.key): s.cost_nanousd for s in shares}
    found: dict[str, int] = {}
    window = _window(db, shares[0].hour, shares[-1].hour + HOUR_S)
    for ident, hour, target, model, workload, key, us, before, total in db.rows(_OF_ENTRIES, window | {"ids": wanted}):
        whole = cost.get((hour, target, model, workload, key))
        if whole is not None:
            found[ident] = found.get(ident, 0) + part_of(whole, before, us, total)
    return found


def _truth(lab: int | None) -> bool | None:
    return None if lab is None else bool(lab)
