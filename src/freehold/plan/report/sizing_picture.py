"""Two pictures of a sizing: what each configuration costs against its time per token with the front, and cost against promise."""

from collections.abc import Sequence

from freehold.core.money import NANO
from freehold.plan.capacity.sizing.promises import Promised
from freehold.plan.capacity.sizing.size import Configuration, Sizing
from freehold.plan.report import svg

_DOT = 3.5
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
    """An SVG element: dollars a month against the time per token at the promised level, one square per configuration."""
    least = made.cheapest
    most = _HIGHEST * _usd(least) if least else 1.0
    shown = [one for one in made.configurations if one.prices and _usd(one) <= most]
    best = [one for one in front(made.configurations) if _usd(one) <= most]
    frame = svg.Frame(
        max([1000 * made.asked.promise.tpot_s, *(1000 * one.trial.tpot_s for one in shown)]) * 1.05,
        max([1.0, *(_usd(one) for one in shown)]) * 1.08,
    )
    parts = [frame.axes("time per token, ms", "dollars a month", lambda ms: f"{ms:g}", lambda usd: f"{usd:,.0f}")]
    for one in shown:
        words = f"{_name(one)}: {_usd(one):,.0f} dollars a month, {1000 * one.trial.tpot_s:.1f} ms"
        place = (frame.x(1000 * one.trial.tpot_s) - _DOT, frame.y(_usd(one)) - _DOT, 2 * _DOT, 2 * _DOT)
        parts.append(svg.box(place, f'fill="{svg.OWNED if one in best else svg.BAND}"', words))
    parts.append(svg.line([(frame.x(1000 * one.trial.tpot_s), frame.y(_usd(one))) for one in best], svg.OWNED))
    if best:
        x, y = frame.x(1000 * best[0].trial.tpot_s), frame.y(_usd(best[0]))
        parts.append(svg.text(x, y + 18, _name(best[0]), anchor="end" if x > svg.WIDTH / 2 else "start"))
    told = f"{len(best)} of {len(shown)} configurations are on the front: " + ", ".join(_name(one) for one in best)
    return svg.picture(f"Cost against speed: {made.asked.model}", told, "".join(parts))


def promise_picture(made: Sizing, promised: Sequence[Promised]) -> str:
    """An SVG element: dollars a month of the cheapest answer against multiples of both promised times."""
    known = [(one.times, one.nanousd_month / NANO) for one in promised if one.nanousd_month is not None]
    frame = svg.Frame(max([1.0, *(one.times for one in promised)]) * 1.05, max([1.0, *(usd for _, usd in known)]) * 1.08)
    promise = made.asked.promise
    label = f"times the promise of {1000 * promise.ttft_s:g} ms to the first token and {1000 * promise.tpot_s:g} ms a token"
    places = [(frame.x(times), frame.y(usd)) for times, usd in known]
    parts = [
        frame.axes(label, "dollars a month", lambda times: f"{times:g}", lambda usd: f"{usd:,.0f}"),
        svg.line(places, svg.OWNED),
    ]
    parts += [svg.box((x - _DOT, y - _DOT, 2 * _DOT, 2 * _DOT), f'fill="{svg.OWNED}"') for x, y in places]
    missing = ", ".join(f"{one.times:g}" for one in promised if one.nanousd_month is None)
    told = "; ".join(f"{times:g} times: {usd:,.0f} dollars a month" for times, usd in known)
    return svg.picture(
        f"Cost against promise: {made.asked.model}", told + (f"; none at {missing}" if missing else ""), "".join(parts)
    )


def sizing_picture(made: Sizing, promised: Sequence[Promised]) -> str:
    """Both, one below the other, as one SVG document."""
    second = promise_picture(made, promised)
    return (
        f'<svg viewBox="0 0 {svg.WIDTH} {2 * svg.HEIGHT}" xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/>'
        f'<svg width="{svg.WIDTH}" height="{svg.HEIGHT}">{front_picture(made)}</svg>'
        f'<svg y="{svg.HEIGHT}" width="{svg.WIDTH}" height="{svg.HEIGHT}">{second}</svg></svg>\n'
    )


def _usd(one: Configuration) -> float:
    return (one.nanousd_month or 0) / NANO


def _name(one: Configuration) -> str:
    return f"{one.trial.replicas}x {one.gpu} {one.layout} {one.precision}"
