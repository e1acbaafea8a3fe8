"""A heat map of the week: tokens an hour by weekday and hour, light to dark in one hue, so that it reads in grey."""

import math

import numpy as np

from freehold.plan.amounts import tokens
from freehold.plan.demand.traffic import Floats
from freehold.plan.report import svg

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LIGHT, _DARK = np.array((232, 240, 247)), np.array((0, 52, 89))  # one hue; lightness falls evenly from none to most
_CELL = (svg.RIGHT - svg.LEFT) / 24
_HEIGHT = 252.0
_SHADES, _SHADE_WIDTH = 40, 5.0


def week_heat_picture(name: str, values_by_hour: Floats) -> str:
    """An SVG element from mean tokens an hour (UTC): 7 rows from Monday on, or one row for all days; NaN where none was seen."""
    rows = len(values_by_hour)
    height, bottom = _HEIGHT / rows, svg.TOP + _HEIGHT
    most = float(np.nanmax(values_by_hour, initial=0.0))
    told = "No hour was seen long enough to draw it."
    body = [svg.text(8, 14, "tokens an hour, mean of those seen", colour=svg.SOFT)]
    body += [
        svg.text(svg.LEFT - 8, svg.TOP + (row + 0.5) * height + 4, _DAYS[row], anchor="end") for row in range(rows) if rows > 1
    ]
    for (row, hour), value in np.ndenumerate(values_by_hour):
        words = f"{_moment(row, hour, rows)}, {'not seen' if math.isnan(value) else tokens(value)}"
        body.append(svg.box(_place(row, hour, height), _shade(value, most), words))
    body += [svg.text(svg.LEFT + hour * _CELL, bottom + 18, str(hour), anchor="middle") for hour in range(0, 25, 3)]
    body.append(svg.text((svg.LEFT + svg.RIGHT) / 2, bottom + 38, "hour of the day, UTC", anchor="middle", colour=svg.SOFT))
    if not np.isnan(values_by_hour).all():
        ends = [divmod(int(place), 24) for place in (np.nanargmax(values_by_hour), np.nanargmin(values_by_hour))]
        high, low = (f"{_moment(row, hour, rows)}, {tokens(float(values_by_hour[row, hour]))}" for row, hour in ends)
        told = f"Most: {high} (framed). Least: {low} (dashed)."
        for (row, hour), dash in zip(ends, ("", ' stroke-dasharray="4 3"'), strict=True):
            body.append(svg.box(_place(row, hour, height), f'fill="none" stroke="{svg.RENTED}" stroke-width="2.5"{dash}'))
    body += [svg.text(svg.LEFT, 46, told), _legend(most, all_seen=not np.isnan(values_by_hour).any())]
    return svg.picture(f"Tokens by the hour: {name}", told, "".join(body))


def _moment(row: int, hour: int, rows: int) -> str:
    return f"{_DAYS[row]} {hour}:00" if rows > 1 else f"{hour}:00"


def _place(row: int, hour: int, height: float) -> tuple[float, float, float, float]:
    """Left, top, width and height of a cell; a little smaller than its raster, so that cells stay apart."""
    return svg.LEFT + hour * _CELL + 0.5, svg.TOP + row * height + 0.5, _CELL - 1, height - 1


def _shade(value: float, most: float) -> str:
    """The look of a cell: empty where nothing was seen, else the darker the more."""
    if math.isnan(value):
        return f'fill="#ffffff" stroke="{svg.BAND}" stroke-dasharray="2 3"'
    mixed = _LIGHT + (_DARK - _LIGHT) * (value / most if most else 0.0)
    return 'fill="#' + "".join(f"{round(part):02x}" for part in mixed.tolist()) + '"'


def _legend(most: float, *, all_seen: bool) -> str:
    left = svg.LEFT + 18.0
    parts = [svg.text(svg.LEFT, 392, "0")]
    for shade in range(_SHADES):
        look = _shade(shade / (_SHADES - 1), 1.0)
        parts.append(svg.box((left + shade * _SHADE_WIDTH, 380, _SHADE_WIDTH + 0.5, 14), look))
    parts.append(svg.text(left + _SHADES * _SHADE_WIDTH + 8, 392, tokens(most)))
    if not all_seen:
        parts.append(svg.box((svg.LEFT + 340, 380, 26, 14), _shade(math.nan, most)) + svg.text(svg.LEFT + 374, 392, "not seen"))
    return "".join(parts)
