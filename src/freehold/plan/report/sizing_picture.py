"""Two pictures of a sizing: what each configuration costs against its time per token with the front, and cost against promise."""

from collections.abc import Sequence

from freehold.core.money import NANO
from freehold.plan.capacity.sizing.promises import Promised
from freehold.plan.capacity.sizing.size import Configuration, Sizing
from freehold.plan.report import svg

_DOT = 3.5
_MARGIN, _LINE = 8, 18
_LEGEND = ("Blue: nothing else is both cheaper and faster; the cheapest is framed.", "Grey: the others that keep the promise.")
# Far above the cheapest the picture would only show how much one can overpay.
_HIGHEST = 8.0


def front(configurations: Sequence[Configuration]) -> list[Configuration]:
    """Those that no other beats on both cost and time per token: from the cheapest on, each faster than all before it."""
    priced = [(one.nanousd_month, one.trial.tpot_s, place) for place, one in enumerate(configurations) if one.nanousd_month]
    kept: list[Configuration] = []
    for _, tpot_s, place in sorted(priced):
        if not kept or tpot_s < kept[-1].trial.tpot_s:
            kept.append(configurations[place])
    return kept


def front_picture(made: Sizing) -> str:
    """An SVG element: dollars a month against the time per token at the promised level, one square per configuration.

    The front is a staircase with its steps numbered from the cheapest on and named below; a frame marks the cheapest answer, a
    dashed line the promise.
    """
    (shown, best), promised_ms = _shown(made), 1000 * made.asked.promise.tpot_s
    frame = svg.Frame(1.06 * max([promised_ms, *map(_tpot_ms, shown)]), 1.08 * max([1.0, *map(_usd, shown)]))
    asked = made.asked.promise
    parts = [
        _heading(
            f"{made.asked.model}: what keeps the promise, and at what price",
            f"{100 * asked.level:g} % of requests: first token within {1000 * asked.ttft_s:g} ms, {promised_ms:g} ms a token",
        ),
        frame.axes(f"time per token that {100 * asked.level:g} % keep, ms", "", lambda ms: f"{ms:g}", lambda usd: f"{usd:,.0f}"),
        svg.line([(frame.x(promised_ms), svg.TOP), (frame.x(promised_ms), svg.BOTTOM)], svg.RENTED, width=1, dash="5 4"),
        svg.text(frame.x(promised_ms) - 6, svg.TOP - 4, "promised", anchor="end", colour=svg.RENTED),
    ]
    parts += [_dot(frame, one, svg.BAND) for one in shown if one not in best]
    parts.append(svg.line(_stairs(frame, best), svg.OWNED))
    for number, one in enumerate(best, 1):
        parts += [_dot(frame, one, svg.OWNED), svg.text(*_beside(frame, one), str(number), anchor="end", colour=svg.OWNED)]
    if best:
        parts.append(_mark(frame.x(_tpot_ms(best[0])), frame.y(_usd(best[0]))))
    below = [
        *_LEGEND,
        *(f"{number}: {_name(one)}: {_usd(one):,.0f} dollars, {_tpot_ms(one):.1f} ms" for number, one in enumerate(best, 1)),
    ]
    parts += [svg.text(_MARGIN, svg.HEIGHT - 4 + _LINE * row, words) for row, words in enumerate(below)]
    told = f"{len(best)} of {len(shown)} configurations are on the front: " + ", ".join(_name(one) for one in best)
    return svg.picture(f"Cost against speed: {made.asked.model}", told, "".join(parts), height=svg.HEIGHT + _LINE * len(below))


