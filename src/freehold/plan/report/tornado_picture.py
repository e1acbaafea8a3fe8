"""The tornado: which input, moved from end to end of its range, moves owning against renting how far, the greatest first."""

from dataclasses import dataclass

from freehold.core.money import NANO
from freehold.plan.outlook.uncertainty import Swing, Uncertainty
from freehold.plan.report import svg
from freehold.plan.wording import input_name, input_value

_LEFT, _RIGHT = 150, 620
_ROOM = 74  # for the values beside a bar's ends
_TOP, _BOTTOM, _BAR = 58, 330, 17
_HIGHEST_ROW = 50.0


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float

    def x(self, usd: float) -> float:
        return _LEFT + _ROOM + (_RIGHT - _LEFT - 2 * _ROOM) * (usd - self.low) / (self.high - self.low)


def tornado_picture(name: str, uncertainty: Uncertainty) -> str:
    """An SVG element. Dollars a month that owning saves against renting all; inputs that move nothing are left out."""
    point, allowed = uncertainty.margin_nanousd_month / NANO, uncertainty.first_tokens_per_day is not None
    swings = [s for s in uncertainty.tornado if len({*_margins(s), point}) > 1]
    swings.sort(key=lambda s: -abs(_margins(s)[1] - _margins(s)[0]))
    ends = [0.0, point, *(end for s in swings for end in _margins(s))]
    scale = _Scale(min(ends), max(*ends, min(ends) + 1))
    row = min(_HIGHEST_ROW, (_BOTTOM - _TOP) / max(len(swings), 1))
    bottom = _TOP + row * len(swings)
    body = [
        _axis(scale, bottom),
        svg.line([(scale.x(0), _TOP - 10), (scale.x(0), bottom)], svg.INK, width=2),
        svg.line([(scale.x(point), _TOP - 10), (scale.x(point), bottom)], svg.INK, width=1.2, dash="4 3"),
        *(_bar(swing, point, scale, _TOP + (place + 0.5) * row - _BAR / 2) for place, swing in enumerate(swings)),
        svg.text(8, 14, "owning saves against renting all, dollars a month", colour=svg.SOFT),
        svg.text(_LEFT, 38, f"← renting all {'wins' if allowed else 'is cheaper, but not allowed'}", colour=svg.RENTED),
        svg.text(_RIGHT, 38, "owning wins →", anchor="end", colour=svg.OWNED),
        _legend(),
    ]
    turning = [input_name(s.input) for s in swings if s.flips_at is not None]
    told = f"The answer turns with {', '.join(turning)}." if turning else "No single input turns the answer."
    return svg.picture(f"What moves the answer: {name}", told, "".join(body))


def _margins(swing: Swing) -> tuple[float, float]:
    return swing.margin_low_nanousd_month / NANO, swing.margin_high_nanousd_month / NANO


def _axis(scale: _Scale, bottom: float) -> str:
    """Round values on both sides of zero, few enough that their labels keep apart."""
    step = svg.ticks(scale.high - scale.low, 4)[1]
    values = [step * n for n in range(-10, 11) if scale.low - 1e-9 <= step * n <= scale.high + 1e-9]
    parts = []
    for value in values:
        at = scale.x(value)
        parts.append(svg.line([(at, _TOP - 10), (at, bottom)], svg.RULE, width=1))
        sign = "-" if value < 0 else ""
        parts.append(svg.text(at, bottom + 17, f"{sign}${abs(value):,.0f}", anchor="middle"))
    return "".join(parts)


def _bar(swing: Swing, point: float, scale: _Scale, top: float) -> str:
    """From the point's margin to both ends: plain towards the low end of the input, filled towards the high one."""
    low, high = _margins(swing)
    parts = [svg.text(_LEFT - 8, top + 13, input_name(swing.input), anchor="end")]
    for end, fill in ((low, "#ffffff"), (high, svg.OWNED)):
        left, right = sorted((scale.x(point), scale.x(end)))
        parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{_BAR}" fill="{fill}" '
            f'stroke="{svg.OWNED}" stroke-width="1.2"/>'
        )
    first, last = (swing.low, swing.high) if low <= high else (swing.high, swing.low)
    left, right = min(low, high, point), max(low, high, point)
    for value, at, anchor in ((first, scale.x(left) - 5, "end"), (last, scale.x(right) + 5, "start")):
        words = input_value(swing.input, value)
        wide = 7.2 * len(words)
        # The ground keeps a line behind the words from crossing them.
        start = at - wide if anchor == "end" else at
        behind = f'<rect x="{start:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{_BAR}" fill="#ffffff"/>'
        parts.append(behind + svg.text(at, top + 13, words, anchor=anchor, colour=svg.SOFT))
    return "".join(parts)


def _legend() -> str:
    parts = []
    for left, fill, words in ((svg.LEFT, "#ffffff", "input at its low end"), (svg.LEFT + 195, svg.OWNED, "at its high end")):
        box = f'<rect x="{left}" y="381" width="26" height="12" fill="{fill}" stroke="{svg.OWNED}" stroke-width="1.2"/>'
        parts.append(box + svg.text(left + 33, 392, words))
    stated = svg.LEFT + 365
    parts.append(svg.line([(stated, 387), (stated + 30, 387)], svg.INK, width=1.2, dash="4 3"))
    parts.append(svg.text(stated + 37, 392, "at the points"))
    return "".join(parts)
