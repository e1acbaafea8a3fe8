"""How requests were handled, from a ledger: what was found in them, which constraint removed which target, what was refused.

The database groups; what comes out is a few rows. Read-only, and beside a running writer.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias, TypeVar

import msgspec

from freehold.core.decision import Removed
from freehold.serve.stores.connection import Connection, Row
from freehold.serve.stores.opening import existing, reading
from freehold.serve.stores.place import LedgerPlace

By: TypeAlias = Literal["team", "user", "key", "target", "workload", "class"]

_COLUMNS: dict[By, str] = {
    "team": "team", "user": "user_id", "key": "key", "target": "target", "workload": "workload", "class": "data_class",
}  # fmt: skip
_GROUPS = """SELECT %s, count(*), count(*) FILTER (WHERE outcome = 'finished'), count(*) FILTER (WHERE outcome = 'refused'),
    sum(spilled), coalesce(sum(uncached_input + coalesce(cache_read, 0) + coalesce(cache_write, 0)), 0),
    coalesce(sum(answer_output + coalesce(reasoning, 0)), 0), sum(cost_nanousd), count(*) FILTER (WHERE %s = 1)
    FROM entries GROUP BY 1 ORDER BY 1 NULLS FIRST"""
_REMOVED = """SELECT removed, count(*), count(*) FILTER (WHERE outcome = 'refused') FROM entries WHERE removed IS NOT NULL
    GROUP BY removed"""
_FOUND = """SELECT findings, count(*), count(*) FILTER (WHERE outcome = 'refused') FROM entries WHERE findings IS NOT NULL
    GROUP BY findings"""
_SENT = """SELECT e.findings, a.target, a.kind, count(DISTINCT e.id), max(CASE WHEN a.target = e.target THEN e.lab END)
    FROM entries e JOIN attempts a ON a.entry_id = e.id WHERE e.findings IS NOT NULL GROUP BY e.findings, a.target, a.kind"""
_REFUSED = """SELECT error_code, status, workload, %s, findings IS NOT NULL, count(*) FROM entries WHERE outcome = 'refused'
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 1 NULLS FIRST, 2, 3, 4 NULLS FIRST, 5"""
_NUMBER = re.compile(r"\d[\d.,]*")
_K = TypeVar("_K")
_removed = msgspec.json.Decoder(tuple[Removed, ...])
_findings = msgspec.json.Decoder(dict[str, int])


class Group(msgspec.Struct, frozen=True):
    """Requests of one team, user, key, target, workload or class; `name` None: of none. `lab` of them ended at a stand-in."""

    name: str | None
    requests: int
    answered: int
    refused: int
    spilled: int
    input_tokens: int
    output_tokens: int
    cost_nanousd: int
    lab: int


class Removal(msgspec.Struct, frozen=True):
    """How many requests a constraint took a target from; `refused` of them were refused in the end. In `detail` # is a number."""

    constraint: str
    target: str
    detail: str
    requests: int
    refused: int


class SentTo(msgspec.Struct, frozen=True):
    """How many requests were sent to a target, in however many attempts each."""

    target: str
    kind: str
    lab: bool
    requests: int


class Finding(msgspec.Struct, frozen=True):
    """One kind of sensitive value: how many there were, in how many requests, and where those went. Never a value."""

    kind: str
    found: int
    requests: int
    refused: int
    sent: tuple[SentTo, ...]


class Refusal(msgspec.Struct, frozen=True):
    """Requests that were sent nowhere or turned away, by what the caller was told; `sensitive`: something was found in them."""

    code: str | None
    status: int
    workload: str
    team: str | None
    sensitive: bool
    requests: int


class HandlingReader:
    """Opens the ledger for each view and lets go of it. Where an older version kept none of it, there is nothing to show."""

    def __init__(self, place: LedgerPlace) -> None:
        """Raises BadSettings when there is no ledger at that place."""
        self._place = existing(place)

    def groups(self, by: By) -> list[Group]:
        """Totals by one of the columns, the most requests first."""
        with reading(self._place) as db:
            known = db.columns("entries")
            column, lab = (name if name in known else "NULL" for name in (_COLUMNS[by], "lab"))
            rows = db.rows(_GROUPS % (column, "lab" if lab == "lab" else "0"))
        return sorted((Group(*row) for row in rows), key=lambda group: -group.requests)

    def removals(self) -> list[Removal]:
        """Every constraint with the targets it removed, the commonest first."""
        requests: Counter[tuple[str, str, str]] = Counter()
        refused: Counter[tuple[str, str, str]] = Counter()
        with reading(self._place) as db:
            for text, count, without in db.stream(_REMOVED):
                for key in set(_reasons(text)):
                    requests[key] += count
                    refused[key] += without
        return [
            Removal(*key, count, refused[key]) for key, count in sorted(requests.items(), key=lambda item: (-item[1], item[0]))
        ]

    def findings(self, groups: Mapping[str, str] | None = None) -> list[Finding]:
        """Every kind that was found, in the most requests first; kinds of one group, such as a label, count as one kind."""
        with reading(self._place) as db:
            if "findings" not in db.columns("entries"):
                return []
            return _by_kind(db.rows(_FOUND), db.rows(_SENT), groups or {})

    def refusals(self) -> list[Refusal]:
        """What callers were refused, and with what."""
        with reading(self._place) as db:
            return [
                Refusal(code, status, workload, team, bool(sensitive), requests)
                for code, status, workload, team, sensitive, requests in db.rows(_refused_sql(db))
            ]


def _refused_sql(db: Connection) -> str:
    known = db.columns("entries")
    sql = _REFUSED % ("team" if "team" in known else "NULL")
    return sql if "findings" in known else sql.replace("findings IS NOT NULL", "1 = 0")


def _reasons(text: str) -> list[tuple[str, str, str]]:
    """Constraint, target and detail, without the numbers, which differ from request to request."""
    try:
        return [(one.constraint, one.target, _NUMBER.sub("#", one.detail)) for one in _removed.decode(text)]
    except msgspec.DecodeError:
        return [("unreadable", "?", "")]


def _kinds(text: str, groups: Mapping[str, str]) -> Counter[str]:
    found: Counter[str] = Counter()
    try:
        for kind, number in _findings.decode(text).items():
            found[groups.get(kind, kind)] += number
    except msgspec.DecodeError:
        found["unreadable"] += 1
    return found


def _by_kind(found: Iterable[Row], sent: Iterable[Row], groups: Mapping[str, str]) -> list[Finding]:
    values: Counter[str] = Counter()
    requests: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    went: dict[str, Counter[tuple[str, str]]] = {}
    lab: set[tuple[str, str]] = set()
    for text, count, without in found:
        for kind, number in _kinds(text, groups).items():
            values[kind] += number * count
            requests[kind] += count
            refused[kind] += without
    for text, target, whose, count, at_lab in sent:
        lab |= {(target, whose)} if at_lab else set()
        for kind in _kinds(text, groups):
            went.setdefault(kind, Counter())[target, whose] += count
    return [
        Finding(
            kind, values[kind], count, refused[kind],
            tuple(SentTo(*to, to in lab, n) for to, n in _commonest(went.get(kind, Counter()))),
        )
        for kind, count in _commonest(requests)
    ]  # fmt: skip


def _commonest(counts: Counter[_K]) -> list[tuple[_K, int]]:
    """Like `most_common`, and the same for the same counts."""
    return sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
