"""Lay the plan out as one HTML page; every text from outside is escaped."""

from collections.abc import Iterable
from html import escape
from importlib import resources
from string import Template

from freehold.plan.hybrid import HybridPoint
from freehold.plan.plan import Plan, WorkloadPlan
from freehold.plan.report.cost_picture import cost_picture
from freehold.plan.report.duration_picture import duration_picture
from freehold.plan.report.forecast_picture import week_picture, year_picture
from freehold.plan.report.tornado_picture import tornado_picture
from freehold.plan.uncertainty import Interval
from freehold.plan.wording import answer, breach, crossings, money, money_range, outlook, percent, summary, tokens


def render_html(plan: Plan) -> str:
    """The page as text, complete: styles and pictures inside, nothing loaded from anywhere."""
    template = Template((resources.files("freehold.plan.report") / "page.html").read_text(encoding="utf-8"))
    assumptions = dict.fromkeys([*(a for w in plan.workloads for a in w.assumptions), *plan.assumptions])
    warnings = [*(f"{w.name}: {text}" for w in plan.workloads for text in w.warnings), *plan.warnings]
    return template.substitute(
        title=escape(f"Freehold plan, {plan.made_on}"),
        made_on=escape(plan.made_on),
        summary=escape(summary(plan)),
        breach=escape(breach(plan) or ""),
        workloads="".join(_section(plan, workload, number) for number, workload in enumerate(plan.workloads)),
        assumptions="".join(
            _row((a.name, f"{a.value} {a.unit}".strip(), a.range, a.source, a.origin, a.date)) for a in assumptions
        ),
        warnings="".join(f"<li>{escape(text)}</li>" for text in warnings),
    )


def _section(plan: Plan, workload: WorkloadPlan, number: int) -> str:
    seen = workload.traffic
    facts = (
        f"{tokens(seen.tokens_per_day)} tokens a day, {seen.input_share:.1%} of them input; {seen.requests:,} requests seen, "
        f"{seen.sensitive_share:.1%} sensitive; the busiest 10 s see {seen.peak_to_mean_10s:.1f} times the mean, "
        f"the busiest minute {seen.peak_to_mean_60s:.1f} times."
    )
    several = len(plan.workloads) > 1
    lead = f'<p class="lead">{escape(answer(workload))}</p>' if several else ""
    told = [*crossings(workload), *outlook(workload)]
    budget = None if several else plan.breach
    return (
        f'<section><h2>{escape(workload.name)}</h2>{lead}<p class="soft">{escape(facts)}</p>'
        f'<div class="pictures">{_figure("What a month costs at which volume", cost_picture(workload))}'
        f"{_figure('Own the base, rent the peak: shares of the work', duration_picture(workload, number))}"
        f"{_figure('What moves the answer', tornado_picture(workload.name, workload.uncertainty))}"
        f"{_figure('The coming year by the month', year_picture(workload.name, workload.forecast, budget))}"
        f"{_figure('The coming week by the hour', week_picture(workload.name, workload.forecast))}</div>"
        f"{_costs(workload)}<ul>{''.join(f'<li>{escape(text)}</li>' for text in told)}</ul></section>"
    )


def _figure(caption: str, picture: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{picture}</figure>"


def _costs(workload: WorkloadPlan) -> str:
    heads = ("A month", "Replicas", "Machines and people", "API", "Total", "80% interval", "Work owned", "Replicas busy")
    head = "".join(f"<th{_side(place)}>{name}</th>" for place, name in enumerate(heads))
    allowed = "" if workload.rent_allowed else ", not allowed for the sensitive part"
    rented, drawn = money(workload.rented_nanousd_month), workload.uncertainty
    rows = [
        _row(
            (
                f"Rent all: {workload.rented_model}{allowed}",
                "0",
                "–",
                rented,
                rented,
                money_range(drawn.rented_nanousd_month),
                "0%",
                "–",
            ),
            numbers=True,
        ),
        _row(("Cheapest mix", *_cells(workload.best, drawn.best_nanousd_month)), numbers=True, mark="best"),
        _row((f"Own all: {workload.owned_model}", *_cells(workload.own, drawn.owned_nanousd_month)), numbers=True),
    ]
    for other in workload.hosted:
        cost = money(other.rented_nanousd_month)
        title = f"Hosted open model: {other.provider}/{other.model}"
        rows.append(_row((title, "0", "–", cost, cost, "–", "0%", "–"), numbers=True))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cells(point: HybridPoint, drawn: Interval) -> tuple[str, ...]:
    costs = (point.fixed_nanousd_month, point.rented_nanousd_month, point.total_nanousd_month)
    busy = f"{point.utilisation:.0%}" if point.replicas else "–"
    return (f"{point.replicas:,}", *(money(cost) for cost in costs), money_range(drawn), percent(point.owned_share), busy)


def _row(cells: Iterable[str], *, numbers: bool = False, mark: str = "") -> str:
    inner = "".join(f"<td{_side(place) if numbers else ''}>{escape(cell)}</td>" for place, cell in enumerate(cells))
    return f'<tr class="{mark}">{inner}</tr>' if mark else f"<tr>{inner}</tr>"


def _side(place: int) -> str:
    return ' class="n"' if place else ""
