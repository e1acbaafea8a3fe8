"""The load-duration curve: for which share of the time how many replicas are needed, the owned base shaded, the peak hatched."""

from freehold.plan.amounts import percent
from freehold.plan.document import WorkloadPlan
from freehold.plan.report import svg
from freehold.plan.report.svg import Frame


def duration_picture(workload: WorkloadPlan, number: int) -> str:
    """An SVG element. `number` keeps its ids apart from those of other pictures on the page."""
    need, owned = workload.duration, workload.best.replicas
    frame = Frame(100.0, 1.12 * max(need[0].replicas, owned, 0.01))
    curve = [(frame.x(0), frame.y(need[0].replicas)), *((frame.x(100 * p.share), frame.y(p.replicas)) for p in need)]
    area = " ".join(f"{x:.1f},{y:.1f}" for x, y in ((svg.LEFT, svg.BOTTOM), *curve, (svg.RIGHT, svg.BOTTOM)))
    level = frame.y(owned)
    body = [
        _patterns(number, level),
        f'<polygon points="{area}" fill="{svg.OWNED}" fill-opacity="0.3" clip-path="url(#base{number})"/>',
        f'<polygon points="{area}" fill="url(#hatch{number})" clip-path="url(#peak{number})"/>',
        frame.axes("share of the time, in 10 s windows, busiest first", "replicas needed", lambda x: f"{x:.0f} %", _count),
        svg.line(curve, svg.INK, width=1.6),
        svg.line([(svg.LEFT, level), (svg.RIGHT, level)], svg.OWNED, width=2, dash="7 4") if owned else "",
        _legend(number, workload),
    ]
    served = f"{owned} owned replicas carry {percent(workload.best.owned_share)} of the work"
    return svg.picture(f"Load-duration curve: {workload.name}", served, "".join(body))


def _patterns(number: int, level: float) -> str:
    return (
        f'<defs><clipPath id="base{number}"><rect x="0" y="{level:.1f}" width="{svg.WIDTH}" height="{svg.HEIGHT}"/></clipPath>'
        f'<clipPath id="peak{number}"><rect x="0" y="0" width="{svg.WIDTH}" height="{level:.1f}"/></clipPath>'
        f'<pattern id="hatch{number}" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="7" height="7" fill="{svg.RENTED}" fill-opacity="0.12"/>'
        f'<rect width="2.2" height="7" fill="{svg.RENTED}"/></pattern></defs>'
    )


def _legend(number: int, workload: WorkloadPlan) -> str:
    best = workload.best
    entries = (
        (f'fill="{svg.OWNED}" fill-opacity="0.3"', f"owned base {percent(best.owned_share)}", svg.LEFT - 20),
        (f'fill="url(#hatch{number})"', f"rented peak {percent(best.spilled_share)}", svg.LEFT + 185),
    )
    parts = [
        f'<rect x="{left}" y="380" width="26" height="13" {fill} stroke="{svg.INK}" stroke-width="0.6"/>'
        + svg.text(left + 33, 391, words)
        for fill, words, left in entries
    ]
    owned = f"{best.replicas:,} replica{'s' if best.replicas != 1 else ''} owned"
    parts.append(
        svg.line([(svg.LEFT + 390, 387), (svg.LEFT + 424, 387)], svg.OWNED, dash="7 4") + svg.text(svg.LEFT + 431, 391, owned)
    )
    return "".join(parts)


def _count(replicas: float) -> str:
    return f"{replicas:,.0f}" if replicas >= 10 or replicas == int(replicas) else f"{replicas:.2g}"
