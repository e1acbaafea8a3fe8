"""What a ledger knows of where data went: every request of a period with all places it was sent to, counted by like ones.

One pass in the order of the ids, whatever the number of entries. The same pass makes the hash of the range and finds what does
not fit together. The hash is SHA-256 over lines of JSON: for each attempt (for an entry without one: for the entry) the columns
`HASHED`, by id and number; then for each policy those entries name its facts, by version and target.
"""

import hashlib
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice

import msgspec

from freehold.core.decision import Removed
from freehold.core.policy_facts import Demanded, PolicyFacts, PolicySpan, stretches
from freehold.serve.stores.columns import Span
from freehold.serve.stores.connection import Connection, Row
from freehold.serve.stores.opening import existing, reading
from freehold.serve.stores.place import LedgerPlace
from freehold.serve.stores.policies import kept_policies, kept_spans

SLACK_S = 60.0  # what a record may lack: the beat of a process that was killed, and how far clocks of several machines differ
HASHED = tuple(
    "e.id e.received_at e.total_s e.outcome e.error_code e.removed e.target e.key e.status e.asked_model e.policy e.workload "
    "e.data_class e.regions e.labels e.demanded a.target a.kind a.model e.lab a.n a.started_s a.outcome".split()
)
_HANDLED, _PLACE, _NUMBER = slice(10, 16), slice(16, 19), 20
_JUDGED = (*HASHED[_HANDLED], *HASHED[_PLACE])
_KEPT_BACK = frozenset({"no_target_allowed", "content_blocked"})
_CHUNK_ROWS = 5_000
_IMPORTED = "SELECT count(*), coalesce(sum(requests), 0) FROM imported WHERE 1 = 1"
_ORPHANS = """SELECT count(*) FROM attempts a WHERE entry_id >= ? AND entry_id < ?
    AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.id = a.entry_id)"""
_removed = msgspec.json.Decoder(tuple[Removed, ...])
_lines = msgspec.json.Encoder()


class Handled(msgspec.Struct, frozen=True, kw_only=True):
    """How a request's data was to be handled, as its entry says. None in `labels` or `demanded`: that was not kept then;
    in `regions`: none were demanded. A column of labels counts more than those among the demands."""

    policy: str
    workload: str
    data_class: str
    regions: tuple[str, ...] | None
    labels: tuple[str, ...] | None
    demanded: Demanded | None


class Place(msgspec.Struct, frozen=True):
    """Where one attempt went, as its row says; `lab` where the entry says that it ended at a stand-in there."""

    target: str
    kind: str
    model: str
    lab: bool


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """Requests handled alike that were sent to the same places in the same order; `refused`: because none was
    allowed, or its content was forbidden to go anywhere.
    `removed` are targets that could not serve them, each with its constraint. `evidence` are the first ids."""

    handled: Handled
    places: tuple[Place, ...]
    refused: bool
    removed: tuple[tuple[str, str], ...]
    requests: int
    evidence: tuple[str, ...]


class Tally(msgspec.Struct):
    """How many requests, and the first of their ids."""

    requests: int = 0
    evidence: list[str] = []

    def add(self, ident: str, most: int) -> None:
        """One more."""
        self.requests += 1
        if len(self.evidence) < most:
            self.evidence.append(ident)


class LedgerRange(msgspec.Struct, frozen=True, kw_only=True):
    """All that the ledger says of a period. `irregular`: by name, entries that do not fit together. Times in Unix seconds."""

    courses: tuple[Course, ...]
    irregular: Mapping[str, Tally]
    orphans: int
    policies: Mapping[str, PolicyFacts]
    spans: tuple[PolicySpan, ...]
    imported_rows: int
    imported_requests: int
    entries: int
    attempts: int
    first_at: float | None
    last_at: float | None
    sha256: str


class Sent(msgspec.Struct, frozen=True):
    """Attempts of requests handled alike at one place; every attempt counts, not only the last."""

    handled: Handled
    place: Place
    attempts: int


