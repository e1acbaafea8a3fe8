"""Which release served from when to when, with what its requests were and cost, from a ledger. Read-only, beside a writer.

When a release was in force is what the gateways put on record of their policies; what answered is what each attempt says itself.
"""

import msgspec

from freehold.core.releases import Release, Stretch, stretches_of
from freehold.serve.stores.connection import Connection
from freehold.serve.stores.opening import existing, reading
from freehold.serve.stores.place import LedgerPlace
from freehold.serve.stores.policies import kept_releases, kept_spans

# An entry belongs to the last span of its policy that began before it, or to its first where clocks differ.
_USE = """SELECT e.policy, coalesce(
        (SELECT max(s.began_at) FROM policy_spans s WHERE s.version = e.policy AND s.began_at <= e.received_at),
        (SELECT min(s.began_at) FROM policy_spans s WHERE s.version = e.policy)) AS began,
    e.workload, a.target, a.model, a.prompt, a.weights, count(DISTINCT e.id),
    count(*) FILTER (WHERE a.outcome = 'finished'), sum(a.cost_nanousd)
    FROM entries e JOIN attempts a ON a.entry_id = e.id GROUP BY 1, 2, 3, 4, 5, 6, 7"""


class Served(msgspec.Struct, kw_only=True):
    """One release's time (Unix seconds) and use: requests that were sent there, how many attempts brought their answer, and what
    they cost where they are rented. `unlike`: requests sent there meanwhile whose own rows name another release."""

    release: Release
    began_at: float
    seen_until: float
    current: bool
    requests: int = 0
    answered: int = 0
    cost_nanousd: int = 0
    unlike: int = 0


class ReleaseReader:
    """Opens the ledger for each view and lets go of it."""

    def __init__(self, place: LedgerPlace) -> None:
        """Raises BadSettings when there is no ledger at that place."""
        self._place = existing(place)

    def served(self, workload: str | None = None) -> list[Served]:
        """Every release on record, of one workload or of all, by workload, target and time. Raises BadSettings."""
        with reading(self._place) as db:
            stretches = stretches_of(kept_spans(db), kept_releases(db))
            found = _used(db, stretches) if stretches else []
        found = [one for one in found if workload in (None, one.release.workload)]
        return sorted(found, key=lambda one: (one.release.workload, one.release.target, one.began_at))


def _used(db: Connection, stretches: list[Stretch]) -> list[Served]:
    found = [
        Served(release=one.release, began_at=one.began_at, seen_until=one.seen_until, current=one.current) for one in stretches
    ]
    at = {
        (span, one.release.workload, one.release.target): served
        for one, served in zip(stretches, found, strict=True)
        for span in one.spans
    }
    for policy, began, workload, target, model, prompt, weights, requests, answered, cost in db.rows(_USE):
        served = at.get(((policy, began), workload, target))
        if served is None:
            continue  # older than the record of releases
        said = Release(workload=workload, target=target, model=model, prompt=prompt, weights=weights)
        if said != served.release:
            served.unlike += requests
            continue
        served.requests += requests
        served.answered += answered
        served.cost_nanousd += int(cost)
    return found