def promise_picture(made: Sizing, promised: Sequence[Promised]) -> str:
    """An SVG element: dollars a month of the cheapest answer against multiples of both promised times."""
    # Each doubling is as wide as the next.
    known = [(n + 0.5, one.times, one.nanousd_month / NANO) for n, one in enumerate(promised) if one.nanousd_month is not None]
    missing = [(n + 0.5, one.times) for n, one in enumerate(promised) if one.nanousd_month is None]
    frame = svg.Frame(float(max(1, len(promised))), 1.15 * max([1.0, *(usd for _, _, usd in known)]))
    promise = made.asked.promise
    parts = [
        _heading(
            "What a tighter or a looser promise costs",
            f"x1 is the promise of {1000 * promise.ttft_s:g} ms to the first token and {1000 * promise.tpot_s:g} ms a token",
        ),
        frame.axes(
            "both promised times, multiplied", "", lambda at: f"x{promised[int(at)].times:g}", lambda usd: f"{usd:,.0f}",
            [n + 0.5 for n in range(len(promised))],
        ),
        svg.line([(frame.x(at), frame.y(usd)) for at, _, usd in known], svg.OWNED, width=1, dash="5 4"),
    ]  # fmt: skip
    for at, times, usd in known:
        x, y = frame.x(at), frame.y(usd)
        parts.append(svg.box((x - _DOT, y - _DOT, 2 * _DOT, 2 * _DOT), f'fill="{svg.OWNED}"'))
        parts.append(svg.text(x + 2, y - 10, f"{usd:,.0f}"))
        if times == 1:
            parts.append(_mark(x, y))
    parts += [svg.text(frame.x(at), svg.BOTTOM - 8, "none", anchor="middle", colour=svg.RENTED) for at, _ in missing]
    told = "; ".join(f"{times:g} times: {usd:,.0f} dollars a month" for _, times, usd in known)
    told += f"; none at {', '.join(f'{times:g}' for _, times in missing)}" if missing else ""
    return svg.picture(f"Cost against promise: {made.asked.model}", told, "".join(parts))


def sizing_picture(made: Sizing, promised: Sequence[Promised]) -> str:
    """Both, one below the other, as one SVG document."""
    first, second = front_picture(made), promise_picture(made, promised)
    upper = svg.HEIGHT + _LINE * (len(_LEGEND) + len(_shown(made)[1]))
    return (
        f'<svg viewBox="0 0 {svg.WIDTH} {upper + svg.HEIGHT}" xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" '
        f'font-size="14"><rect width="100%" height="100%" fill="white"/>'
        f'<svg width="{svg.WIDTH}" height="{upper}">{first}</svg>'
        f'<svg y="{upper}" width="{svg.WIDTH}" height="{svg.HEIGHT}">{second}</svg></svg>\n'
    )


def _shown(made: Sizing) -> tuple[list[Configuration], list[Configuration]]:
    """What has a price that is not far above the least, and the front of it."""
    least = made.cheapest
    most = _HIGHEST * _usd(least) if least else 1.0
    shown = [one for one in made.configurations if one.prices and _usd(one) <= most]
    return shown, front(shown)


def _heading(title: str, under: str) -> str:
    return (
        f'<g font-size="17" font-weight="bold">{svg.text(_MARGIN, 20, title)}</g>'
        f"{svg.text(_MARGIN, 40, under, colour=svg.SOFT)}{svg.text(svg.LEFT, 59, 'dollars a month', colour=svg.SOFT)}"
    )


def _dot(frame: svg.Frame, one: Configuration, colour: str) -> str:
    words = f"{_name(one)}: {_usd(one):,.0f} dollars a month, {_tpot_ms(one):.1f} ms"
    place = (frame.x(_tpot_ms(one)) - _DOT, frame.y(_usd(one)) - _DOT, 2 * _DOT, 2 * _DOT)
    return svg.box(place, f'fill="{colour}"', words)


def _mark(x: float, y: float) -> str:
    """A frame around the answer that was asked for."""
    wide = 2 * _DOT
    return svg.box((x - wide, y - wide, 2 * wide, 2 * wide), f'fill="none" stroke="{svg.RENTED}" stroke-width="2"')


def _beside(frame: svg.Frame, one: Configuration) -> tuple[float, float]:
    """Below and to the left, where nothing can be: it would be cheaper and faster."""
    return frame.x(_tpot_ms(one)) - 8, frame.y(_usd(one)) + 15


def _stairs(frame: svg.Frame, best: Sequence[Configuration]) -> list[tuple[float, float]]:
    """From the cheapest on: what is faster costs more at once, and nothing lies between two of them."""
    places: list[tuple[float, float]] = []
    for one in best:
        if places:
            places.append((places[-1][0], frame.y(_usd(one))))
        places.append((frame.x(_tpot_ms(one)), frame.y(_usd(one))))
    return places


def _tpot_ms(one: Configuration) -> float:
    return 1000 * one.trial.tpot_s


def _usd(one: Configuration) -> float:
    return (one.nanousd_month or 0) / NANO


def _name(one: Configuration) -> str:
    return f"{one.trial.replicas}x {one.gpu} {one.layout} {one.precision}".rstrip()
