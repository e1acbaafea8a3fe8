"""A verdict in words to read aloud: its headline, its reasons, what would change it, and the whole as lines for a terminal."""

from dataclasses import dataclass

from freehold.plan.amounts import money as dollars
from freehold.plan.amounts import percent, tokens
from freehold.plan.verdict.checklist import EVEN, LIKELY, PINNED_MONTHS, Evidence, Judgement, Money, Verdict
from freehold.plan.verdict.questions import Finding, mix, odds, span

_LONG_DAYS = 14


@dataclass(frozen=True, kw_only=True)
class Case:
    """One workload with its answers and its verdict; `settled`: the number of the deciding step."""

    money: Money
    evidence: Evidence | None
    findings: tuple[Finding, ...]
    verdict: Verdict
    settled: int

    @property
    def bound(self) -> bool:
        """Whether a hard constraint leaves nothing to choose."""
        return self.findings[0].pull == "must own"

    @property
    def failed(self) -> bool:
        """Whether the owned model was tried here and did not hold."""
        return self.evidence is not None and not self.evidence.holds

    @property
    def tipped(self) -> bool:
        """Whether money left it undecided and a pinned model tipped it."""
        return not self.bound and self.findings[1].pull == "lean" and self.findings[2].pull == "own"

    @property
    def bar(self) -> str:
        """How often owning has to win."""
        return f"more than {EVEN:.0%}" if self.findings[2].pull == "own" else f"{LIKELY:.0%}"

    def stops(self, number: int) -> bool:
        """Whether this step alone would say rent."""
        pull = self.findings[number - 1].pull
        return pull == "rent" or (pull == "lean" and not self.tipped)


def headline(case: Case) -> str:
    """The verdict in one sentence, with its money where the money is known."""
    money = case.money
    best, rented = dollars(money.best_nanousd_month), dollars(money.rented_nanousd_month)
    if case.bound:
        return _bound_headline(case)
    if case.verdict == "return to rent":
        wins = f"owning wins in only {odds(money.p_owning_wins)} of the draws"
        why = "the owned model did not hold here" if case.settled == 6 else wins
        return f"Return to rent: owned targets answer {percent(money.owned_share_now or 0)} of it today, and {why}."
    if case.verdict == "shadow first":
        then = f"{mix(money, 'owning', 'renting')} would cost {best} a month instead of {rented}"
        return f"Shadow first: {then}, but nothing shows yet that the owned model is good enough here."
    if case.verdict != "rent":
        who = "; open is who runs it" if case.findings[3].pull == "open" else ""
        return f"{_capital(mix(money))}: {best} a month instead of {rented}, and the owned model held{who}."
    if case.settled == 2:
        return _rent_headline(case)
    lacking = {4: "nobody is there to run it", 5: "this is not the time to move", 6: "the owned model did not hold here"}
    return f"Rent: owning would pay ({best} a month instead of {rented}), but {lacking[case.settled]}."


def reasons(case: Case) -> list[str]:
    """Why, the deciding reason first; conditions that nobody has answered come last and say so."""
    money, told = case.money, {n: found.reason for n, found in enumerate(case.findings, 1)}
    if case.bound:
        return [told[1], *_bound_conditions(case)]
    if case.verdict in ("rent", "return to rent"):
        first = [told[case.settled], *(told[n] for n in (2, 4, 5, 6) if n != case.settled and case.stops(n))]
        return [*first, *_owned_today(case)]
    tip = [told[3], f"With a pinned model, more often than not is enough in place of {LIKELY:.0%}."] if case.tipped else []
    people = [] if case.findings[3].pull == "open" else [told[4]]
    opens = [f"Open: {told[n]}" for n in (4, 5) if case.findings[n - 1].pull == "open"]
    here = ["Most of it is owned today already."] if money.owned_now else []
    return [*((told[6], told[2]) if case.verdict == "shadow first" else (told[2], told[6])), *tip, *people, *here, *opens]


def changes(case: Case) -> list[str]:
    """What would change the answer, a sentence each."""
    if case.bound:
        free = "A rented target that is cleared for this data would" if not case.money.rent_allowed else "Lifting it would"
        return [f"{free} open the question again: then volume and evidence decide."]
    money, constraint = case.money, "A contract or a rule that forbids renting would make it own, whatever it costs."
    if case.verdict in ("rent", "return to rent"):
        return [*(line for n in (2, 4, 5, 6) if case.stops(n) for line in _mends(n, case)), constraint]
    fewer = f"Owning winning too rarely makes it rent: {odds(money.p_owning_wins)} of the draws now, {case.bar} asked for."
    proof = (
        f"Shadow the owned model on this workload: where it holds, {mix(money)}; where it does not, rent."
        if case.verdict == "shadow first"
        else "The owned model no longer holding on this workload makes it rent."
    )
    host = f"The same model hosted for less than {dollars(money.best_nanousd_month)} a month makes it rent, there."
    return [proof, fewer, *money.turning, host, "Nobody to run it makes it rent."]


