"""The coming week by the hour and the coming year by the month, each with its bands."""

from collections.abc import Sequence

from freehold.core.money import NANO
from freehold.plan.amounts import tokens
from freehold.plan.outlook.forecast import Breach, Forecast
from freehold.plan.report import svg
from freehold.plan.report.svg import Frame

_WIDE, _NARROW = "#dde3e9", "#b4bcc6"
_MOST_TIMES = 3.0  # renting is drawn while it is at most so many times what the bands reach


def year_picture(name: str, forecast: Forecast, breach: Breach | None) -> str:
    """An SVG element: dollars a month as planned with its bands, renting everything where it fits in, and the budget."""
    points = forecast.months
    planned, rented = ([(p.months_ahead, cost / NANO) for p, cost in zip(points, costs, strict=True)] for costs in (
        [p.planned_nanousd_month for p in points], [p.rented_nanousd_month for p in points]
    ))  # fmt: skip
    wide, narrow = (
        [(p.months_ahead, low / NANO, high / NANO) for p, low, high in zip(points, lows, highs, strict=True)]
        for lows, highs in (
            ([p.planned_p2_5 for p in points], [p.planned_p97_5 for p in points]),
            ([p.planned_p10 for p in points], [p.planned_p90 for p in points]),
        )
    )
    top = max(high for _, _, high in wide)
    with_rent = max(cost for _, cost in rented) <= _MOST_TIMES * top
    budget = breach.budget_nanousd_month / NANO if breach else None
    shown = [top, *(cost for _, cost in rented if with_rent), *([budget] if budget and budget <= _MOST_TIMES * top else [])]
    frame = Frame(float(points[-1].months_ahead), 1.08 * max(1.0, *shown))
    body = [
        svg.area(frame, wide, _WIDE),
        svg.area(frame, narrow, _NARROW),
        frame.axes("months ahead", "dollars a month", lambda month: f"{month:g}", lambda usd: f"${usd:,.0f}"),
        svg.line(((frame.x(at), frame.y(cost)) for at, cost in planned), svg.INK),
        svg.line(((frame.x(at), frame.y(cost)) for at, cost in rented), svg.RENTED, width=2.4, dash="2 3") if with_rent else "",
        _budget(frame, budget) if budget else "",
        _legend([("as planned", svg.INK, 2, ""), ("80 %", _NARROW, 10, ""), ("95 %", _WIDE, 10, ""),
                 ("rent all" if with_rent else "rent all: above", svg.RENTED, 2.4, "2 3")]),
    ]  # fmt: skip
    return svg.picture(f"The coming year: {name}", "Spend rate by the month with 80 % and 95 % bands.", "".join(body))


def week_picture(name: str, forecast: Forecast) -> str:
    """An SVG element: tokens an hour over the coming week, with the 80 % band."""
    days = [(hour / 24, point) for hour, point in enumerate(forecast.week)]
    frame = Frame(7.0, 1.08 * max(1.0, *(point.p90 for _, point in days)))
    body = [
        svg.area(frame, [(day, point.p10, point.p90) for day, point in days], _NARROW),
        frame.axes("days ahead", "tokens an hour", lambda day: f"{day:g}", tokens),
        svg.line(((frame.x(day), frame.y(point.point)) for day, point in days), svg.INK, width=1.6),
        _legend([("expected", svg.INK, 1.6, ""), ("80 %", _NARROW, 10, "")]),
    ]
    return svg.picture(f"The coming week: {name}", "Tokens by the hour with the 80 % band.", "".join(body))


def _budget(frame: Frame, budget: float) -> str:
    """A level line; where the budget is far above, only its label."""
    label = f"budget ${budget:,.0f}"
    if budget > frame.y_end:
        return svg.text(svg.RIGHT, 40, f"{label}: above", anchor="end")
    at = frame.y(budget)
    return svg.line([(svg.LEFT, at), (svg.RIGHT, at)], svg.INK, width=1.6, dash="9 4") + svg.text(
        svg.RIGHT, 40, f"{label}: – – –", anchor="end"
    )


def _legend(entries: Sequence[tuple[str, str, float, str]]) -> str:
    parts = []
    for place, (words, colour, width, dash) in enumerate(entries):
        left = svg.LEFT + place * 132
        parts.append(svg.line([(left, 388), (left + 30, 388)], colour, width=width, dash=dash))
        parts.append(svg.text(left + 37, 392, words))
    return "".join(parts)
