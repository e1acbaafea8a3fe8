"""The gate's verdict as one self-contained page: the confidence sequence closing on the margin, and the evidence."""

import math
from html import escape
from importlib import resources
from string import Template

from freehold.move.migration.verdict import Point, Verdict, named, points
from freehold.plan.report import svg

_BOTTOM, _TOP = svg.BOTTOM, 40


class _Scale:
    """Pairs from left to right by their logarithm, differences from `-reach` to `reach` upwards."""

    def __init__(self, sequence: tuple[Point, ...], margin: float) -> None:
        last = sequence[-1]
        self.first, self.last = math.log10(sequence[0].n), math.log10(max(last.n, sequence[0].n + 1))
        self.reach = min(1.0, max(0.02, 5 * margin, 1.5 * max(abs(last.low), abs(last.high))))

    def x(self, pairs: float) -> float:
        """Where a number of pairs stands."""
        return svg.LEFT + (svg.RIGHT - svg.LEFT) * (math.log10(pairs) - self.first) / (self.last - self.first)

    def y(self, difference: float) -> float:
        """Where a difference stands; one beyond the picture stands at its edge."""
        inside = max(-self.reach, min(self.reach, difference))
        return _BOTTOM - (_BOTTOM - _TOP) * (inside + self.reach) / (2 * self.reach)


def gate_picture(verdict: Verdict) -> str:
    """An SVG element: the bounds as an area, the asymptotic ones dashed, the mean, the margin and equal as level lines."""
    sequence, margin = verdict.sequence, verdict.settings.margin
    scale = _Scale(sequence, margin)
    upper = [(scale.x(point.n), scale.y(point.high)) for point in sequence]
    lower = [(scale.x(point.n), scale.y(point.low)) for point in reversed(sequence)]
    area = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*upper, *lower])
    fast = [(point.n, *ends) for point in sequence if (ends := _asymptotic(point)) is not None]
    level = [(difference, scale.y(difference)) for difference in (-margin, 0.0)]
    body = [
        f'<polygon points="{area}" fill="{svg.BAND}"/>',
        _axes(scale),
        *(
            svg.line([(svg.LEFT, at), (svg.RIGHT, at)], svg.INK if difference == 0 else svg.RENTED, width=1.6, dash="9 4")
            for difference, at in level
        ),
        *(svg.line([(scale.x(n), scale.y(ends[side])) for n, *ends in fast], svg.INK, width=1, dash="2 2") for side in (0, 1)),
        svg.line([(scale.x(point.n), scale.y(point.mean)) for point in sequence], svg.OWNED, width=2.4),
        _legend(),
    ]
    last = sequence[-1]
    told = f"After {last.n:,} pairs from {points(last.low)} to {points(last.high)} points; the margin is {points(-margin)}."
    return svg.picture("Owned less rented, pair by pair", told, "".join(body))


def render_gate(verdict: Verdict) -> str:
    """The page as text; names from the file are escaped."""
    template = Template((resources.files("freehold.app") / "gate_page.html").read_text(encoding="utf-8"))
    asked = verdict.settings
    rows = [
        (named(one), one.finding, f"{one.samples:,}", *map(points, (one.mean, one.low, one.high, one.threshold)),
         f"{one.log_wealth_above:.2f}", "–" if one.needed_above is None else f"{one.needed_above:.2f}",
         f"{one.log_wealth_below:.2f}", f"{one.needed_below:.2f}")
        for one in verdict.evidence
    ]  # fmt: skip
    return template.substitute(
        reason=escape(verdict.reason),
        asked=escape(f"Margin {points(asked.margin)} points, alpha {asked.alpha:g}, at least {asked.min_samples:,} pairs."),
        picture=gate_picture(verdict),
        rows="".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows),
    )


def _asymptotic(point: Point) -> tuple[float, float] | None:
    if point.asymptotic_low is None or point.asymptotic_high is None:
        return None
    return point.asymptotic_low, point.asymptotic_high


def _axes(scale: _Scale) -> str:
    parts = []
    step = svg.ticks(scale.reach, 4)[1]
    for place in range(-int(scale.reach / step + 1e-9), int(scale.reach / step + 1e-9) + 1):
        at = scale.y(place * step)
        parts.append(svg.line([(svg.LEFT, at), (svg.RIGHT, at)], svg.RULE, width=1))
        parts.append(svg.text(svg.LEFT - 8, at + 4, points(place * step), anchor="end"))
    decades = (digit * 10**power for power in range(8) for digit in (1, 2, 5))
    for pairs in (pairs for pairs in decades if 10**scale.first <= pairs <= 10**scale.last):
        parts.append(svg.line([(scale.x(pairs), _BOTTOM), (scale.x(pairs), _BOTTOM + 5)], svg.INK, width=1))
        parts.append(svg.text(scale.x(pairs), _BOTTOM + 19, f"{pairs:,}", anchor="middle"))
    parts.append(svg.line([(svg.LEFT, _TOP), (svg.LEFT, _BOTTOM), (svg.RIGHT, _BOTTOM)], svg.INK, width=1))
    parts.append(svg.text((svg.LEFT + svg.RIGHT) / 2, _BOTTOM + 38, "pairs", anchor="middle", colour=svg.SOFT))
    parts.append(svg.text(8, 14, "mean score of owned less rented, points of 100", colour=svg.SOFT))
    return "".join(parts)


def _legend() -> str:
    parts, left = [], float(svg.LEFT)
    for words, colour, width, dash, room in (
        ("mean", svg.OWNED, 2.4, "", 84), ("bounds", svg.BAND, 10, "", 98), ("asymptotic", svg.INK, 1, "2 2", 122),
        ("margin", svg.RENTED, 1.6, "9 4", 98), ("equal", svg.INK, 1.6, "9 4", 90),
    ):  # fmt: skip
        parts.append(svg.line([(left, 388), (left + 30, 388)], colour, width=width, dash=dash))
        parts.append(svg.text(left + 37, 392, words))
        left += room
    return "".join(parts)
