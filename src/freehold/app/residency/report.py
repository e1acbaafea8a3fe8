"""Make the report: read the ledger once, judge each course of requests, and add up."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec

from freehold.app.residency.document import (
    Asked,
    ClassCount,
    Destination,
    Policy,
    Refusal,
    Residency,
    Rule,
    RuledOut,
    Seal,
    Verdict,
    Violation,
)
from freehold.app.residency.doubts import BEYOND, doubts
from freehold.app.residency.judging import RULES, judge
from freehold.app.residency.words import answer, command
from freehold.core.data import DataClass
from freehold.core.policy_facts import PolicyFacts
from freehold.serve.stores.columns import Span
from freehold.serve.stores.place import LedgerPlace
from freehold.serve.stores.residency import Course, LedgerRange, Place, ResidencyReader

# Other constraints are about what a server can do, what the caller chose, or money.
_ABOUT_DATA = frozenset({"data_class", "label", "region", "provider", "terms", "pinned", "egress"})
_BLOCKED = (("any target", "blocked content"),)


def residency(ledger: LedgerPlace, asked: Asked, made_at: float, evidence: int = 5) -> Residency:
    """Of the ledger as it is now. The same ledger and question give the same report, but for `made_at`. Raises BadSettings."""
    read = ResidencyReader(ledger).read(Span(asked.since, asked.until), made_at, evidence)
    courses = [course for course in read.courses if asked.holds(course.handled)]
    judged = [(course, [judge(course.handled, place, read.policies) for place in course.places]) for course in courses]
    classes = _classes(judged, read)
    made = Residency(
        made_at=made_at,
        ledger=str(ledger),
        asked=asked,
        first_at=read.first_at,
        answer="",
        requests=sum(count.requests for count in classes),
        attempts=sum(course.requests * len(course.places) for course in courses),
        violating=sum(count.violating for count in classes),
        unproven=sum(count.unproven for count in classes),
        rented=sum(count.rented for count in classes),
        classes=classes,
        destinations=_destinations(judged, read),
        violations=_violations(judged, evidence),
        refusals=_refusals(courses, evidence),
        ruled_out=_ruled_out(courses),
        policies=_policies(courses, read),
        rules=RULES,
        not_provable=doubts(asked, courses, read, made_at),
        beyond=BEYOND,
        seal=Seal(sha256=read.sha256, entries=read.entries, attempts=read.attempts),
        command=command(ledger, asked),
    )
    return msgspec.structs.replace(made, answer=answer(made))


_Judged: TypeAlias = Sequence[tuple[Course, list[tuple[Verdict, list[tuple[Rule, str]]]]]]


def _classes(judged: _Judged, read: LedgerRange) -> tuple[ClassCount, ...]:
    """Each request counts once in each column, however many attempts it took. The most sensitive class first."""
    found: dict[str, Counter[str]] = {}
    for course, verdicts in judged:
        counts = found.setdefault(course.handled.data_class, Counter())
        policy, met = read.policies.get(course.handled.policy), {verdict for verdict, _ in verdicts}
        left = any(_rented(place, policy) for place in course.places)
        counts["requests"] += course.requests
        counts["rented" if left else "owned" if course.places else "nowhere"] += course.requests
        counts["violating"] += course.requests if "violation" in met else 0
        counts["unproven"] += course.requests if "not_provable" in met and "violation" not in met else 0
    columns = [name for name in ClassCount.__struct_fields__ if name != "data_class"]
    return tuple(
        ClassCount(data_class=name, **{column: counts[column] for column in columns})
        for name, counts in sorted(found.items(), key=lambda item: (-_rank(item[0]), item[0]))
    )


def _rented(place: Place, policy: PolicyFacts | None) -> bool:
    """Whether its entry or its policy does not say that the place was owned."""
    if policy is None:
        return place.kind != "owned"
    facts = policy.targets.get(place.target)
    return facts is None or "rented" in (place.kind, facts.kind)


def _destinations(judged: _Judged, read: LedgerRange) -> tuple[Destination, ...]:
    """One for each class, labels, place as its policies had it, and verdict: most sensitive first."""
    found: dict[Destination, list[int]] = {}
    more: dict[Destination, tuple[set[str], set[str]]] = {}
    for course, verdicts in judged:
        met: set[Destination] = set()
        for place, (verdict, _) in zip(course.places, verdicts, strict=True):
            line = _line(course, place, verdict, read)
            counts = found.setdefault(line, [0, 0])
            counts[0] += 0 if line in met else course.requests
            counts[1] += course.requests
            met.add(line)
            workloads, policies = more.setdefault(line, (set(), set()))
            workloads.add(course.handled.workload)
            policies.add(course.handled.policy)
    lines = [
        msgspec.structs.replace(line, requests=counts[0], attempts=counts[1], workloads=_sorted(more[line][0]),
                                policies=_sorted(more[line][1]))
        for line, counts in found.items()
    ]  # fmt: skip
    return tuple(sorted(lines, key=lambda d: (-_rank(d.data_class), d.labels or (), d.kind, d.target, d.model, d.verdict)))


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))


def _line(course: Course, place: Place, verdict: Verdict, read: LedgerRange) -> Destination:
    handled, policy = course.handled, read.policies.get(course.handled.policy)
    facts = None if policy is None else policy.targets.get(place.target)
    line = Destination(
        data_class=handled.data_class, labels=handled.labels, target=place.target, kind=place.kind, model=place.model,
        lab=place.lab, verdict=verdict,
    )  # fmt: skip
    if facts is None:
        return line
    return msgspec.structs.replace(
        line, codec=facts.codec, provider=facts.provider, host=facts.host, regions=facts.regions, lab=facts.lab
    )


def _violations(judged: _Judged, evidence: int) -> tuple[Violation, ...]:
    found: dict[tuple[Rule, str, str, str], tuple[int, tuple[str, ...]]] = {}
    for course, verdicts in judged:
        broken = {
            (rule, told, place.target, course.handled.policy)
            for place, (_, own) in zip(course.places, verdicts, strict=True)
            for rule, told in own
        }
        for key in broken:
            requests, ids = found.get(key, (0, ()))
            found[key] = (requests + course.requests, tuple(sorted([*ids, *course.evidence])[:evidence]))
    return tuple(
        Violation(rule=rule, told=told, target=target, policy=policy, requests=requests, evidence=ids)
        for (rule, told, target, policy), (requests, ids) in sorted(found.items())
    )


def _refusals(courses: Iterable[Course], evidence: int) -> tuple[Refusal, ...]:
    found: dict[tuple[str, tuple[str, ...] | None, str, tuple[tuple[str, str], ...]], tuple[int, tuple[str, ...]]] = {}
    for course in courses:
        if course.refused:
            key = (course.handled.data_class, course.handled.labels, course.handled.workload, course.removed or _BLOCKED)
            requests, ids = found.get(key, (0, ()))
            found[key] = (requests + course.requests, tuple(sorted([*ids, *course.evidence])[:evidence]))
    ordered = sorted(found.items(), key=lambda item: (-_rank(item[0][0]), -item[1][0], item[0][2]))
    return tuple(
        Refusal(data_class=name, labels=labels, workload=workload, because=because, requests=requests, evidence=ids)
        for (name, labels, workload, because), (requests, ids) in ordered
    )


def _ruled_out(courses: Iterable[Course]) -> tuple[RuledOut, ...]:
    counted: Counter[tuple[str, str, str]] = Counter()
    for course in courses:
        for target, constraint in course.removed:
            if constraint in _ABOUT_DATA:
                counted[course.handled.data_class, target, constraint] += course.requests
    ordered = sorted(counted.items(), key=lambda item: (-_rank(item[0][0]), item[0]))
    return tuple(RuledOut(data_class=c, target=t, constraint=why, requests=n) for (c, t, why), n in ordered)


def _policies(courses: Iterable[Course], read: LedgerRange) -> tuple[Policy, ...]:
    """Those that requests of the report were served under, in the order they were first loaded; unknown ones first."""
    counted: Counter[str] = Counter()
    for course in courses:
        counted[course.handled.policy] += course.requests
    found = []
    for version, requests in counted.items():
        kept = read.policies.get(version)
        targets = None if kept is None else tuple(facts for _, facts in sorted(kept.targets.items()))
        found.append(
            Policy(version=version, loaded_at=None if kept is None else kept.loaded_at, requests=requests, targets=targets)
        )
    return tuple(sorted(found, key=lambda policy: (policy.loaded_at or 0.0, policy.version)))


def _rank(data_class: str) -> int:
    """An unknown class first: it is what to look at."""
    return DataClass.__members__.get(data_class, len(DataClass))
