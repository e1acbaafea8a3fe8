"""The six questions of the checklist, each answered from the data first and from people where the data cannot know."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from freehold.plan.amounts import money as dollars
from freehold.plan.amounts import percent, tokens
from freehold.plan.inputs import Source
from freehold.plan.verdict.checklist import EVEN, LIKELY, PINNED_MONTHS, UNLIKELY, Evidence, Money, Operator, Reply

Pull: TypeAlias = Literal["must own", "own", "lean", "rent", "shadow", "open", "none"]


@dataclass(frozen=True)
class Finding:
    """One question answered. `pull`: where the answer moves the verdict; `lean` is towards owning, but not clearly."""

    question: str
    answer: Reply
    source: Source
    reason: str
    pull: Pull


def ask(money: Money, operator: Operator, evidence: Evidence | None) -> tuple[Finding, ...]:
    """All six, in their order."""
    return (
        _constraint(money, operator),
        _volume(money),
        _pinning(operator),
        _operations(money, operator),
        _time(money, operator),
        _quality(evidence),
    )


def odds(share: float) -> str:
    """How often owning wins; a share below the bar is never rounded up to it."""
    text = percent(share)
    return f"{math.floor(share * 10_000) / 10_000:.2%}" if share < LIKELY and text == percent(LIKELY) else text


def mix(money: Money, own: str = "own", rent: str = "rent") -> str:
    """The cheapest mix as something to do, 'own 2 replicas and rent the peak', or with other forms of the verbs."""
    if money.cheapest == "rent":
        return f"{rent} it all"
    what = f"{own} {money.replicas:,} replica{'s' if money.replicas != 1 else ''}"
    return what if money.cheapest == "own" else f"{what} and {rent} the peak"


def span(days: float) -> str:
    """A time for people, in the unit that gives it two of something."""
    for unit, count in (("days", days), ("hours", 24 * days)):
        if count >= 2:
            return f"{count:.3g} {unit}"
    return f"{24 * 60 * days:.3g} minutes"


def _constraint(money: Money, operator: Operator) -> Finding:
    question, stated = "Does a hard constraint on the data forbid renting?", operator.hard_constraint
    if not money.rent_allowed:
        besides = {
            True: " People say so too, of all of it.",
            False: " People said that nothing forbids renting; the requests say otherwise, and they count.",
            None: "",
        }[stated]
        share = f"{percent(money.sensitive_share)} of the requests are above the data class that may be rented."
        return Finding(question, "yes", money.traffic_source, share + besides, "must own")
    if stated:
        return Finding(question, "yes", "user", "Stated: nothing of this workload may be rented.", "must own")
    seen = "no request is above the data class that may be rented"
    if stated is None:
        reason = f"{seen.capitalize()}; whether a contract or a rule forbids renting was not answered and is taken as no."
        return Finding(question, "unknown", "default", reason, "none")
    return Finding(question, "no", "user", f"Stated: nothing forbids renting, and {seen}.", "none")


def _volume(money: Money) -> Finding:
    question = "Is the volume high and steady enough for owning to win?"
    reason = " ".join((_traffic(money), *_figures(money)))
    share = money.p_owning_wins
    if money.host is not None or share <= UNLIKELY:
        return Finding(question, "no", money.traffic_source, reason, "rent")
    if money.cheapest == "rent" or not share > EVEN:
        return Finding(question, "unknown", money.traffic_source, reason, "rent")
    if share < LIKELY:
        return Finding(question, "unknown", money.traffic_source, reason, "lean")
    return Finding(question, "yes", money.traffic_source, reason, "own")


def _traffic(money: Money) -> str:
    hours = "" if money.daily_peak_to_mean is None else f", the busiest hour of the day {money.daily_peak_to_mean:.1f} times"
    seen = f"seen for {span(money.seen_days)}" if money.traffic_source == "measured" else "declared"
    return (
        f"{tokens(money.tokens_per_day)} tokens a day, {seen}; the busiest minute is {money.peak_to_mean_60s:.1f} times the "
        f"mean{hours}."
    )


def _figures(money: Money) -> list[str]:
    best, rented = dollars(money.best_nanousd_month), dollars(money.rented_nanousd_month)
    cheapest = f"Cheapest is {mix(money, 'owning', 'renting')}, {best} a month"
    if money.cheapest == "rent" and money.host is not None:
        said = [f"Cheapest is renting the owned model at {money.host.label}, {best} a month; what is rented now costs {rented}."]
    elif money.cheapest == "rent":
        said = [f"{cheapest}."]
    else:
        spill = f", with {percent(money.spilled_share)} of the work rented" if money.spilled_share > 0 else ""
        said = [f"{cheapest}{spill}; renting it all costs {rented}."]
    if money.host is not None and money.cheapest != "rent":
        said.append(f"But {money.host.label} serves the same model for {dollars(money.host.nanousd_month)}.")
    if not money.rent_allowed:
        said.append("Some of it must be owned, so there is nothing to win or lose.")
    else:
        bar = f"; it is likely from {LIKELY:.0%} on" if money.p_owning_wins < LIKELY else ""
        said.append(f"Owning wins in {odds(money.p_owning_wins)} of the draws{bar}.")
    return said


def _pinning(operator: Operator) -> Finding:
    question, months = f"Must one model stay the same for {PINNED_MONTHS} months or more?", operator.pinned_months
    if months is None:
        reason = "How long one version of the model must stay was not answered; nothing is assumed."
        return Finding(question, "unknown", "default", reason, "none")
    if months >= PINNED_MONTHS:
        reason = f"Stated: {months} months. A rented model goes when its provider retires it; weights of your own stay."
        return Finding(question, "yes", "user", reason, "own")
    said = f"{months} month{'s' if months != 1 else ''}" if months else "no model has to stay"
    return Finding(question, "no", "user", f"Stated: {said}.", "none")


def _operations(money: Money, operator: Operator) -> Finding:
    question = "Are there people to run it, and are they in the cost?"
    counted = f"{money.people_fte:g} full-time people are in the cost" if money.people_fte > 0 else "nobody is in the cost"
    if operator.operations is None:
        reason = f"Whether anyone can run machines of your own was not answered; {counted}."
        return Finding(question, "unknown", "default", reason, "open")
    if not operator.operations:
        return Finding(question, "no", "user", "Stated: nobody can run machines of your own.", "rent")
    if money.people_fte <= 0:
        return Finding(question, "unknown", "user", f"Stated: yes. But {counted}; --people-fte counts them.", "open")
    return Finding(question, "yes", "user", f"Stated: yes, and {counted}.", "none")


def _time(money: Money, operator: Operator) -> Finding:
    question = "Is there time to move, and product-market fit?"
    ship, fit = operator.ship_this_week, operator.product_market_fit
    if fit is False:
        reason = "Stated: product-market fit is not found yet; the volume and the task it was sized for may both change."
        return Finding(question, "no", "user", reason, "rent")
    if ship and not money.owned_now:
        return Finding(question, "no", "user", "Stated: it must ship this week; owning takes longer to set up.", "rent")
    missing = [what for what, said in (("when it must ship", ship), ("whether there is product-market fit", fit)) if said is None]
    if missing:
        return Finding(question, "unknown", "default", f"Not answered: {' and '.join(missing)}.", "open")
    hurry = "it ships this week, but on owned targets that already answer most of it" if ship else "nothing must ship this week"
    return Finding(question, "yes", "user", f"Stated: there is product-market fit, and {hurry}.", "none")


def _quality(evidence: Evidence | None) -> Finding:
    question = "Is the owned model proven on this workload?"
    if evidence is None:
        reason = "Nothing shows yet that the owned model is good enough on this workload."
        return Finding(question, "unknown", "default", reason, "shadow")
    how = "Measured" if evidence.source == "measured" else "Stated"
    samples = "" if evidence.samples is None else f", {evidence.samples:,} samples"
    found = "held" if evidence.holds else "did not hold"
    reason = f"{how} on {evidence.on}{samples}: the owned model {found} ({evidence.origin})."
    return Finding(question, "yes" if evidence.holds else "no", evidence.source, reason, "none" if evidence.holds else "rent")