def judgement_lines(judgement: Judgement) -> list[str]:
    """For the terminal: the headline, the six steps, what they do not say by themselves, what would change the answer."""
    steps = [f"{s.number}. {s.question} {s.answer.capitalize()}. {s.reason} ({s.source}) -> {s.effect}" for s in judgement.steps]
    said = {text for step in judgement.steps for text in (step.reason, f"Open: {step.reason}")}
    more = [reason for reason in judgement.reasons if reason not in said]
    return [judgement.headline, *steps, *more, *(f"Would change it: {change}" for change in judgement.changes)]


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _rent_headline(case: Case) -> str:
    money = case.money
    rented, wins = dollars(money.rented_nanousd_month), f"owning wins in {odds(money.p_owning_wins)} of the draws"
    if money.host is not None and money.host.nanousd_month < money.rented_nanousd_month and not case.failed:
        there = f"{money.host.label} serves the same model for {dollars(money.host.nanousd_month)} a month"
        tested = "" if case.evidence else "; whether that model is good enough here is not shown yet"
        return f"Rent: {there}, less than anything owned{tested}."
    if money.cheapest == "rent" or money.host is not None:
        cheapest = ", the cheapest at the stated figures" if money.cheapest == "rent" else ""
        return f"Rent: {rented} a month{cheapest}; {wins}."
    mixed = f"{mix(money, 'owning', 'renting')} would cost {dollars(money.best_nanousd_month)}"
    return f"Rent: {rented} a month. At the stated figures, {mixed}, but {wins} and {case.bar} is asked for."


def _bound_headline(case: Case) -> str:
    money = case.money
    if case.failed and case.verdict != "own":
        return "Own what may not be rented and rent the rest: the owned model did not hold here, so nothing else should move."
    what, costs = "Own what may not be rented and what fits beside it, rent the peak of the rest", money.best_nanousd_month
    if case.verdict == "own":
        what = "Own all of it, or take a private deployment"
        costs = money.own_nanousd_month if money.rent_allowed or money.cheapest != "own" else costs
    quality = "; its quality is open" if case.evidence is None or case.failed else ""
    rented = dollars(money.rented_nanousd_month)
    return f"{what}: {dollars(costs)} a month ({rented} if all of it could be rented){quality}."


def _bound_conditions(case: Case) -> list[str]:
    """What a hard constraint leaves open: it says where, not whether it works."""
    told = []
    if case.evidence is None:
        told.append(f"Open: {case.findings[5].reason}")
    elif case.failed:
        told.append(
            f"{case.findings[5].reason} For what may not be rented there is nothing else: find or tune a model that does."
        )
    if case.findings[3].pull == "rent":
        told.append(f"{case.findings[3].reason} A private deployment that others run, cleared for this data, is the way left.")
    elif case.findings[3].pull == "open":
        told.append(f"Open: {case.findings[3].reason}")
    return told


def _owned_today(case: Case) -> list[str]:
    """What to do with machines that run while the answer is rent."""
    share = case.money.owned_share_now
    if not case.money.owned_now or share is None:
        return []
    if case.verdict == "return to rent":
        return [f"Owned targets answer {percent(share)} of the requests today."]
    until = "buy no more of it, and decide again before the hire is renewed"
    return [f"Owned targets answer {percent(share)} of the requests today: {until}."]


def _mends(number: int, case: Case) -> list[str]:
    """What would take away one ground for renting."""
    match number:
        case 2:
            return _money_mends(case)
        case 4:
            return ["People who run it, in the cost (--people-fte), would take away the cap."]
        case 5:
            return ["Time to move, after product-market fit, would take away the cap."]
        case _:
            return ["A model that holds on this workload, shown by shadowing it, would take away the cap."]


def _money_mends(case: Case) -> list[str]:
    money, first = case.money, case.money.first_tokens_per_day
    lines = []
    if money.host is not None and money.cheapest != "rent":
        lines.append(f"{money.host.label} asking more than {dollars(money.best_nanousd_month)} a month for this traffic.")
    if first is None:
        lines.append(
            "No volume makes owning pay at these prices and speeds; a cheaper GPU, a faster replica or a dearer API could."
        )
    elif first > money.tokens_per_day > 0:
        times = f"{first / money.tokens_per_day:.1f} times today's {tokens(money.tokens_per_day)}"
        lines.append(f"Volume: owning some starts to pay at {tokens(first)} tokens a day, {times}.")
    elif money.p_owning_wins < LIKELY:
        longer = f", or {_LONG_DAYS} days of traffic instead of {span(money.seen_days)}" if money.seen_days < _LONG_DAYS else ""
        lines.append(
            f"Certainty: owning pays at the stated figures; a measured speed and a price in writing{longer} narrow the draws."
        )
    if case.findings[1].pull == "lean":
        lines.append(f"A model that must stay the same for {PINNED_MONTHS} months: then more often than not is enough.")
    return [*lines, *money.turning]
