"""How a ledger's workloads were served of late: how much of each is owned, and what its rented answers were priced at."""

from typing import Any

import msgspec

from freehold.core.price import PriceCard
from freehold.serve.stores.opening import reading
from freehold.serve.stores.place import LedgerPlace

_NEWEST = 100_000  # what is usual now, not what was a year ago; and a bounded read of any ledger

_OWNED = """SELECT workload, avg(CASE WHEN basis = 'owned' THEN 1.0 ELSE 0.0 END)
    FROM (SELECT workload, basis FROM entries WHERE outcome = 'finished' ORDER BY id DESC LIMIT ?) newest
    WHERE basis IS NOT NULL GROUP BY workload"""
_PRICED = """SELECT e.workload, p.card FROM (SELECT id, workload FROM entries ORDER BY id DESC LIMIT ?) e
    JOIN attempts a ON a.entry_id = e.id JOIN prices p ON p.id = a.price_id WHERE a.kind = 'rented'
    GROUP BY e.workload, p.id ORDER BY e.workload, count(*), p.id"""
_IMPORTED = """SELECT workload, provider || '/' || model FROM
    (SELECT workload, provider, model, input_tokens + output_tokens AS tokens FROM imported
    WHERE provider IS NOT NULL AND model IS NOT NULL ORDER BY source DESC, line DESC, part DESC LIMIT ?) newest
    GROUP BY workload, provider, model ORDER BY workload, sum(tokens), model"""


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """One workload: the share of its answers that owned targets gave (None: none was seen), the price card most of its rented
    attempts were billed at, and the `provider/model` most of its imported tokens were used at."""

    owned_share: float | None = None
    card: PriceCard | None = None
    imported_model: str | None = None


def uses(place: LedgerPlace) -> dict[str, Use]:
    """By workload. Raises BadSettings on what is no ledger."""
    found: dict[str, Use] = {}

    def put(workload: str, **values: Any) -> None:
        found[workload] = msgspec.structs.replace(found.get(workload, Use()), **values)

    with reading(place) as db:
        for workload, share in db.rows(_OWNED, (_NEWEST,)):
            put(workload, owned_share=share)
        for workload, card in db.rows(_PRICED, (_NEWEST,)):
            put(workload, card=msgspec.json.decode(card, type=PriceCard))
        if db.has("imported"):
            for workload, model in db.rows(_IMPORTED, (_NEWEST,)):
                put(workload, imported_model=model)
    return found
