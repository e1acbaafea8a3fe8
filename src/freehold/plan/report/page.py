"""Lay the plan out as one HTML page; every text from outside is escaped."""

from collections.abc import Iterable
from html import escape
from importlib import resources
from string import Template

import numpy as np

from freehold.plan.amounts import money, percent, tokens
from freehold.plan.document import CandidateCost, Plan, RentedCost, WorkloadPlan
from freehold.plan.optimum.hybrid import HybridPoint
from freehold.plan.outlook.forecast import Breach
from freehold.plan.outlook.uncertainty import Interval
from freehold.plan.report.checklist_table import checklist_html
from freehold.plan.report.cost_picture import cost_picture
from freehold.plan.report.duration_picture import duration_picture
from freehold.plan.report.forecast_picture import week_picture, year_picture
from freehold.plan.report.heat_picture import week_heat_picture
from freehold.plan.report.schedule_picture import schedule_picture
from freehold.plan.report.tornado_picture import tornado_picture
from freehold.plan.wording import (
    answer,
    breach,
    crossings,
    following,
    money_range,
    outlook,
    pooling,
    summary,
    told_assumptions,
    turning_points,
)


def render_html(plan: Plan) -> str:
    """The page as text, complete: styles and pictures inside, nothing loaded from anywhere."""
    template = Template((resources.files("freehold.plan.report") / "page.html").read_text(encoding="utf-8"))
    warnings = [*(f"{w.name}: {text}" for w in plan.workloads for text in w.warnings), *plan.warnings]
    told = [*([found] if (found := breach(plan)) else []), *(pooling(pool) for pool in plan.pools)]
    return template.substitute(
        title=escape(f"Freehold plan, {plan.made_on}"),
        made_on=escape(plan.made_on),
        summary=escape(summary(plan)),
        told="".join(f"<p>{escape(text)}</p>" for text in told),
        workloads="".join(_section(plan, workload, number) for number, workload in enumerate(plan.workloads)),
        assumptions="".join(
            _row((name, f"{a.value} {a.unit}".strip(), a.range, a.source, a.origin, a.date)) for name, a in told_assumptions(plan)
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
    told = [*crossings(workload), *turning_points(workload.uncertainty), following(workload), *outlook(workload)]
    return (
        f'<section><h2>{escape(workload.name)}</h2>{lead}<p class="soft">{escape(facts)}</p>{checklist_html(workload.judgement)}'
        f"{_costs(workload)}{_pictures(workload, number, None if several else plan.breach)}"
        f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in told)}</ul></section>"
    )


def _pictures(workload: WorkloadPlan, number: int, budget: Breach | None) -> str:
    week = np.array([[np.nan if hour is None else hour for hour in day] for day in workload.week_tokens])
    drawn = [
        ("What a month costs at which volume", cost_picture(workload, number)),
        ("Own the base, rent the peak: shares of the work", duration_picture(workload, number)),
        ("What moves the answer", tornado_picture(workload.name, workload.uncertainty)),
        ("When the work comes", week_heat_picture(workload.name, week)),
        *([("Replicas by the hour", schedule_picture(workload.name, workload.schedule))] if workload.schedule else []),
        ("The coming year by the month", year_picture(workload.name, workload.forecast, budget)),
        ("The coming week by the hour", week_picture(workload.name, workload.forecast)),
    ]
    return f'<div class="pictures">{"".join(_figure(caption, picture) for caption, picture in drawn)}</div>'


def _figure(caption: str, picture: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{picture}</figure>"


def _costs(workload: WorkloadPlan) -> str:
    heads = ("A month", "Replicas", "Machines and people", "API", "Total", "80% interval", "Work owned", "Busy", "Wins")
    head = "".join(f"<th{_side(place)}>{name}</th>" for place, name in enumerate(heads))
    rows = [_rented_row(workload, cost) for cost in workload.rented]
    rows += [_owned_row(workload, candidate) for candidate in workload.candidates]
    own = workload.own
    if own.replicas != next(c.owning.replicas for c in workload.candidates if c.chosen):
        cells = _cells(own, workload.uncertainty.owned_nanousd_month)
        rows.append(_row((f"Own all: {workload.owned_model}", *cells, ""), numbers=True))
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<h3>What everything costs</h3><div class="wide"><table>{body}</table></div>'


def _rented_row(workload: WorkloadPlan, cost: RentedCost) -> str:
    allowed = "" if workload.rent_allowed else ", not allowed for the sensitive part"
    title = f"Rent {'the owned model' if cost.hosted else 'all'}: {cost.provider}/{cost.model}{allowed}"
    bill, best = money(cost.rented_nanousd_month), cost.peak and workload.best.replicas == 0
    cells = (title, "0", "–", bill, bill, money_range(cost.interval_nanousd_month), "0%", "–", "")
    return _row(cells, numbers=True, mark="best" if best else "")


def _owned_row(workload: WorkloadPlan, candidate: CandidateCost) -> str:
    point = candidate.owning
    title = f"Own {'some' if point.spilled_share else 'all'}: {candidate.label}"
    wins = percent(candidate.p_owning_wins) if workload.rent_allowed else "–"
    best = candidate.chosen and workload.best.replicas > 0
    cells = (title, *_cells(point, candidate.owning_interval_nanousd_month), wins)
    return _row(cells, numbers=True, mark="best" if best else "")


def _cells(point: HybridPoint, drawn: Interval) -> tuple[str, ...]:
    fixed = point.fixed_nanousd_month + point.marginal_nanousd_month
    costs = (fixed, point.rented_nanousd_month, point.total_nanousd_month)
    busy = f"{point.utilisation:.0%}" if point.replicas else "–"
    return (f"{point.replicas:,}", *(money(cost) for cost in costs), money_range(drawn), percent(point.owned_share), busy)


def _row(cells: Iterable[str], *, numbers: bool = False, mark: str = "") -> str:
    inner = "".join(f"<td{_side(place) if numbers else ''}>{escape(cell)}</td>" for place, cell in enumerate(cells))
    return f'<tr class="{mark}">{inner}</tr>' if mark else f"<tr>{inner}</tr>"


def _side(place: int) -> str:
    return ' class="n"' if place else ""
