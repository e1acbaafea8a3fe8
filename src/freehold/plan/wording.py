"""Say a plan in words and numbers people read: one-line answers, money and volumes rounded for reading."""

from freehold.core.money import NANO, show
from freehold.plan.plan import Plan, WorkloadPlan


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


def answer(workload: WorkloadPlan) -> str:
    """The plan of one workload in one or two sentences."""
    best = workload.best
    replicas = f"{best.replicas:,} replica{'s' if best.replicas != 1 else ''}"
    if best.replicas == 0:
        text = f"Rent: {money(best.total_nanousd_month)} a month. {_when(workload)}"
    else:
        what = f"Own {replicas}" if workload.answer == "own" else f"Own {replicas}, rent the peak"
        text = f"{what}: {money(best.total_nanousd_month)} a month{_instead(workload)}"
    cheaper = [h for h in workload.hosted if workload.rent_allowed and h.rented_nanousd_month < best.total_nanousd_month]
    if cheaper:
        least = min(cheaper, key=lambda h: h.rented_nanousd_month)
        text += (
            f" But renting the owned model from {least.provider} costs {money(least.rented_nanousd_month)}: compare that first."
        )
    return text


def crossings(workload: WorkloadPlan) -> list[str]:
    """From which volumes on owning pays, a sentence each."""
    crossing = workload.break_even
    if not workload.rent_allowed:
        return [f"No break-even volume: {crossing.first_reason}."]
    lines = []
    for what, volume, reason in (
        ("Owning some", crossing.first_tokens_per_day, crossing.first_reason),
        ("Owning all", crossing.all_tokens_per_day, crossing.all_reason),
    ):
        pays = "never pays" if volume is None else f"pays from {tokens(volume)} tokens a day"
        lines.append(f"{what} {pays}: {reason}.")
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
        f"{len(plan.workloads)} workloads: {money(total.best_nanousd_month)} a month at their best; "
        f"renting everything would be {money(total.rented_nanousd_month)}{not_allowed}."
    )


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