class ResidencyReader:
    """Opens the ledger for one state of it and lets go of it."""

    def __init__(self, place: LedgerPlace) -> None:
        """Raises BadSettings when there is no ledger at that place."""
        self._place = existing(place)

    def read(self, span: Span, now: float, evidence: int) -> LedgerRange:
        """The requests received in that time, with at most so many ids of each kind. Raises BadSettings."""
        with reading(self._place) as db:
            spans = kept_spans(db)
            gathered = _Gathering(spans, now, evidence)
            within, bounds = span.condition("e.received_at")
            rows = db.stream(f"{_select(db)} WHERE 1 = 1{within} ORDER BY e.id, a.n", bounds)
            while chunk := list(islice(rows, _CHUNK_ROWS)):
                gathered.take(chunk)
            gathered.end()
            policies = kept_policies(db)
            used = {handled[0] for handled, _, _, _ in gathered.courses}
            policies = {version: facts for version, facts in policies.items() if version in used}
            gathered.seal(policies)
            during, times = span.condition("time")
            imported = db.rows(_IMPORTED + during, times) if db.has("imported") else [(0, 0)]
            _displaced(db, span, gathered.irregular, evidence)
            ((orphans,),) = db.rows(_ORPHANS, _ids(span))
        return LedgerRange(
            courses=tuple(_course(key, tally) for key, tally in gathered.courses.items()), irregular=gathered.irregular,
            orphans=orphans, policies=policies, spans=tuple(spans), imported_rows=imported[0][0],
            imported_requests=imported[0][1], entries=gathered.entries, attempts=gathered.attempts, first_at=gathered.first_at,
            last_at=gathered.last_at, sha256=gathered.digest.hexdigest(),
        )  # fmt: skip

    def sent(self) -> tuple[list[Sent], Mapping[str, PolicyFacts]]:
        """Everything that was ever sent anywhere, counted by the database, with the policies on record. Raises BadSettings."""
        with reading(self._place) as db:
            names = [name for name in _JUDGED if name[0] == "a" or name[2:] in db.columns("entries")]
            grouped = ", ".join(names)
            lab = "max(CASE WHEN e.target = a.target THEN e.lab END)" if "lab" in db.columns("entries") else "0"
            source = f"FROM attempts a JOIN entries e ON e.id = a.entry_id GROUP BY {grouped}"
            found: list[Sent] = []
            for *row, at_lab, attempts in db.rows(f"SELECT {grouped}, {lab}, count(*) {source}"):
                kept = dict(zip(names, row, strict=True))
                place = Place(kept["a.target"], kept["a.kind"], kept["a.model"], bool(at_lab))
                found.append(Sent(_handled(tuple(kept.get(name) for name in HASHED[_HANDLED])), place, attempts))
            return found, kept_policies(db)


_Key = tuple[Row, tuple[Row, ...], bool, tuple[tuple[str, str], ...]]


class _Gathering:
    """Takes the rows in their order and counts courses. An entry's rows stand one behind the other."""

    def __init__(self, spans: Iterable[PolicySpan], now: float, evidence: int) -> None:
        self.courses: dict[_Key, Tally] = {}
        self.irregular: dict[str, Tally] = {}
        self.digest = hashlib.sha256()
        self.entries = self.attempts = 0
        self.first_at: float | None = None
        self.last_at: float | None = None
        self._now, self._evidence = now, evidence
        self._head: Row | None = None
        self._places: list[Row] = []
        self._whole = True
        by_version: dict[str, list[PolicySpan]] = {}
        for span in spans:
            by_version.setdefault(span.version, []).append(span)
        self._attended = {version: stretches(own, SLACK_S) for version, own in by_version.items()}

    def take(self, rows: list[Row]) -> None:
        """The next rows."""
        self.digest.update(_lines.encode_lines(rows))
        head, places = self._head, self._places
        for row in rows:
            if head is None or row[0] != head[0]:
                self.end()
                head, places = row, []
                self._head, self._places, self._whole = head, places, True
            if row[_NUMBER] is not None:
                self._whole &= row[_NUMBER] == len(places)
                places.append((*row[_PLACE], row[6] == row[16] and bool(row[19])))

    def end(self) -> None:
        """The entry before is whole: count it, and look whether it fits together."""
        head, places = self._head, self._places
        if head is None:
            return
        ident, received_at, total_s, outcome, error, removed, target = head[:7]
        key = (head[_HANDLED], tuple(places), outcome == "refused" and error in _KEPT_BACK, _pairs(removed) if removed else ())
        tally = self.courses.get(key)
        if tally is None:
            tally = self.courses[key] = Tally()
        tally.add(ident, self._evidence)
        self.entries += 1
        self.attempts += len(places)
        if self.first_at is None or received_at < self.first_at:
            self.first_at = received_at
        if self.last_at is None or received_at > self.last_at:
            self.last_at = received_at
        if (places[-1][0] if places else None) != target or not self._whole or (outcome == "finished" and not places):
            self._odd("incomplete", ident)
        if _milliseconds(ident) != int(received_at * 1000) or total_s < 0:
            self._odd("clock", ident)
        if received_at > self._now:
            self._odd("future", ident)
        if not self._attended_at(head[10], received_at):
            self._odd("unattended", ident)

    def seal(self, policies: Mapping[str, PolicyFacts]) -> None:
        """The facts that the entries are judged by are part of what is hashed."""
        for version, facts in sorted(policies.items()):
            for name, target in sorted(facts.targets.items()):
                self.digest.update(_lines.encode_lines([(version, name, facts.loaded_at, target)]))

    def _attended_at(self, version: str, time: float) -> bool:
        """Whether a gateway with that policy was on record then; of a policy that has no such record, nothing is said."""
        own = self._attended.get(version)
        if own is None:
            return True
        place = bisect_right(own, (time + SLACK_S, math.inf)) - 1
        return place >= 0 and time <= own[place][1] + SLACK_S

    def _odd(self, name: str, ident: str) -> None:
        self.irregular.setdefault(name, Tally()).add(ident, self._evidence)


