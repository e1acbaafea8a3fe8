import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from freehold.plan.demand.hours import MONDAY_S
from freehold.plan.optimum.elastic import Elastic, Hire, Windows
from freehold.plan.optimum.schedule import Schedule, follow_hours
from freehold.plan.report import svg
from freehold.plan.report.heat_picture import week_heat_picture
from freehold.plan.report.schedule_picture import schedule_picture
from freehold.plan.report.svg import Frame

SPACE = "{http://www.w3.org/2000/svg}"


def schedule(days: int) -> Schedule:
    """One replica's work at night and three by day, one on Saturday and Sunday."""
    hours = np.arange(48 * days) / 2
    work = np.where((hours % 24 >= 12) & (hours // 24 % 7 < 5), 2700.0, 900.0)
    windows = Windows(MONDAY_S, 1800.0, work, np.zeros_like(work), work * 1e6)
    hire = Hire(price_nanousd_h=10**9, replicas_per_machine=1, max_utilisation=0.5, month_hours=720.0)
    found = follow_hours(windows, hire, Elastic(start_delay_s=600.0, least_run_s=0.0)).schedule
    assert found is not None
    return found


def words(picture: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(picture).iter(f"{SPACE}text")]


def places(picture: str, colour: str, width: str) -> list[tuple[float, float]]:
    (drawn,) = re.findall(rf'<polyline points="([^"]*)" fill="none" stroke="{colour}" stroke-width="{width}"', picture)[:1]
    return [(float(x), float(y)) for x, y in (place.split(",") for place in drawn.split())]


def test_the_staircase_stands_where_the_schedule_says() -> None:
    picture = schedule_picture("tickets <b>", found := schedule(1))
    frame = Frame(24.0, 1.1 * 3)
    assert found.replicas == [1] * 12 + [3] * 12
    stairs = places(picture, svg.OWNED, "2.8")
    assert len(stairs) == 48
    assert stairs[0] == pytest.approx((svg.LEFT, frame.y(1)), abs=0.06)
    assert stairs[23:25] == [
        pytest.approx((frame.x(12), frame.y(1)), abs=0.06),
        pytest.approx((frame.x(12), frame.y(3)), abs=0.06),
    ]
    assert stairs[-1] == pytest.approx((svg.RIGHT, frame.y(3)), abs=0.06)
    assert "tickets &lt;b&gt;" in picture
    assert {"0", "12", "24", "hour of the day, UTC", "scheduled", "constant 1"} <= set(words(picture))
    assert "1 to 3 replicas, changed 2 times in 24 hours." in picture


def test_a_week_is_drawn_by_its_days() -> None:
    picture = schedule_picture("x", schedule(14))
    assert words(picture).count("Mon") == 1
    assert "day of the week, from midnight UTC" in words(picture)
    assert len(places(picture, svg.OWNED, "2.8")) == 2 * 168


def cells(picture: str) -> dict[str, str]:
    """The fill of each cell by what it says when pointed at."""
    boxes = ET.fromstring(picture).iter(f"{SPACE}rect")
    return {title.text or "": box.get("fill", "") for box in boxes if (title := box.find(f"{SPACE}title")) is not None}


def lightness(colour: str) -> float:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_more_tokens_are_darker_also_in_grey_and_unseen_hours_stay_empty() -> None:
    values = np.arange(168.0).reshape(7, 24) * 1000 + 500
    values[3, 5:] = np.nan
    picture = week_heat_picture("a & b", values)
    drawn = cells(picture)
    assert len(drawn) == 168
    assert drawn["Thu 5:00, not seen"] == "#ffffff"
    shades = [lightness(fill) for told, fill in drawn.items() if "not seen" not in told]
    assert shades == sorted(shades, reverse=True)
    assert shades[0] - shades[-1] > 150
    assert "Most: Sun 23:00, 167.5 k (framed). Least: Mon 0:00, 500 (dashed)." in words(picture)
    assert {"0", "167.5 k", "not seen", "Mon", "Sun", "hour of the day, UTC"} <= set(words(picture))
    assert "a &amp; b" in picture


def test_one_row_stands_for_all_days_and_needs_no_box_for_unseen_hours() -> None:
    picture = week_heat_picture("x", np.arange(24.0).reshape(1, 24))
    assert len(cells(picture)) == 24
    assert "Most: 23:00, 23 (framed). Least: 0:00, 0 (dashed)." in words(picture)
    assert not {"Mon", "not seen"} & set(words(picture))


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_nothing_to_see_is_said_or_drawn_without_a_scale_of_zero_width(value: float) -> None:
    picture = week_heat_picture("x", np.full((1, 24), value))
    assert len(cells(picture)) == 24
    assert ("No hour was seen long enough to draw it." in words(picture)) == bool(np.isnan(value))


def test_ticks_stand_where_they_are_asked_for() -> None:
    axes = Frame(24.0, 1.0).axes("h", "y", lambda hour: f"at {hour:g}", lambda y: f"{y:g}", range(0, 25, 12))
    assert re.findall(r"at \d+", axes) == ["at 0", "at 12", "at 24"]
