"""What the report cannot prove: by the ledger of this period, and by any ledger."""

from collections.abc import Iterable, Sequence

import msgspec

from freehold.app.residency.document import Asked, Doubt
from freehold.app.residency.words import ODD, moment
from freehold.core.data import DataClass
from freehold.core.policy_facts import stretches
from freehold.serve.stores.residency import SLACK_S, Course, LedgerRange, Tally

BEYOND = (
    "What did not go through this gateway: a program that calls a provider itself is in no ledger.",
    "Whether an operator keeps its word: regions, retention, training and agreements are what your configuration said of it.",
    "Whether the data class was right: it is what workload, key and caller declared, and what was found in the request.",
    "Where a machine stood: that a target is owned, and in which region, is what your configuration said at the time.",
    "That nobody with access to the database changed rows so that they still fit together: keep the hash of this report, with "
    "its date, where they cannot reach it. A later report on the same period must show the same.",
)
_RUNNING_S = 900.0
_SHOWN_GAPS = 5


def doubts(asked: Asked, courses: Sequence[Course], read: LedgerRange, made_at: float) -> tuple[Doubt, ...]:
    """Of this ledger and period; what concerns single requests first."""
    found = [*_unjudged(courses, read), *_not_kept(asked, courses, read)]
    irregular = {**read.irregular, "orphans": Tally(read.orphans)}
    for kind, told in ODD.items():
        odd = irregular.get(kind, Tally())
        if odd.requests:
            found.append(Doubt(kind=kind, told=f"{told}: {odd.requests:,}.", requests=odd.requests, evidence=tuple(odd.evidence)))
    found += _gaps(asked, read)
    if read.imported_rows:
        told = f"Imported rows of the period: {read.imported_rows:,}. That use was not served here and is in no figure."
        found.append(Doubt(kind="imported", told=told))
    if asked.until > made_at - _RUNNING_S:
        told = (
            "The period reaches to the moment of the report. Requests still running then are added to the ledger when they end, "
            "and a report made again will have them, and another hash."
        )
        found.append(Doubt(kind="running", told=told))
    lab = sum(course.requests for course in courses if _at_lab(course, read))
    if lab:
        told = f"Requests sent to lab stand-ins, servers that play a provider or an engine: {lab:,}."
        found.append(Doubt(kind="lab", told=told, requests=lab))
    return tuple(found)


def _unjudged(courses: Iterable[Course], read: LedgerRange) -> Iterable[Doubt]:
    sent = [course for course in courses if course.places]
    without = [course for course in sent if course.handled.policy not in read.policies]
    if without:
        versions = ", ".join(sorted({course.handled.policy for course in without}))
        yield _about(
            "no_facts", without, f"Requests served under policies of which the ledger has no record ({versions})",
            "What their targets were cleared for, where and on which terms, is not known: they are not counted as allowed.",
        )  # fmt: skip
    if unknown := [course for course in sent if course.handled.data_class not in DataClass.__members__]:
        yield _about("data_class", unknown, "Requests of a data class that does not exist", "They cannot be judged.")


def _not_kept(asked: Asked, courses: Iterable[Course], read: LedgerRange) -> Iterable[Doubt]:
    """Where labels are not kept, a report on one label must look at those requests too: any of them may have had it."""
    near = msgspec.structs.replace(asked, label=None)
    if bare := [c for c in read.courses if near.holds(c.handled) and c.places and c.handled.labels is None]:
        yield _about("labels", bare, "Requests without labels on record", "Whether they had any, such as phi, is not known.")
    if bare := [course for course in courses if course.places and course.handled.demanded is None]:
        yield _about(
            "demanded", bare, "Requests without demands on record",
            "They were not judged on retention, training, providers, fixed versions and egress.",
        )  # fmt: skip


def _about(kind: str, courses: Sequence[Course], which: str, so: str) -> Doubt:
    requests = sum(course.requests for course in courses)
    evidence = sorted(ident for course in courses for ident in course.evidence)[: len(courses[0].evidence)]
    return Doubt(kind=kind, told=f"{which}: {requests:,}. {so}", requests=requests, evidence=tuple(evidence))


def _gaps(asked: Asked, read: LedgerRange) -> Iterable[Doubt]:
    """The times of the period in which no gateway was on record. Where none ever was, that is the doubt."""
    first = asked.since if asked.since is not None else read.first_at
    if first is None:
        return
    if not read.spans:
        yield Doubt(
            kind="no_record", told="The ledger does not say when gateways were running; it was written by an older version."
        )
        return
    gaps, at = [], first
    for began, until in [*stretches(read.spans, SLACK_S), (asked.until, asked.until)]:
        if min(began, asked.until) - at > SLACK_S:
            gaps.append((at, min(began, asked.until)))
        at = max(at, until)
    if gaps:
        total_h = sum(end - begin for begin, end in gaps) / 3600
        longest = sorted(sorted(gaps, key=lambda gap: gap[0] - gap[1])[:_SHOWN_GAPS])
        shown = "; ".join(f"{moment(begin)} to {moment(end)}" for begin, end in longest)
        rest = f" and {len(gaps) - len(longest):,} shorter ones" if len(gaps) > len(longest) else ""
        told = f"No gateway that writes this ledger was on record for {total_h:,.1f} hours of the period ({shown}{rest})."
        yield Doubt(kind="gaps", told=told)


def _at_lab(course: Course, read: LedgerRange) -> bool:
    policy = read.policies.get(course.handled.policy)
    known = {} if policy is None else policy.targets
    return any(place.lab or (place.target in known and known[place.target].lab) for place in course.places)
