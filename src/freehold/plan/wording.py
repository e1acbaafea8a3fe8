"""Say a plan in words and numbers people read: one-line answers with their intervals, money and volumes rounded for reading."""

from freehold.core.money import NANO, show
from freehold.plan.amounts import money, percent, tokens
from freehold.plan.document import Plan, Pool, WorkloadPlan
from freehold.plan.inputs import Assumption, InputName
from freehold.plan.optimum.schedule import Schedule
from freehold.plan.outlook.forecast import Basis, Forecast
from freehold.plan.outlook.investment import Investment
from freehold.plan.outlook.uncertainty import Interval, Uncertainty, VolumeInterval
from freehold.plan.verdict.checklist import LIKELY, UNLIKELY

_INPUTS: dict[InputName, str] = {
    "api_price": "API price",
    "hosted_price": "hosted price",
    "token_ratio": "token ratio",
    "gpu_price": "GPU price",
    "max_utilisation": "highest use",
    "volume": "traffic volume",
    "output_length": "answer length",
    "people_fte": "people",
}
_BASES: dict[Basis, str] = {
    "hour of the week": "Hours are forecast from the same hour a week before",
    "hour of the day": "Hours are forecast from the same hour a day before",
    "declared day": "The declared day is repeated, its bands are guesses",
    "none": "No season was seen twice, so bands are wide guesses",
}


def input_name(name: InputName) -> str:
    """An uncertain input, as the pictures label it."""
    return _INPUTS.get(name, name.replace("_", " "))


def input_value(name: InputName, value: float) -> str:
    """Its value: a multiple of the point, or what its own unit says."""
    units = {"people_fte": f"{value:.2g} FTE", "max_utilisation": f"{value:.0%}"}
    return units.get(name, f"×{value:.2f}")


def money_range(interval: Interval) -> str:
    """Where 80 % of the draws lie, in dollars: '$900 to $1,528'."""
    return _between(interval.p10, interval.p90)


