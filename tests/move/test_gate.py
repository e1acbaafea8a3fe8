"""When the gate promotes, rolls back and waits; its replays; and how seldom it is wrong."""

import math
import random
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.errors import BadSettings
from freehold.move.migration.gate import MOST_SLICES, Gate, open_gate
from freehold.move.migration.pair import GateSettings, Guardrail, Harm, Pair
from freehold.move.migration.verdict import Verdict, points
from freehold.stats.sequences import BETS, Sequence

ERRORS = Guardrail("errors", "worse_by", 0.02)
SLOW = Guardrail("latency", "at_most", 0.05)
USUAL = GateSettings()
BOTH = GateSettings(guardrails=(ERRORS, SLOW))
FINE = {"errors": Harm(0, 0), "latency": Harm(0)}


def run(pairs: list[Pair], asked: GateSettings = USUAL) -> Verdict:
    gate = open_gate(asked)
    for pair in pairs:
        gate.add(pair)
    return gate.verdict()


def first_reached(won: float, needed: float) -> int:
    """After how many equal samples the mean wealth is high enough, from the closed form."""
    return next(n for n in range(1, 100_000) if sum((1 + bet * won) ** n for bet in BETS) / len(BETS) >= needed)


@pytest.mark.parametrize("margin", [0.02, 0.03, 0.05])
def test_answers_always_alike_promote_when_the_closed_form_says(margin: float) -> None:
    found = run([Pair(1, 1)] * 1000, GateSettings(margin, min_samples=1))
    assert found.decision == "promote"
    assert found.at_sample == found.samples == first_reached(margin / (1 - margin), 20)
    assert found.sequence[-1].n == found.at_sample
    assert found.sequence[-1].low == pytest.approx(-margin, abs=0.002)


def test_answers_always_worse_roll_back_when_the_closed_form_says() -> None:
    found = run([Pair(0, 1)] * 100)
    assert (found.decision, found.at_sample) == ("rollback", first_reached(0.97 / 1.03, 20))
    assert found.reason == f"Roll back: after {found.at_sample} pairs the owned model is evidently beyond the limit in quality."


def test_nothing_is_promoted_on_few_pairs() -> None:
    asked = GateSettings(margin=0.3, min_samples=60)
    assert first_reached(0.3 / 0.7, 20) < 30
    assert run([Pair(1, 1)] * 200, asked).at_sample == 60
    waiting = run([Pair(1, 1)] * 59, asked)
    assert (waiting.decision, waiting.at_sample) == ("continue", None)
    assert waiting.reason == "Continue: after 59 pairs no decision; fewer than 60 pairs."


def test_promotion_waits_for_the_last_guardrail() -> None:
    without = run([Pair(1, 1)] * 3000)
    found = run([Pair(1, 1, guardrails=FINE)] * 3000, BOTH)
    assert found.decision == "promote"
    assert without.at_sample is not None
    assert found.at_sample == first_reached(0.02 / 0.98, 20) > without.at_sample
    assert [(one.name, one.finding) for one in found.evidence] == [
        ("quality", "holds"),
        ("errors", "holds"),
        ("latency", "holds"),
    ]


def test_a_guardrail_nothing_is_known_of_is_not_passed() -> None:
    found = run([Pair(1, 1, guardrails={"errors": Harm(0, 0)})] * 3000, BOTH)
    assert found.decision == "continue"
    assert found.reason == "Continue: after 3,000 pairs no decision; not yet shown: latency."


@pytest.mark.parametrize(
    ("harm", "won", "name"),
    [({"errors": Harm(1, 0)}, 0.98 / 1.02, "errors"), ({"latency": Harm(1)}, 0.95 / 0.05, "latency")],
)
def test_one_broken_guardrail_rolls_back_however_good_the_answers_are(harm: dict[str, Harm], won: float, name: str) -> None:
    """Alpha is parted over quality and two guardrails, so three times the wealth is needed."""
    found = run([Pair(1, 0, guardrails={**FINE, **harm})] * 200, BOTH)
    assert (found.decision, found.at_sample) == ("rollback", first_reached(won, 60))
    assert name in found.reason
    assert [one.name for one in found.evidence if one.finding == "broken"] == [name]


def mixed(broken: str | None) -> list[Pair]:
    """One request in ten is of the slice `rare`, where the owned model fails; elsewhere it is often the better one."""
    draws, pairs = random.Random(5), []
    for n in range(4000):
        rare = n % 10 == 0
        better, worse = float(draws.random() < (0.5 if rare else 0.9)), float(draws.random() < (0.9 if rare else 0.82))
        pairs.append(Pair(better, worse, slice=(broken if rare else "usual") if broken else None))
    return pairs


def test_a_mean_does_not_hide_a_broken_slice() -> None:
    hidden, shown = run(mixed(None)), run(mixed("rare"))
    assert hidden.decision == "promote"
    assert shown.decision == "continue"
    assert shown.reason == "Continue: after 4,000 pairs no decision; evidently beyond the margin: slice rare."
    assert {one.name: one.finding for one in shown.evidence} == {"quality": "holds", "rare": "broken", "usual": "open"}


def test_slices_share_one_alpha_however_many_there_are() -> None:
    gate = open_gate(GateSettings())
    for n in range(MOST_SLICES):
        gate.add(Pair(1, 1, slice=f"slice {n}"))
    slices = [one for one in gate.verdict().evidence if one.role == "slice"]
    assert 0.99 * 0.05 < sum(math.exp(-one.needed_below) for one in slices) < 0.05
    with pytest.raises(BadSettings, match="one more than the 100"):
        gate.add(Pair(1, 1, slice="yet another"))
    assert len(gate.slices) == MOST_SLICES


