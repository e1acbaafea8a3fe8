"""What a bill is made of, from a ledger: rented attempts with their price cards, and imported use that had a cost.

Read-only, row by row, in one view beside a running writer. A request's id begins with the time it was received, so a span of time
is a range of the primary key.
"""

from collections.abc import Iterator, Mapping

import msgspec

from freehold.core.ids import request_id
from freehold.core.price import PriceCard
from freehold.core.usage import Bucket
from freehold.rules.allocation import HOUR_S
from freehold.rules.charges import TOKEN_METERS, Billed, ImportedUse
from freehold.serve.stores.connection import Connection
from freehold.serve.stores.opening import existing, reading
from freehold.serve.stores.place import LedgerPlace

_ID_TIME = 15  # "fh-" and 12 hex digits of milliseconds
_EVER = 253_402_300_800.0  # the year 10000, in Unix seconds
_WITHIN = "e.id >= :low AND e.id < :high AND e.received_at >= :since AND e.received_at < :until"
# The kinds of token that are priced apart, and the bucket of an attempt's row that each is part of.
_KINDS: Mapping[Bucket, Bucket] = {
    "cache_write_1h": "cache_write", "input_audio": "input", "cache_read_audio": "cache_read", "output_audio": "output",
}  # fmt: skip
_COLUMNS: Mapping[Bucket, str] = {"input": "uncached_input", "output": "answer_output"}
_ATTEMPTS = f"""SELECT e.received_at, e.workload, e.key, e.policy, e.target, %s, a.target, a.model, a.usage_source,
    %s, a.cost_nanousd, a.price_id
    FROM entries e JOIN attempts a ON a.entry_id = e.id
    WHERE {_WITHIN} AND a.kind = 'rented' AND (a.uncached_input IS NOT NULL OR a.cost_nanousd <> 0) ORDER BY e.id, a.n"""  # noqa: S608 (fixed names)
_SERVED_BY = "SELECT lab FROM entries WHERE policy = ? AND target = ? AND lab IS NOT NULL LIMIT 1"
# Use that fits in one hour is summed by the hour; a longer sum keeps its own time. Cost is not told apart by kind of token, so
# a row has a meter of its own only where all its tokens are of one kind.
_IMPORTED = """SELECT start, ending, provider, model, workload, kind, CASE WHEN count(requests) = count(*) THEN sum(requests) END,
    sum(input_tokens), sum(cache_read), sum(output_tokens), sum(cost_nanousd)
    FROM (SELECT *, CASE WHEN short THEN hour ELSE CAST(time AS INTEGER) END AS start,
        CASE WHEN short THEN hour + 3600 ELSE CAST(time + bucket_s AS INTEGER) END AS ending,
        CASE WHEN input_tokens = 0 THEN 'output' WHEN output_tokens > 0 THEN NULL
            WHEN cache_read = input_tokens THEN 'cache_read' WHEN cache_read = 0 THEN 'input' END AS kind
        FROM (SELECT *, CAST(time AS INTEGER) / 3600 * 3600 AS hour,
            bucket_s IS NULL OR time + bucket_s <= CAST(time AS INTEGER) / 3600 * 3600 + 3600 AS short
            FROM imported WHERE cost_nanousd IS NOT NULL AND time >= :since AND time < :until) hourly) metered
    GROUP BY start, ending, provider, model, workload, kind
    ORDER BY start, ending, provider NULLS FIRST, model NULLS FIRST, workload, kind NULLS FIRST"""
_WITHOUT_COST = "SELECT count(*) FROM imported WHERE cost_nanousd IS NULL AND time >= :since AND time < :until"


class ChargesReader:
    """Opens the ledger for each view and lets go of it. `since` and `until` are Unix seconds; None: no limit."""

    def __init__(self, place: LedgerPlace, since: float | None = None, until: float | None = None) -> None:
        """Raises BadSettings when there is no ledger at that place, or none that can be read."""
        self._place = existing(place)
        since, until = 0.0 if since is None else since, _EVER if until is None else until
        self._window = {
            "since": since, "until": until, "low": request_id(since)[:_ID_TIME], "high": request_id(until + 0.001)[:_ID_TIME],
        }  # fmt: skip
        with reading(self._place) as db:
            # Machines came in the same version that says which entries a stand-in served.
            self._knows_lab = db.has("machine_spans")
            self._attempts = _ATTEMPTS % ("e.lab" if self._knows_lab else "NULL", _tokens(db.columns("attempts")))

    def entries(self) -> int:
        """How many entries the time has, for whoever shows progress."""
        with reading(self._place) as db:
            ((found,),) = db.rows("SELECT count(*) FROM entries e WHERE e.id >= :low AND e.id < :high", self._window)
            return int(found)

    def attempts(self) -> Iterator[Billed]:
        """Every rented attempt that used or cost anything, in order of time."""
        with reading(self._place) as db:
            cards = {ident: msgspec.json.decode(card, type=PriceCard) for ident, card in db.rows("SELECT id, card FROM prices")}
            served: dict[tuple[str, str], bool | None] = {}
            for row in db.stream(self._attempts, self._window):
                received, workload, key, policy, last_target, lab, target, model, source, *tokens, cost, price_id = row
                card = cards.get(price_id)
                if lab is None or target != last_target:  # the entry speaks of its last target only
                    who = (policy, target)
                    if who not in served:
                        served[who] = _served_by_lab(db, who) if self._knows_lab else None
                    lab = served[who]
                if lab is None:
                    lab = card is not None and card.provider == "lab"
                hour = int(received) // HOUR_S * HOUR_S
                yield Billed(
                    hour, target, model, workload, key, bool(lab), source, tuple(tokens), cost, price_id, card
                )  # fmt: skip

    def machines_seen(self) -> tuple[float, float] | None:
        """From when till when the ledger has machines, within the time asked for; None where it has none."""
        if not self._knows_lab:  # nor machines, which came with it
            return None
        with reading(self._place) as db:
            ((began, ended),) = db.rows("SELECT min(began_at), max(seen_until) FROM machine_spans")
        if began is None:
            return None
        first, last = max(began // HOUR_S * HOUR_S, self._window["since"]), min(ended, self._window["until"])
        return (first, last) if first < last else None

    def imported(self) -> Iterator[ImportedUse]:
        """Imported use whose source said what it cost, in order of time."""
        with reading(self._place) as db:
            if db.has("imported"):
                for row in db.stream(_IMPORTED, self._window):
                    yield ImportedUse(*row)

    def imported_without_cost(self) -> int:
        """How many imported rows have no cost, and so no place in a bill."""
        with reading(self._place) as db:
            return int(db.rows(_WITHOUT_COST, self._window)[0][0]) if db.has("imported") else 0


def _tokens(known: frozenset[str]) -> str:
    """The token meters of an attempt, none of them counting another's tokens; an older ledger does not tell all apart."""

    def counted(bucket: Bucket) -> str:
        column = _COLUMNS.get(bucket, bucket)
        return f"coalesce(a.{column}, 0)" if column in known else "0"

    of_kind = {whole: f"{counted(whole)} - {counted(kind)}" for kind, whole in _KINDS.items()}
    return ", ".join(of_kind.get(meter, counted(meter)) for meter in TOKEN_METERS)


def _served_by_lab(db: Connection, who: tuple[str, str]) -> bool | None:
    """Whether that target was a stand-in under that policy; None where no entry ended there."""
    found = db.rows(_SERVED_BY, who)
    return bool(found[0][0]) if found else None
