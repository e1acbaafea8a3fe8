"""One verdict for a workload from the six answers: the default is rent, and what comes first in the checklist weighs most.

Money has to be likely (0.8), or more likely than not where a model must stay pinned for a year; evidence has to exist. Only a
hard constraint overrules both, because then there is nothing to rent.
"""

from freehold.plan.verdict.checklist import UNLIKELY, Evidence, Judgement, Money, Operator, Step, Verdict
from freehold.plan.verdict.judge_words import Case, changes, headline, reasons
from freehold.plan.verdict.questions import Finding, Pull, ask

_EFFECTS: dict[Pull, str] = {
    "must own": "leaves nothing to rent",
    "own": "speaks for owning",
    "lean": "too little to own",
    "rent": "caps at rent",
    "shadow": "caps at shadow first",
    "open": "an open condition",
    "none": "does not limit the answer",
}


def judge(money: Money, operator: Operator, evidence: Evidence | None) -> Judgement:
    """The verdict with its reasons. Total: every input has one; the same input always has the same."""
    findings = ask(money, operator, evidence)
    verdict, settled = _weigh(money, evidence, findings)
    case = Case(money=money, evidence=evidence, findings=findings, verdict=verdict, settled=settled)
    return Judgement(
        verdict=verdict,
        headline=headline(case),
        settled_by=settled,
        steps=[
            Step(
                number=number,
                question=found.question,
                answer=found.answer,
                source=found.source,
                reason=found.reason,
                effect=_effect(number, case),
            )
            for number, found in enumerate(findings, 1)
        ],
        reasons=reasons(case),
        changes=changes(case),
    )


def _weigh(money: Money, evidence: Evidence | None, findings: tuple[Finding, ...]) -> tuple[Verdict, int]:
    """The verdict and the number of the step that settled it."""
    constraint, volume, pinning, *_, quality = (found.pull for found in findings)
    if constraint == "must own":
        return _bound(money, evidence), 1
    grounds = [number for number, found in enumerate(findings, 1) if found.pull == "rent"]
    if volume == "lean" and pinning != "own":
        grounds.insert(0, 2)
    if grounds and money.owned_now and money.p_owning_wins <= UNLIKELY:
        return "return to rent", 2
    if grounds and money.owned_now and quality == "rent":
        return "return to rent", 6
    if grounds:
        return "rent", grounds[0]
    if quality == "shadow":
        return "shadow first", 6
    return ("own" if money.cheapest == "own" else "own base + rent peak"), 6


def _bound(money: Money, evidence: Evidence | None) -> Verdict:
    """How to own what may not be rented. Where only part of it is bound, the rest follows money and evidence."""
    if money.rent_allowed or money.sensitive_share >= 1:
        return "own"
    failed = evidence is not None and not evidence.holds
    return "own" if money.cheapest == "own" and not failed else "own base + rent peak"


def _effect(number: int, case: Case) -> str:
    """What one answer does. A step after the one that settled it is told for itself, and says so where it could have mattered."""
    found = case.findings[number - 1]
    if number == case.settled:
        return f"settles it: {case.verdict}"
    words = _EFFECTS[found.pull]
    if found.pull == "lean" and case.tipped:
        words = "undecided, left to step 3"
    elif number == 3 and found.pull == "own":
        words = {"lean": "tips step 2: more often than not is enough", "rent": "speaks for owning, does not overturn step 2"}.get(
            case.findings[1].pull, words
        )
    late = number > case.settled and found.pull in ("own", "lean", "rent", "shadow")
    return f"{words}; step {case.settled} has settled it" if late else words
