"""Replicas by the hour: the work that comes, the staircase of the schedule over it, and the best constant number."""

import itertools
from collections.abc import Sequence

from freehold.plan.optimum.schedule import Schedule
from freehold.plan.report import svg
from freehold.plan.report.svg import Frame

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def schedule_picture(name: str, schedule: Schedule) -> str:
    """An SVG element. Work is drawn in replicas at the highest use allowed: what rises above the staircase is rented."""
    slots, constant = schedule.slots, schedule.constant_replicas
    frame = Frame(float(slots), 1.1 * max(0.5, constant, *schedule.replicas, *schedule.p95_needed))
    mean = _stairs(frame, schedule.mean_needed)
    area = " ".join(f"{x:.1f},{y:.1f}" for x, y in ((svg.LEFT, svg.BOTTOM), *mean, (svg.RIGHT, svg.BOTTOM)))
    hours, label = (
        (range(0, 25, 3), "hour of the day, UTC") if slots == 24 else (range(0, 168, 24), "day of the week, from midnight UTC")
    )
    body = [
        f'<polygon points="{area}" fill="{svg.BAND}"/>',
        frame.axes(
            label,
            "replicas, at the highest use allowed",
            lambda hour: f"{hour:g}" if slots == 24 else _DAYS[int(hour) // 24],
            _count,
            hours,
        ),
        svg.line([(svg.LEFT, frame.y(constant)), (svg.RIGHT, frame.y(constant))], svg.SOFT, width=1.4, dash="9 4"),
        svg.line(_stairs(frame, schedule.p95_needed), svg.INK, width=1.2, dash="2 2"),
        svg.line(_stairs(frame, schedule.replicas), svg.OWNED, width=2.8),
        _legend(constant),
    ]
    changes = sum(one != other for one, other in itertools.pairwise([*schedule.replicas, schedule.replicas[0]]))
    told = f"{min(schedule.replicas):,} to {max(schedule.replicas):,} replicas, changed {changes} times in {slots} hours."
    return svg.picture(f"Replicas by the hour: {name}", told, "".join(body))


def _stairs(frame: Frame, values: Sequence[float]) -> list[tuple[float, float]]:
    """Places of a staircase with one step per hour."""
    return frame.steps((float(hour + 1), value) for hour, value in enumerate(values))


def _legend(constant: int) -> str:
    left, parts = (
        float(svg.LEFT),
        [svg.box((svg.LEFT, 381, 26, 12), f'fill="{svg.BAND}"') + svg.text(svg.LEFT + 33, 392, "mean work")],
    )
    for room, words, colour, width, dash in (
        (125, "95th percentile", svg.INK, 1.2, "2 2"),
        (155, "scheduled", svg.OWNED, 2.8, ""),
        (130, f"constant {constant:,}", svg.SOFT, 1.4, "9 4"),
    ):
        left += room
        parts.append(svg.line([(left, 387), (left + 30, 387)], colour, width=width, dash=dash))
        parts.append(svg.text(left + 37, 392, words))
    return "".join(parts)


def _count(replicas: float) -> str:
    return f"{replicas:,.0f}" if replicas == int(replicas) else f"{replicas:.2g}"
