"""Monthly cost against volume: every API, the owned staircase, every candidate's cheapest mix, bands, break-even, today."""

from collections.abc import Sequence

from freehold.core.money import NANO
from freehold.plan.amounts import tokens
from freehold.plan.document import CandidateCost, RentedCost, WorkloadPlan
from freehold.plan.report import svg
from freehold.plan.report.svg import Frame

_LABEL_WIDTH = 150
_AREA = "#dde3e9"
# Other candidates: thin lines told apart by their dashes, so that they are in grey, too.
_DASHES = ("1 0", "6 3", "2 2", "9 3 2 3")
_ROW, _FIRST_ROW = 19, 392
_LETTERS = 60


def cost_picture(workload: WorkloadPlan, number: int) -> str:
    """An SVG element. Volumes in tokens a day, costs in dollars a month; a line that leaves the top is far dearer. `number` keeps
    its ids apart from those of other pictures on the page."""
    points = workload.volumes
    owned = [(p.tokens_per_day, p.owned_nanousd_month / NANO) for p in points]
    mixed = [(p.tokens_per_day, p.hybrid_nanousd_month / NANO) for p in points]
    least = [(p.tokens_per_day, p.rented_nanousd_month / NANO) for p in points]
    frame = Frame(points[-1].tokens_per_day, 1.15 * max(1.0, *(cost for _, cost in (*mixed, *least, *owned))))
    others = [candidate for candidate in workload.candidates if not candidate.chosen]
    band = [(b.tokens_per_day, b.hybrid_p10 / NANO, b.hybrid_p90 / NANO) for b in workload.bands]
    drawn = [
        svg.area(frame, band, _AREA),
        svg.line(((frame.x(volume), frame.y(cost)) for volume, cost in mixed), svg.BAND, width=8),
        *(_rented(frame, workload, rented) for rented in workload.rented),
        *(_other(frame, workload, other, place) for place, other in enumerate(others)),
        svg.line(frame.steps(owned), svg.OWNED, dash="8 4"),
    ]
    clip = (
        f'<clipPath id="plot{number}"><rect x="{svg.LEFT}" y="{svg.TOP}" width="{svg.RIGHT - svg.LEFT}" height="400"/></clipPath>'
    )
    body = [
        f'{clip}<g clip-path="url(#plot{number})">{"".join(drawn)}</g>',
        frame.axes("volume, tokens a day", "dollars a month", tokens, _dollars),
        _marks(frame, workload),
    ]
    legend, height = _legend(workload, others)
    first = workload.break_even.first_tokens_per_day
    crossing = "there is no break-even" if first is None else f"owning some pays from {tokens(first)} tokens a day"
    return svg.picture(
        f"Monthly cost against volume: {workload.name}",
        f"Renting grows in a line, owning in steps; {crossing}.",
        "".join(body) + legend,
        height=height,
    )


def _dollars(usd: float) -> str:
    return f"${usd:,.0f}" if usd >= 1 or not usd else f"${usd:.2f}"


def _rented(frame: Frame, workload: WorkloadPlan, rented: RentedCost) -> str:
    """A straight line from nothing: an API has no steps. The hosts of the owned model are drawn in longer dots."""
    slope = rented.rented_nanousd_month / NANO / workload.traffic.tokens_per_day
    end = min(frame.x_end, 2 * frame.y_end / slope) if slope > 0 else frame.x_end
    places = [(frame.x(0), frame.y(0)), (frame.x(end), frame.y(end * slope))]
    return svg.line(places, svg.RENTED, width=2.4, dash=_rented_dash(rented))


def _rented_dash(rented: RentedCost) -> str:
    return "9 4" if rented.hosted else "2 3"


def _other(frame: Frame, workload: WorkloadPlan, other: CandidateCost, place: int) -> str:
    costs = zip(workload.volumes, other.hybrid_nanousd_month, strict=True)
    places = [(frame.x(point.tokens_per_day), frame.y(cost / NANO)) for point, cost in costs]
    return svg.line(places, svg.INK, width=1.1, dash=_DASHES[place % len(_DASHES)])


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


def _legend(workload: WorkloadPlan, others: Sequence[CandidateCost]) -> tuple[str, int]:
    """The words under the picture, and how high it is with them: what is drawn first on the left, other ways of owning below."""
    short = [("own all", svg.OWNED, 2.0, "8 4"), ("cheapest mix, and 80 % of draws", svg.BAND, 8.0, "")]
    wide = [(f"{rented.provider}/{rented.model}", svg.RENTED, 2.4, _rented_dash(rented)) for rented in workload.rented]
    wide += [(f"mix on {_where(other)}", svg.INK, 1.1, _DASHES[place % len(_DASHES)]) for place, other in enumerate(others)]
    parts = []
    for place, (words, colour, width, dash) in enumerate(short):
        parts.append(_entry(svg.LEFT + place * 150, _FIRST_ROW, words, (colour, width, dash)))
    for place, (words, colour, width, dash) in enumerate(wide, 1):
        parts.append(_entry(svg.LEFT, _FIRST_ROW + _ROW * place, words, (colour, width, dash)))
    return "".join(parts), _FIRST_ROW + _ROW * len(wide) + 10


def _where(other: CandidateCost) -> str:
    """The machines without the model, which is the same everywhere; as much of it as fits."""
    where = other.label.partition(" on ")[2] or other.label
    return where if len(where) <= _LETTERS else f"{where[: _LETTERS - 1]}…"


def _entry(left: float, row: float, words: str, look: tuple[str, float, str]) -> str:
    colour, width, dash = look
    return svg.line([(left, row - 4), (left + 34, row - 4)], colour, width=width, dash=dash) + svg.text(left + 41, row, words)