def _select(db: Connection) -> str:
    """All hashed columns; NULL for those that the ledger's version does not have."""
    known = db.columns("entries")
    names = [name if name[0] == "a" or name[2:] in known else "NULL" for name in HASHED]
    return f"SELECT {', '.join(names)} FROM entries e LEFT JOIN attempts a ON a.entry_id = e.id"  # noqa: S608 (fixed names)


def _ids(span: Span) -> tuple[str, str]:
    """Between which ids those lie that were given in that time: an id begins with its milliseconds."""
    low = "" if span.since is None else f"fh-{math.ceil(span.since * 1000):012x}"
    return low, "fi" if span.until is None else f"fh-{math.floor(span.until * 1000):012x}"


def _displaced(db: Connection, span: Span, irregular: dict[str, Tally], evidence: int) -> None:
    """Entries whose ids say that they belong into the period, while their time says otherwise."""
    within, bounds = span.condition("received_at")
    if not bounds:
        return
    sql = f"SELECT id FROM entries WHERE id >= ? AND id < ? AND NOT (1 = 1{within}) ORDER BY id"  # noqa: S608 (fixed text)
    for (ident,) in db.stream(sql, [*_ids(span), *bounds]):
        irregular.setdefault("displaced", Tally()).add(ident, evidence)


def _milliseconds(ident: str) -> int | None:
    try:
        return int(ident[3:15], 16) if ident.startswith("fh-") else None
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _pairs(removed: str) -> tuple[tuple[str, str], ...]:
    """Targets and constraints, without the details, which may differ from request to request."""
    try:
        return tuple((one.target, one.constraint) for one in _removed.decode(removed))
    except msgspec.DecodeError:
        return (("?", "unreadable"),)


def _handled(row: Row) -> Handled:
    policy, workload, data_class, regions, labels, text = row
    demanded = _demanded(text)
    named = _names(labels)
    if named is None and demanded is not None:
        named = demanded.labels
    return Handled(
        policy=policy, workload=workload, data_class=data_class, regions=_names(regions), labels=named, demanded=demanded
    )


def _course(key: _Key, tally: Tally) -> Course:
    handled, places, refused, removed = key
    return Course(
        handled=_handled(handled), places=tuple(Place(*place) for place in places), refused=refused, removed=removed,
        requests=tally.requests, evidence=tuple(tally.evidence),
    )  # fmt: skip


def _names(text: str | None) -> tuple[str, ...] | None:
    """Names as the ledger has them: parted by commas."""
    if text is None:
        return None
    return tuple(text.split(",")) if text else ()


def _demanded(text: str | None) -> Demanded | None:
    """What cannot be read counts as not kept."""
    try:
        return None if text is None else msgspec.json.decode(text, type=Demanded)
    except msgspec.DecodeError:
        return None
