"""The checklist on the page: whole, well-formed, and nothing from outside unescaped."""

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from freehold.plan.report.checklist_table import checklist_html
from freehold.plan.verdict.checklist import Judgement, Reply, Step

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
replies: list[Reply] = ["yes", "no", "unknown"]


@st.composite
def judgements(draw: st.DrawFn) -> Judgement:
    steps = [
        Step(
            number=number,
            question=draw(words),
            answer=draw(st.sampled_from(replies)),
            source="user",
            reason=draw(words),
            effect=draw(words),
        )
        for number in range(1, 7)
    ]
    return Judgement(
        verdict="rent",
        headline=draw(words),
        settled_by=draw(st.integers(1, 6)),
        steps=steps,
        reasons=draw(st.lists(words, max_size=3)),
        changes=draw(st.lists(words, max_size=3)),
    )


@given(judgements())
def test_everything_is_on_the_page_as_it_was_said(judgement: Judgement) -> None:
    root = ET.fromstring(f"<section>{checklist_html(judgement)}</section>")
    rows = root.findall("./table/tbody/tr")
    for step, row in zip(judgement.steps, rows, strict=True):
        question, answer, why = row.findall("td")
        assert question.text == f"{step.number}. {step.question}"
        assert (answer.text, answer[0].text) == (step.answer, step.source)
        assert (why.text, why[0].text) == (step.reason, step.effect)
    assert [place for place, row in enumerate(rows, 1) if row.get("class") == "best"] == [judgement.settled_by]
    assert [item.text for item in root.iter("li")] == [*judgement.reasons, *judgement.changes]
    assert root.findall("p")[0].text == judgement.headline


def test_markup_in_a_workload_stays_text() -> None:
    evil = "<script>alert('x')</script>"
    step = Step(number=1, question=evil, answer="no", source="user", reason=evil, effect=evil)
    page = checklist_html(Judgement(verdict="rent", headline=evil, settled_by=1, steps=[step], reasons=[evil], changes=[evil]))
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 6
