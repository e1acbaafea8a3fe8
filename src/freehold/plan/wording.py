"""Say a plan in words and numbers people read: one-line answers with their intervals, money and volumes rounded for reading."""

from freehold.core.money import NANO, show
from freehold.plan.forecast import Basis, Forecast
from freehold.plan.inputs import InputName
from freehold.plan.investment import Investment
from freehold.plan.plan import Plan, WorkloadPlan
from freehold.plan.uncertainty import Interval, VolumeInterval

LIKELY, UNLIKELY = 0.8, 0.2

_INPUTS: dict[InputName, str] = {
    "api_price": "API price",
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


def money(nanousd: int) -> str:
    """Dollars; cents below one thousand, where they still matter."""
    return show(nanousd, 2 if abs(nanousd) < 1000 * NANO else 0)


def tokens(count: float) -> str:
    """A number of tokens with at most four digits: 652600000 -> '652.6 M'."""
    for unit, size in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.99995 * size:
            return f"{count / size:.4g} {unit}"
    return f"{count:.0f}"


def percent(share: float) -> str:
    """A share of 1; never rounded up to all, nor down to nothing."""
    if share < 0.000005 or share >= 0.999995:
        return f"{share:.0%}"
    if 0.9995 <= share < 0.999995 or share < 0.0005:
        return f"{share:.3%}"
    return f"{share:.1%}"


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


def turning_points(workload: WorkloadPlan) -> str:
    """Which inputs alone turn the answer inside their ranges, and where."""
    turning = [s for s in workload.uncertainty.tornado if s.flips_at is not None]
    if not workload.rent_allowed or not turning:
        return "No single input turns the answer inside its range."
    told = [
        f"{input_name(s.input)} at {input_value(s.input, s.flips_at)} "
        f"({input_value(s.input, s.low)} to {input_value(s.input, s.high)})"
        for s in turning
        if s.flips_at is not None
    ]
    return f"The answer turns with {', '.join(told)}."


def answer(workload: WorkloadPlan) -> str:
    """The plan of one workload in a few sentences: what to do, what it costs with its 80 % interval, how often owning wins."""
    best = workload.best
    cost = f"{money(best.total_nanousd_month)} a month (80%: {money_range(workload.uncertainty.best_nanousd_month)})"
    replicas = f"{best.replicas:,} replica{'s' if best.replicas != 1 else ''}"
    if best.replicas == 0:
        text = f"Rent: {cost}. {_when(workload)} {odds(workload)}"
    else:
        what = f"Own {replicas}" if workload.answer == "own" else f"Own {replicas}, rent the peak"
        text = f"{what}: {cost}{_instead(workload)} {odds(workload)}"
    cheaper = [h for h in workload.hosted if workload.rent_allowed and h.rented_nanousd_month < best.total_nanousd_month]
    if cheaper:
        least = min(cheaper, key=lambda h: h.rented_nanousd_month)
        text += (
            f" But renting the owned model from {least.provider} costs {money(least.rented_nanousd_month)}: compare that first."
        )
    return text


def crossings(workload: WorkloadPlan) -> list[str]:
    """From which volumes on owning pays, a sentence each."""
    crossing, drawn = workload.break_even, workload.uncertainty.first_tokens_per_day
    if not workload.rent_allowed:
        return [f"No break-even volume: {crossing.first_reason}."]
    lines = [turning_points(workload)]
    for what, volume, reason in (
        ("Owning some", crossing.first_tokens_per_day, crossing.first_reason),
        ("Owning all", crossing.all_tokens_per_day, crossing.all_reason),
    ):
        pays = "never pays" if volume is None else f"pays from {tokens(volume)} tokens a day"
        lines.append(f"{what} {pays}{_volume_range(drawn) if what == 'Owning some' else ''}: {reason}.")
    for other in workload.hosted:
        first = other.first_tokens_per_day
        pays = "never pays" if first is None else f"pays from {tokens(first)} tokens a day"
        lines.append(f"Against {other.provider}/{other.model}, owning {pays}.")
    return lines


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
    return [*lines, _move(move)] if move is not None else lines


def breach(plan: Plan) -> str | None:
    """When the budget is passed, where there is one."""
    found = plan.breach
    if found is None:
        return None
    never = "not within a year"
    drawn = dict.fromkeys(date or never for date in (found.planned_earliest, found.planned_latest))
    return (
        f"The budget of {money(found.budget_nanousd_month)} a month is passed: as planned {found.planned or never} "
        f"(80%: {' to '.join(drawn)}), renting everything {found.renting or never}."
    )


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


def _instead(workload: WorkloadPlan) -> str:
    rented, best = workload.rented_nanousd_month, workload.best.total_nanousd_month
    if not workload.rent_allowed:
        share = workload.traffic.sensitive_share
        return f"; {share:.0%} of the requests may not be rented (renting everything would be {money(rented)})."
    saved = f" (-{1 - best / rented:.0%})" if rented else ""
    return f" instead of {money(rented)} renting everything{saved}."


def _when(workload: WorkloadPlan) -> str:
    first = workload.break_even.first_tokens_per_day
    if first is None:
        return f"Owning never pays at this mix: {workload.break_even.first_reason}."
    return f"Owning starts to pay at {tokens(first)} tokens a day; today it is {tokens(workload.traffic.tokens_per_day)}."
