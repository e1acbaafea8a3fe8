"""Monthly cost against volume: the rented line, the owned staircase, the cheapest mix, break-even and today."""

from freehold.core.money import NANO
from freehold.plan.plan import WorkloadPlan
from freehold.plan.report import svg
from freehold.plan.report.svg import Frame
from freehold.plan.wording import tokens

_LABEL_WIDTH = 150


def cost_picture(workload: WorkloadPlan) -> str:
    """An SVG element. Volumes in tokens a day, costs in dollars a month."""
    points = workload.volumes
    rented = [(p.tokens_per_day, p.rented_nanousd_month / NANO) for p in points]
    owned = [(p.tokens_per_day, p.owned_nanousd_month / NANO) for p in points]
    mixed = [(p.tokens_per_day, p.hybrid_nanousd_month / NANO) for p in points]
    frame = Frame(points[-1].tokens_per_day, 1.05 * max(1.0, *(cost for _, cost in (*rented, *owned, *mixed))))
    body = [
        frame.axes(
            "volume, tokens a day",
            "dollars a month",
            tokens,
            lambda usd: f"${usd:,.0f}" if usd >= 1 or not usd else f"${usd:.2f}",
        ),
        svg.line(((frame.x(volume), frame.y(cost)) for volume, cost in mixed), svg.BAND, width=8),
        svg.line(((frame.x(volume), frame.y(cost)) for volume, cost in rented), svg.RENTED, width=2.4, dash="2 3"),
        svg.line(frame.steps(owned), svg.OWNED, dash="8 4"),
        _marks(frame, workload),
        _legend(),
    ]
    first = workload.break_even.first_tokens_per_day
    crossing = "there is no break-even" if first is None else f"owning some pays from {tokens(first)} tokens a day"
    return svg.picture(
        f"Monthly cost against volume: {workload.name}", f"Renting grows in a line, owning in steps; {crossing}.", "".join(body)
    )


def _marks(frame: Frame, workload: WorkloadPlan) -> str:
    """Upright lines at today's volume and at break-even. Each label has its own row, away from the other's line."""
    marks = [(workload.traffic.tokens_per_day, "today", svg.SOFT, 34)]
    first = workload.break_even.first_tokens_per_day
    if first is not None and first <= frame.x_end:
        marks.append((first, "owning pays from", svg.OWNED, 51))
    parts = []
    for volume, words, colour, row in marks:
        at = frame.x(volume)
        others = [frame.x(other) for other, *_ in marks if other != volume]
        room_left, room_right = at > svg.LEFT + _LABEL_WIDTH, at < svg.RIGHT - _LABEL_WIDTH
        left = room_left and (not room_right or any(other > at for other in others) or at > (svg.LEFT + svg.RIGHT) / 2)
        parts.append(svg.line([(at, row - 10), (at, svg.BOTTOM)], colour, width=1.2, dash="4 3"))
        label = f"{words} {tokens(volume)}"
        parts.append(svg.text(at - 5 if left else at + 5, row, label, anchor="end" if left else "start", colour=colour))
    return "".join(parts)


def _legend() -> str:
    entries = (("rent all", svg.RENTED, 2.4, "2 3"), ("own all", svg.OWNED, 2, "8 4"), ("cheapest mix", svg.BAND, 8, ""))
    parts = []
    for place, (words, colour, width, dash) in enumerate(entries):
        left = svg.LEFT + 40 + place * 165
        parts.append(svg.line([(left, 388), (left + 34, 388)], colour, width=width, dash=dash))
        parts.append(svg.text(left + 41, 392, words))
    return "".join(parts)
