"""Every shipped claim: its verdict and the figures of the audit it stands for, worked out by hand."""

from fractions import Fraction
from pathlib import Path

import pytest

from freehold.app.cli.claim import audit_example, examples
from freehold.catalog.facts import Facts, load_facts
from freehold.plan.claims.audit import Remedy
from freehold.plan.claims.claim import read_claim
from freehold.plan.claims.kinds import KINDS
from freehold.plan.claims.verdict import Audit, audit

DOCUMENT = Path(__file__).parents[2] / "docs" / "explain" / "claims.md"

# name -> verdict, recomputed low and high in the unit claimed. 70 % at $2.50 and 30 % at $10 is $4.75 a million.
EXPECTED: dict[str, tuple[str, str, Fraction | float, Fraction | float]] = {
    "001-bill-at-500m": ("follows", "$/month", 22_500, 22_500),
    "001-bill-at-50m": ("does not follow", "$/month", 6_000, 6_000),
    "001-crossover": ("infeasible", "tokens/day", 115e6, 115e6),
    "001-five-times-cheaper": ("infeasible", "%", Fraction(100 * (22_500 - 4_360), 22_500), Fraction(100 * 18_140, 22_500)),
    "001-g5-a-month": ("follows", "$/month", 4140.56, 4140.56),
    "001-price-behind-2250": ("does not follow", "$/M tokens", 1.5, 1.5),
    "001-serving-500m": ("infeasible", "tokens/day", 77_153_791.637, 77_153_791.637),
    "001-serving-50m": ("follows", "tokens/day", 77_153_791.637, 77_153_791.637),
    "001-staff": ("follows", "tokens/day", Fraction(700_000 * 10**6, 540), Fraction(700_000 * 10**6, 540)),
    "003-bill-a-day": ("follows", "$/day", 47.5, 47.5),
    "003-bill-a-month": ("follows", "$/month", 1_425, 1_425),
    "003-bill-at-100m": ("follows", "$/month", 14_250, 14_250),
    "003-crossover": ("does not follow", "tokens/month", 2_736_842_105.263, 4_850_526_315.789),
    "003-p4d-a-month": ("follows", "$/month", 23_040, 23_040),
    "003-p4d-is-a100-80gb": ("does not follow", "GB", 40, 40),
    "003-p4d-price": ("does not follow", "$/hour", 21.957642, 21.957642),
    "003-saving-on-demand": ("does not follow", "%", -61.684210526, -61.684210526),
    "003-saving-reserved": ("does not follow", "%", -5.263157895, 8.771929825),
    "003-trigger": ("does not follow", "tokens/month", 421_052_631.579, 421_052_631.579),
    "003-under-50m": ("does not follow", "$/month", 237.5, 237.5),
    "003-usd-0.02-per-1k": ("does not follow", "$/M tokens", 4.75, 4.75),
}


@pytest.fixture(scope="module")
def facts() -> Facts:
    return load_facts()


def needed(made: Audit, name: str) -> tuple[float, float]:
    return _ends(next(r for r in made.remedies if r.input == name))


def figure(made: Audit, name: str) -> float:
    return float(next(f for f in made.figures if f.name.startswith(name)).value.low)


def _ends(remedy: Remedy) -> tuple[float, float]:
    assert remedy.at_low is not None
    assert remedy.at_high is not None
    return float(remedy.at_low.low), float(remedy.at_high.low)


def test_every_shipped_claim_is_expected_here() -> None:
    assert set(examples()) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_verdict_and_recomputed_figure(name: str, facts: Facts) -> None:
    made = audit_example(name, facts)
    verdict, unit, low, high = EXPECTED[name]
    assert made.verdict == verdict
    found = made.checks[-1].recomputed
    assert found.unit == unit
    assert (float(found.low), float(found.high)) == pytest.approx((float(low), float(high)), rel=1e-9)
    assert made.sentence.lower().startswith(verdict)
    assert "Article 00" in made.source


def test_the_crossover_of_003_and_what_it_would_take(facts: Facts) -> None:
    made = audit_example("003-crossover", facts)
    assert "2,737-4,851 M tokens/month (91.23-161.7 M tokens/day)" in made.sentence
    assert "off by 34.2-97 times" in made.sentence
    assert needed(made, "hosting") == (237.5, 380)
    assert needed(made, "price") == (260, 288)
    assert made.other_reading is not None
    assert not made.other_reading.follows
    per_day = next(r for r in made.other_reading.remedies if r.input == "hosting")
    assert _ends(per_day) == (7_125, 11_400)


def test_the_other_remedies_of_003(facts: Facts) -> None:
    assert needed(audit_example("003-under-50m", facts), "price") == (10, 30)
    assert needed(audit_example("003-trigger", facts), "spend") == (237.5, 380)
    on_demand = needed(audit_example("003-saving-on-demand", facts), "volume")
    assert on_demand == pytest.approx((404.21e6, 538.95e6), rel=1e-4)


