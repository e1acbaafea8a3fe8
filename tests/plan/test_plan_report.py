import datetime as dt
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from freehold.app.scenario import expand, load_scenario
from freehold.catalog.facts import load_facts
from freehold.catalog.prices import PriceBook
from freehold.plan.amounts import money, percent, tokens
from freehold.plan.choice import Choice
from freehold.plan.document import Plan
from freehold.plan.owning.fleet_terms import FleetTerms
from freehold.plan.owning.terms import PlanTerms
from freehold.plan.plan import make_plan
from freehold.plan.quote import Quotes
from freehold.plan.report import render_html
from freehold.plan.report.svg import LEFT, RIGHT, Frame, ticks
from freehold.plan.wording import answer, crossings

EXAMPLES = Path(__file__).parents[2] / "src" / "freehold" / "plan" / "examples"


@pytest.fixture(scope="module")
def made() -> Plan:
    """The support assistant against today's model alone and against a host of the owned one, and sealed documents."""
    day = dt.date(2026, 11, 21)
    quotes = Quotes(load_facts(), PriceBook(), day)
    terms = PlanTerms(people_fte=0, fleet=FleetTerms(platform_usd_month=0, storage_usd_gb_month=0))
    alone = Choice(hosted=("none",), chosen=frozenset({"provider"}))
    tickets, sealed = (expand(load_scenario(EXAMPLES / f"{name}.yaml")) for name in ("seed-saas", "hospital"))
    inputs = [
        quotes.workload("tickets <script>alert(1)</script>", tickets, alone, terms),
        quotes.workload("sealed", sealed, alone, terms),
        quotes.workload("hosted", tickets, Choice(), terms),
    ]
    return make_plan(inputs, terms, day)


def test_the_page_is_complete_and_loads_nothing(made: Plan) -> None:
    page = render_html(made)
    parser = HTMLParser()
    parser.feed(page)
    assert "<script" not in page
    assert not re.search(r"""\b(src|href)\s*=|url\((?!#)|@import""", page)
    assert page.count("<svg ") == 3 * 7
    assert page.endswith("</html>\n")


def test_every_assumption_and_warning_is_on_the_page(made: Plan) -> None:
    page = render_html(made)
    for workload in made.workloads:
        for assumption in workload.assumptions:
            assert assumption.name in page
            assert assumption.date in page
    assert "declared 24.0 hours" in page
    assert "$1,359" in page


def test_pictures_are_well_formed_with_unique_ids_and_text_inside_the_frame(made: Plan) -> None:
    page = render_html(made)
    ids = []
    for source in re.findall(r"<svg .*?</svg>", page, re.DOTALL):
        root = ET.fromstring(source)
        ids += [e.attrib["id"] for e in root.iter() if "id" in e.attrib]
        _, _, width, height = map(float, root.attrib["viewBox"].split())
        for text in root.iter("{http://www.w3.org/2000/svg}text"):
            # 7.4 is a wide character at 13 px; a label may not leave the picture on the side it grows to.
            x, y, length = float(text.attrib["x"]), float(text.attrib["y"]), 7.4 * len(text.text or "")
            left = {"start": x, "middle": x - length / 2, "end": x - length}[text.attrib["text-anchor"]]
            assert left >= 0
            assert left + length <= width
            assert 0 < y <= height
    assert len(ids) == len(set(ids)) == 3 * 4


def test_ticks_are_round_and_end_inside() -> None:
    assert ticks(10.0) == pytest.approx([0, 2, 4, 6, 8, 10])
    assert ticks(0.07)[-1] == pytest.approx(0.06)
    assert all(3 <= len(ticks(10**e * m)) <= 8 for e in range(-3, 12) for m in (1.0, 1.7, 2.3, 4.9, 7.1, 9.9))


def test_a_frame_maps_its_ends_to_its_edges_and_steps_hold_back() -> None:
    frame = Frame(100.0, 50.0)
    assert (frame.x(0), frame.x(100)) == (LEFT, RIGHT)
    places = frame.steps([(50.0, 10.0), (100.0, 20.0)])
    assert [x for x, _ in places] == [LEFT, frame.x(50), frame.x(50), RIGHT]
    assert places[1][1] == frame.y(10)
    assert places[2][1] == frame.y(20)


@pytest.mark.parametrize(
    ("count", "text"), [(999.0, "999"), (9_402_737.0, "9.403 M"), (652.6e6, "652.6 M"), (999_999.0, "1 M"), (0.0, "0")]
)
def test_volumes_are_read_aloud(count: float, text: str) -> None:
    assert tokens(count) == text


def test_shares_are_never_rounded_up_to_all_or_down_to_nothing() -> None:
    assert [percent(s) for s in (0.0, 0.0003, 0.25, 0.99969, 1.0)] == ["0%", "0.030%", "25.0%", "99.969%", "100%"]


def test_money_keeps_cents_where_they_matter() -> None:
    assert money(17_950_000_000) == "$17.95"
    assert money(1_444_790_000_000) == "$1,445"


def test_answers_say_what_to_do_and_what_it_saves(made: Plan) -> None:
    tickets, sealed, hosted = made.workloads
    assert answer(tickets).startswith("Rent: $1,445 a month.")
    assert "owning 1 replica would cost $1,359" in answer(tickets)
    assert "The cheapest mix costs $1,359 a month (80%: $" in answer(tickets)
    assert "of 10,000 draws: undecided." in answer(tickets)
    assert "owned in every draw" in answer(sealed)
    assert "groq/llama-3.1-8b-instant serves the same model for $17.95 a month" in answer(hosted)
    assert "may not be rented" in answer(sealed)
    assert crossings(sealed) == ["No break-even volume: sensitive requests may not be rented, so they are owned at any volume."]