def test_pairs_after_the_decision_do_not_count() -> None:
    assert run([Pair(0, 1)] * 50) == run([Pair(0, 1)] * 50 + [Pair(1, 0)] * 1000)


@pytest.mark.parametrize(
    ("harms", "said"),
    [
        ({"erors": Harm(0, 0)}, "'erors' has no limit"),
        ({"errors": Harm(0)}, "held against the rented model, but `rented` is missing"),
    ],
)
def test_a_harm_that_cannot_be_judged_is_refused_and_nothing_is_taken(harms: dict[str, Harm], said: str) -> None:
    gate = open_gate(BOTH)
    gate.add(Pair(1, 0, "one", FINE))
    before = msgspec.json.encode(gate)
    with pytest.raises(BadSettings, match=said):
        gate.add(Pair(0, 1, "two", {"latency": Harm(1), **harms}))
    assert msgspec.json.encode(gate) == before


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"margin": 1.0}, "margin is 1"), ({"margin": -0.1}, "margin is -0.1"), ({"margin": math.nan}, "margin is nan"),
        ({"alpha": 0.0}, "alpha is 0"), ({"alpha": 0.5}, "alpha is 0.5"), ({"min_samples": 0}, "min_samples is 0"),
        ({"guardrails": (ERRORS, ERRORS)}, "given twice"), ({"guardrails": (Guardrail("x", "at_most", 0.0),)}, "above 0"),
        ({"guardrails": (Guardrail("x", "worse_by", 1.0),)}, "the limit 1"),
        ({"guardrails": (Guardrail("x", "worse_by", math.nan),)}, "the limit nan"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(asked: dict[str, object], said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        msgspec.structs.replace(GateSettings(), **asked)


shares = st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0])
pairs = st.lists(
    st.builds(
        Pair,
        shares,
        shares,
        st.sampled_from([None, "a", "b"]),
        st.fixed_dictionaries({}, optional={"errors": st.builds(Harm, shares, shares), "latency": st.builds(Harm, shares)}),
    ),
    max_size=60,
)


@settings(max_examples=40)
@given(pairs, st.integers(1, 9))
def test_a_replay_and_a_restart_at_any_pair_give_the_same_bytes(log: list[Pair], every: int) -> None:
    plain, restarted = open_gate(BOTH), open_gate(BOTH)
    for n, pair in enumerate(log):
        plain.add(pair)
        restarted.add(msgspec.json.decode(msgspec.json.encode(pair), type=Pair))
        restarted.verdict()  # asking changes nothing
        if n % every == 0:
            restarted = msgspec.json.decode(msgspec.json.encode(restarted), type=Gate)
        assert plain.verdict().canonical() == restarted.verdict().canonical()
    assert run(log, BOTH).canonical() == plain.verdict().canonical()
    assert msgspec.json.decode(plain.verdict().canonical(), type=Verdict) == plain.verdict()


def test_a_guardrail_at_its_limit_is_seldom_passed_and_seldom_rolled_back() -> None:
    """100 runs: quality is fine, errors are exactly at their limit. Promoting is wrong, and so is rolling back."""
    draws = random.Random(3)
    asked = GateSettings(margin=0.2, guardrails=(Guardrail("errors", "worse_by", 0.1),))
    decided = []
    for _ in range(100):
        gate = open_gate(asked)
        for _ in range(500):
            harm = {"errors": Harm(float(draws.random() < 0.15), float(draws.random() < 0.05))}
            if gate.add(Pair(1, 1, guardrails=harm)) != "continue":
                break
        decided.append(gate.decision)
    assert 0 < decided.count("promote") <= 11  # of 100, 5 % are 5; 12 or more would come in 1 of 230 cases
    assert decided.count("rollback") <= 11


def test_the_point_where_quality_is_shown_is_kept_while_a_guardrail_is_waited_for() -> None:
    gate = open_gate(BOTH)
    shown = first_reached(0.03 / 0.97, 20)
    for _ in range(shown):
        gate.add(Pair(1, 1, guardrails={"latency": Harm(0)}))
    for _ in range(40):
        gate.add(Pair(0, 0.2, guardrails={"latency": Harm(0)}))
    found = gate.verdict()
    assert found.evidence[0].finding == "holds"
    assert shown in [point.n for point in found.sequence]
    assert found.sequence[-1].low >= -0.03 - 2e-6


def test_points_come_closer_together_than_five_per_cent_and_stay_few() -> None:
    gate = open_gate(GateSettings(margin=0.0))
    for n in range(2000):
        gate.add(Pair(float(n % 2), float(n % 2 == 0)))
    moments = [point.n for point in gate.points]
    assert gate.decision == "continue"
    assert moments[0] == 10
    assert all(before < after <= before * 1.05 + 1 for before, after in pairwise(moments))
    assert len(moments) < 130
    assert gate.verdict().sequence[-1].n == 2000


@pytest.mark.parametrize(
    ("share", "said"), [(0.0125, "1.25"), (-0.03, "-3"), (0.1, "10"), (0.0, "0"), (-0.00001, "0"), (1.0, "100")]
)
def test_shares_are_told_in_points(share: float, said: str) -> None:
    assert points(share) == said


def test_a_gate_holds_what_its_sequences_hold() -> None:
    gate = open_gate(BOTH)
    gate.add(Pair(0.75, 0.25, guardrails={"latency": Harm(1)}))
    quality = Sequence(-0.03)
    quality.add(0.5)
    assert gate.quality == quality
    assert gate.guardrails["errors"] == Sequence(-0.02)
    assert (gate.guardrails["latency"].mean, gate.guardrails["latency"].top) == (-1.0, 0.0)