def test_the_saving_at_the_cheapest_reserved_price(facts: Facts) -> None:
    text = examples()["003-saving-reserved"].read_text(encoding="utf-8").replace("$13,000-$15,000/month", "$13,000/month")
    made = audit(read_claim(text, "cheapest", facts), facts)
    assert needed(made, "volume") == pytest.approx((228.07e6, 304.09e6), rel=1e-4)


def test_p4d_has_the_smaller_memory_and_used_to_cost_what_the_article_says(facts: Facts) -> None:
    machine = audit_example("003-p4d-is-a100-80gb", facts)
    assert [check.recomputed.text for check in machine.checks] == ["A100-40GB-SXM", "40 GB"]
    assert [(r.input, r.at_low and r.at_low.text) for r in machine.remedies] == [("instance", "p4de.24xlarge")]
    price = audit_example("003-p4d-price", facts)
    assert [(r.input, r.at_low and r.at_low.text) for r in price.remedies] == [("day", "2025-03-07")]


def test_the_bill_of_001_implies_another_price(facts: Facts) -> None:
    assert needed(audit_example("001-bill-at-50m", facts), "price") == (1.5, 1.5)
    assert needed(audit_example("001-price-behind-2250", facts), "bill") == (6_000, 6_000)


def test_the_machine_of_001_cannot_serve_what_it_is_said_to(facts: Facts) -> None:
    made = audit_example("001-serving-500m", facts)
    assert figure(made, "arithmetic needed") == pytest.approx(816.55, rel=1e-5)
    assert figure(made, "dense bf16 peak") == 280
    assert figure(made, "share of that peak") == pytest.approx(291.6, rel=1e-3)
    assert figure(made, "share of the highest published rating") == pytest.approx(81.7, rel=1e-3)
    assert figure(made, "hosting cost at the top volume") == pytest.approx(1.789, rel=1e-3)
    assert figure(made, "machines for the volume") == 7
    assert figure(made, "hosting of these machines") == 28_980
    assert "above the API's $1.50/M tokens: no crossover on this hardware" in made.sentence
    efficiency = next(r for r in made.remedies if r.input == "efficiency")
    assert efficiency.at_low is None


def test_the_crossover_of_001_divides_but_the_machine_does_not_reach_it(facts: Facts) -> None:
    made = audit_example("001-crossover", facts)
    assert [check.holds for check in made.checks] == [True]
    assert "no crossover on this hardware" in made.sentence
    assert needed(made, "efficiency") == pytest.approx((67.07, 67.07), rel=1e-3)


def test_a_model_that_does_not_fit_is_infeasible_at_any_volume(facts: Facts) -> None:
    text = examples()["001-serving-50m"].read_text(encoding="utf-8").replace("precision: int4", "precision: bf16")
    made = audit(read_claim(text, "unquantized", facts), facts)
    assert made.verdict == "infeasible"
    assert "needs 141.1 GB for its weights and 4x A10G has 86.4 GB to use" in made.sentence


def test_the_document_shows_what_the_audits_say(facts: Facts) -> None:
    """Between the two marks of docs/explain/claims.md stands exactly this table; paste it there when a claim changes."""
    table = verdict_table(facts)
    written = DOCUMENT.read_text(encoding="utf-8").partition("<!-- verdicts -->\n")[2].partition("<!-- /verdicts -->")[0]
    assert written == table, f"replace the table by:\n{table}"


def test_the_document_lists_the_kinds_there_are() -> None:
    written = DOCUMENT.read_text(encoding="utf-8").partition("<!-- kinds -->\n")[2].partition("<!-- /kinds -->")[0]
    assert written == kind_table(), f"replace the table by:\n{kind_table()}"


def test_the_documents_own_example_is_a_claim(facts: Facts) -> None:
    example = DOCUMENT.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    made = audit(read_claim(example, "the document", facts), facts)
    assert made.checks == audit_example("003-crossover", facts).checks


def kind_table() -> str:
    rows = ["| kind | is about | given | asserts | equation |", "|---|---|---|---|---|"]
    rows += [f"| `{n}` | {k.about} | {', '.join(k.given) or 'hardware'} | {k.asserts} | {k.law} |" for n, k in KINDS.items()]
    return "\n".join(rows) + "\n"


def verdict_table(facts: Facts) -> str:
    rows = ["| claim | says | verdict | recomputed | what alone would make it true |", "|---|---|---|---|---|"]
    for name in examples():
        made = audit_example(name, facts)
        claimed, recomputed = (
            "; ".join(side.text for side in sides)
            for sides in zip(*((check.claimed, check.recomputed) for check in made.checks), strict=True)
        )
        remedies = "; ".join(text for text in map(_remedy, made.remedies) if text)
        rows.append(f"| `{name}` | {claimed} | {made.verdict} | {recomputed} | {remedies} |")
    return "\n".join(rows) + "\n"


def _remedy(remedy: Remedy) -> str:
    if remedy.at_low is None or remedy.at_high is None or remedy.input.startswith("price."):
        return ""
    ends = dict.fromkeys((remedy.at_low.text, remedy.at_high.text))
    return f"{remedy.input} {' to '.join(ends)}"
