"""Just enough SVG for a chart: a frame with axes that maps values to places, lines, and text that is always escaped."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

# Okabe & Ito's palette: distinct to colour-blind eyes; the dashes keep lines apart in grey.
OWNED, RENTED, BAND, INK, SOFT, RULE = "#0072B2", "#D55E00", "#b4bcc6", "#1b2430", "#5b6673", "#dfe4ea"

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 74, 610, 64, 330


@dataclass(frozen=True)
class Frame:
    """A plot from 0 to `x_end` and 0 to `y_end` in the picture's fixed place."""

    x_end: float
    y_end: float

    def x(self, value: float) -> float:
        """Where a value stands, from the left."""
        return LEFT + (RIGHT - LEFT) * value / self.x_end

    def y(self, value: float) -> float:
        """Where a value stands, from the top."""
        return BOTTOM - (BOTTOM - TOP) * value / self.y_end

    def axes(
        self,
        x_label: str,
        y_label: str,
        x_tick: Callable[[float], str],
        y_tick: Callable[[float], str],
        x_values: Iterable[float] | None = None,
    ) -> str:
        """Rules, ticks and both labels with their units; `x_values` where round decimal values do not suit, as with hours."""
        parts = []
        for value in ticks(self.y_end):
            at = self.y(value)
            parts.append(line([(LEFT, at), (RIGHT, at)], RULE, width=1))
            parts.append(text(LEFT - 8, at + 4, y_tick(value), anchor="end"))
        for value in ticks(self.x_end) if x_values is None else x_values:
            at = self.x(value)
            parts.append(line([(at, BOTTOM), (at, BOTTOM + 5)], INK, width=1))
            parts.append(text(at, BOTTOM + 19, x_tick(value), anchor="middle"))
        parts.append(line([(LEFT, TOP), (LEFT, BOTTOM), (RIGHT, BOTTOM)], INK, width=1))
        parts.append(text((LEFT + RIGHT) / 2, BOTTOM + 38, x_label, anchor="middle", colour=SOFT))
        parts.append(text(8, 14, y_label, colour=SOFT))
        return "".join(parts)

    def steps(self, points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
        """Places of a staircase through the points: each height holds back to the point before."""
        places: list[tuple[float, float]] = []
        for x_value, y_value in points:
            place = (self.x(x_value), self.y(y_value))
            places.append((places[-1][0] if places else LEFT, place[1]))
            places.append(place)
        return places


def ticks(end: float, about: int = 6) -> list[float]:
    """Round values from 0 to at most `end`: multiples of 1, 2 or 5 times a power of ten."""
    rough = end / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(m for m in (1, 2, 5, 10) if rough <= m * power * (1 + 1e-9))
    return [i * step for i in range(int(end / step + 1e-9) + 1)]


def line(places: Iterable[tuple[float, float]], colour: str, *, width: float = 2, dash: str = "") -> str:
    """A polyline."""
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="{width:g}"{dashed}/>'


def box(place: tuple[float, float, float, float], look: str, words: str = "") -> str:
    """A rectangle: left, top, width and height; `look` is its attributes, e.g. fill, `words` what is shown on pointing at it."""
    x, y, width, height = place
    title = f"<title>{escape(words)}</title>" if words else ""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" {look}>{title}</rect>'


def text(x: float, y: float, words: str, *, anchor: str = "start", colour: str = INK) -> str:
    """One line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def area(frame: Frame, points: Sequence[tuple[float, float, float]], colour: str) -> str:
    """The area between low and high: points of place, low and high."""
    places = [(frame.x(at), frame.y(high)) for at, _, high in points]
    places += [(frame.x(at), frame.y(low)) for at, low, _ in reversed(points)]
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polygon points="{joined}" fill="{colour}"/>'


def picture(title: str, description: str, body: str, *, height: int = HEIGHT) -> str:
    """The SVG element around a picture; title and description are read out to those who cannot see it."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{body}</svg>"
    )