def _between(low: int, high: int) -> str:
    """Two ends in the same form; one where they read alike."""
    places = 2 if max(abs(low), abs(high)) < 1000 * NANO else 0
    ends = [show(end, places) for end in (low, high)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def odds(workload: WorkloadPlan) -> str:
    """How often owning wins, and what that is worth."""
    found = workload.uncertainty
    if not workload.rent_allowed:
        return "What is sensitive is owned in every draw."
    share = found.p_owning_wins
    worth = "likely" if share >= LIKELY else "unlikely" if share <= UNLIKELY else "undecided"
    return f"Owning wins in {percent(share)} of {found.draws:,} draws: {worth}."


def turning_points(found: Uncertainty) -> list[str]:
    """Each input that alone turns the answer inside its range, and where."""
    return [
        f"{_capital(input_name(s.input))} at {input_value(s.input, s.flips_at)} or beyond turns the answer "
        f"(range {input_value(s.input, s.low)} to {input_value(s.input, s.high)})."
        for s in found.tornado
        if s.flips_at is not None
    ]


def answer(workload: WorkloadPlan) -> str:
    """The verdict of one workload in a few sentences: what to do, what it costs with its 80 % interval, how often owning wins."""
    drawn = workload.uncertainty
    cost, interval = money(workload.best.total_nanousd_month), money_range(drawn.best_nanousd_month)
    bills = [f"{money(one.rented_nanousd_month)} at {one.provider}/{one.model}" for one in workload.rented]
    renting = f"Renting everything: {', '.join(bills)}{'' if workload.rent_allowed else ', where it may not go'}."
    mixed = f"The cheapest mix costs {cost} a month (80%: {interval})."
    return f"{workload.judgement.headline} {mixed} {renting} {odds(workload)}"


def crossings(workload: WorkloadPlan) -> list[str]:
    """From which volumes on owning pays, a sentence each."""
    crossing, drawn = workload.break_even, workload.uncertainty.first_tokens_per_day
    if not workload.rent_allowed:
        return [f"No break-even volume: {crossing.first_reason}."]
    lines = []
    for what, volume, reason in (
        ("Owning some", crossing.first_tokens_per_day, crossing.first_reason),
        ("Owning all", crossing.all_tokens_per_day, crossing.all_reason),
    ):
        pays = "never pays" if volume is None else f"pays from {tokens(volume)} tokens a day"
        lines.append(f"{what} {pays}{_volume_range(drawn) if what == 'Owning some' else ''}: {reason}.")
    if crossing.smoothed_tokens_per_day is not None:
        smoothed = tokens(crossing.smoothed_tokens_per_day)
        lines.append(f"If the growth came from users independent of each other, bursts would smooth out: from {smoothed} on.")
    for other in workload.rented:
        if not other.peak:
            first = other.first_tokens_per_day
            pays = "never pays" if first is None else f"pays from {tokens(first)} tokens a day"
            lines.append(f"Against {other.provider}/{other.model} alone, owning {pays}.")
    return lines


def following(workload: WorkloadPlan) -> str:
    """What following the hour would save, or why it cannot."""
    found = workload.schedule
    if found is None:
        return f"Replicas by the hour: {workload.schedule_reason}."
    cycle = "day" if found.slots == 24 else "week"
    if not any(found.replicas):
        return "Replicas by the hour: no hour's work pays for a replica of its own."
    if found.saved_nanousd_month <= 0:
        return f"Replicas by the hour save nothing over a constant {_replicas(found.constant_replicas)}."
    return (
        f"Following the {cycle} with {min(found.replicas):,} to {max(found.replicas):,} replicas would cost "
        f"{money(found.total_nanousd_month)} a month, {money(found.saved_nanousd_month)} less than a constant "
        f"{_replicas(found.constant_replicas)}{_unseen(found)}; {found.starts_per_day:.1f} starts a day; "
        f"{workload.schedule_reason}. The answer's figures leave it out."
    )


def pooling(pool: Pool) -> str:
    """What sharing replicas makes of several workloads."""
    best, apart = pool.best, pool.apart_nanousd_month
    saved = apart - best.total_nanousd_month
    worth = f"{money(saved)} less than apart" if saved > 0 else "no less than apart"
    return (
        f"{', '.join(pool.workloads)} on one pool of {_replicas(best.replicas)} of {pool.owned_model}: "
        f"{money(best.total_nanousd_month)} a month, {worth} ({money(apart)}), with people counted once."
    )


def _unseen(found: Schedule) -> str:
    """What the first half's schedule saved on the second half: only that is evidence."""
    unseen = found.saved_unseen_nanousd_month
    if unseen is None:
        return ""
    return f" ({money(unseen)} a month on traffic it had not seen)" if unseen > 0 else " (nothing on traffic it had not seen)"


def _replicas(count: int) -> str:
    return f"{count:,} replica{'' if count == 1 else 's'}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def told_assumptions(plan: Plan) -> list[tuple[str, Assumption]]:
    """Every assumption once by its name; those that differ between workloads with the workload's before it."""
    several = len(plan.workloads) > 1
    shared = set.intersection(*(set(workload.assumptions) for workload in plan.workloads)) if several else set()
    rows: dict[tuple[str, Assumption], None] = {}
    for workload in plan.workloads:
        for row in workload.assumptions:
            rows[row.name if not several or row in shared else f"{workload.name}: {row.name}", row] = None
    return [*rows, *((row.name, row) for row in plan.assumptions)]


def summary(plan: Plan) -> str:
    """The whole plan in one line."""
    if len(plan.workloads) == 1:
        return answer(plan.workloads[0])
    total = plan.totals
    bound = [workload.name for workload in plan.workloads if not workload.rent_allowed]
    not_allowed = f", which is not allowed for {' and '.join(bound)}" if bound else ""
    return (
        f"{len(plan.workloads)} workloads, each with replicas of its own: "
        f"{money(total.best_nanousd_month)} a month at their best "
        f"(80%: {money_range(total.best_interval_nanousd_month)}); renting everything would be "
        f"{money(total.rented_nanousd_month)} ({money_range(total.rented_interval_nanousd_month)}){not_allowed}."
    )


def outlook(workload: WorkloadPlan) -> list[str]:
    """What comes next and whether the move pays, a sentence each."""
    ahead, spike, move = workload.forecast, workload.forecast.spike, workload.investment
    last = ahead.months[-1]
    fits = "" if spike.sensitive_fits else "; its sensitive part would not fit"
    lines = [
        f"In {last.months_ahead} months, at {tokens(last.tokens_per_day)} tokens a day: {money(last.planned_nanousd_month)} a "
        f"month as planned (80%: {_between(last.planned_p10, last.planned_p90)}), {money(last.rented_nanousd_month)} renting "
        f"everything. {_forecast_basis(ahead)}",
        f"A day with {spike.times:g} times the traffic costs {money(spike.planned_nanousd_day)} as planned (usually "
        f"{money(spike.planned_usual_nanousd_day)}), {money(spike.rented_nanousd_day)} renting everything; "
        f"{percent(spike.spilled_share)} of its work spills{fits}.",
    ]
    lines += _tiers(workload)
    return [*lines, _move(move)] if move is not None else lines


def breach(plan: Plan) -> str | None:
    """When the budget is passed, where there is one."""
    found = plan.breach
    if found is None:
        return None
    budget = money(found.budget_nanousd_month)
    if not (found.planned or found.planned_earliest or found.renting):
        return f"The budget of {budget} a month is not passed within a year, not even renting everything."
    never = "not within a year"
    drawn = dict.fromkeys(date or never for date in (found.planned_earliest, found.planned_latest))
    return (
        f"The budget of {budget} a month is passed: as planned {found.planned or never} "
        f"(80%: {' to '.join(drawn)}), renting everything {found.renting or never}."
    )


def _tiers(workload: WorkloadPlan) -> list[str]:
    """The bill by price tier, where the rented model has several."""
    if len(workload.tiers) < 2:
        return []
    parts = [
        f"{'up to' if place == 0 else 'above'} {tokens((tier if place else workload.tiers[1]).above_input_tokens)} input tokens "
        f"{money(tier.rented_nanousd_month)} ({percent(tier.requests_share)} of requests; in a year "
        f"{_between(tier.year_p10, tier.year_p90)})"
        for place, tier in enumerate(workload.tiers)
    ]
    return [f"Rented by price tier, a month: {'; '.join(parts)}."]


def _forecast_basis(ahead: Forecast) -> str:
    tested = ahead.backtest
    if tested is None:
        return f"{_BASES[ahead.basis]}; there is no past to test that on."
    return (
        f"{_BASES[ahead.basis]}; back-test: the 80% bands held {tested.covered:.0%} of {tested.hours} hours, "
        f"interval score {tested.interval_score:.2f} mean hours."
    )


def _move(move: Investment) -> str:
    paid = "does not pay back" if move.payback_months is None else f"pays back in {move.payback_months:.1f} months"
    within = f" within {move.horizon_months} months" if move.payback_months is None else ""
    start = "no date at this growth" if move.owning_wins_on is None else f"from {move.owning_wins_on} on"
    drawn = f"{move.owning_wins_earliest or 'never'} to {move.owning_wins_latest or 'never'}"
    return (
        f"Moving to owning costs {money(move.one_off_nanousd)} once and {paid}{within}; net present value over "
        f"{move.horizon_months} months {money(move.npv_nanousd)} (80%: {money_range(move.npv_interval_nanousd)}), above zero in "
        f"{percent(move.p_npv_positive)} of draws. Owning wins by the month: {start} (80%: {drawn})."
    )


def _volume_range(drawn: VolumeInterval | None) -> str:
    """The interval of a volume; the draws in which it never pays have no end."""
    if drawn is None or drawn.p10 is None:
        return ""
    return f" (80%: {tokens(drawn.p10)} to {'never' if drawn.p90 is None else tokens(drawn.p90)})"
