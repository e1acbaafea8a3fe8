"""The plan in the terminal, as a report one can read aloud, and as a page on disk."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from freehold.app.whole_file import write_whole
from freehold.plan.amounts import money, percent, tokens
from freehold.plan.document import Plan, WorkloadPlan
from freehold.plan.report import render_html
from freehold.plan.verdict.judge_words import judgement_lines
from freehold.plan.wording import answer, breach, crossings, following, money_range, outlook, pooling, summary, told_assumptions


def write_page(path: Path, made: Plan) -> None:
    """The plan as one self-contained page, whole or not at all. Raises BadSettings where the file cannot be written."""
    write_whole(path, render_html(made))


def show_plan(made: Plan, console: Console, *, brief: bool = False) -> None:
    """What to do, what everything costs, the checklist, and what to mind; assumptions are a table of their own. Brief: without
    the checklist and what is told of the traffic and the future."""
    for workload in made.workloads:
        console.print(f"\n[bold]{workload.name}[/bold]: {answer(workload)}", soft_wrap=True)
        console.print(_costs(workload))
        if not brief:
            _show_facts(workload, console)
            for line in judgement_lines(workload.judgement)[1:]:
                console.print(line, soft_wrap=True, markup=False)
    if len(made.workloads) > 1:
        console.print(f"\n[bold]Together[/bold]: {summary(made)}", soft_wrap=True)
    for pool in made.pools:
        console.print(pooling(pool), soft_wrap=True)
    if passed := breach(made):
        console.print(passed, soft_wrap=True)
    for warning in [*(f"{w.name}: {text}" for w in made.workloads for text in w.warnings), *made.warnings]:
        console.print(f"Note: {warning}", soft_wrap=True)


def assumption_table(made: Plan) -> Table:
    """Every assumption once, those of one workload with its name."""
    table = Table("assumption", "value", "range", "source", "where from", "date", title="Worked out from", title_justify="left")
    for name, row in told_assumptions(made):
        table.add_row(name, f"{row.value} {row.unit}".strip(), row.range, row.source, row.origin, row.date)
    return table


def _costs(workload: WorkloadPlan) -> Table:
    table = Table("a month")
    for column in ("replicas", "machines and people", "API", "total", "80% of draws", "work owned", "replicas busy", "wins"):
        table.add_column(column, justify="right")
    allowed = "" if workload.rent_allowed else " (not allowed)"
    for cost in workload.rented:
        bill = money(cost.rented_nanousd_month)
        name = f"{cost.provider}/{cost.model}{allowed}"
        title = f"rent the owned model: {name}" if cost.hosted else f"rent all: {name}"
        table.add_row(title, "0", "-", bill, bill, money_range(cost.interval_nanousd_month), "0%", "-", "")
    for candidate in workload.candidates:
        point = candidate.owning
        title = f"{'own some' if point.spilled_share else 'own all'}: {candidate.label}"
        fixed = point.fixed_nanousd_month + point.marginal_nanousd_month
        costs = (fixed, point.rented_nanousd_month, point.total_nanousd_month)
        table.add_row(
            title if not candidate.chosen else f"[bold]{title}[/bold]",
            f"{point.replicas:,}",
            *map(money, costs),
            money_range(candidate.owning_interval_nanousd_month),
            percent(point.owned_share),
            f"{point.utilisation:.0%}",
            percent(candidate.p_owning_wins) if workload.rent_allowed else "",
        )
    own, drawn = workload.own, workload.uncertainty.owned_nanousd_month
    if own.replicas != next(c.owning.replicas for c in workload.candidates if c.chosen):
        fixed = own.fixed_nanousd_month + own.marginal_nanousd_month
        costs = (fixed, own.rented_nanousd_month, own.total_nanousd_month)
        shares = (percent(own.owned_share), f"{own.utilisation:.0%}")
        table.add_row(
            f"own all: {workload.owned_model}", f"{own.replicas:,}", *map(money, costs), money_range(drawn), *shares, ""
        )
    return table


def _show_facts(workload: WorkloadPlan, console: Console) -> None:
    seen = workload.traffic
    console.print(
        f"Traffic: {tokens(seen.tokens_per_day)} tokens a day, {seen.input_share:.1%} input, {seen.sensitive_share:.1%} of "
        f"requests sensitive; peak over mean {seen.peak_to_mean_10s:.1f} in 10 s, {seen.peak_to_mean_60s:.1f} in 60 s.",
        soft_wrap=True,
    )
    for line in [*crossings(workload), following(workload), *outlook(workload)]:
        console.print(line, soft_wrap=True)
