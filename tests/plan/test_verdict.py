"""One verdict for every input: the rules that must never break, and one hand-written case for each verdict."""

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.plan.verdict.checklist import Evidence, Host, Judgement, Money, Operator, Verdict
from freehold.plan.verdict.judge import judge
from freehold.plan.verdict.judge_words import judgement_lines

BILLION = 10**9
OWNING = ("own base + rent peak", "own")
RENTING = ("rent", "return to rent")
LEANING: dict[Verdict, int] = {"return to rent": 0, "rent": 1, "shadow first": 2, "own base + rent peak": 3, "own": 3}

# 160 M tokens a day, two replicas for the base: every figure on the side of owning.
CLEAR = Money(
    cheapest="own base, rent peak",
    p_owning_wins=0.93,
    rent_allowed=True,
    sensitive_share=0.0,
    peak_to_mean_60s=2.4,
    daily_peak_to_mean=1.6,
    tokens_per_day=160e6,
    first_tokens_per_day=61e6,
    best_nanousd_month=9_100 * BILLION,
    rented_nanousd_month=15_200 * BILLION,
    own_nanousd_month=10_400 * BILLION,
    cheaper_host=None,
    people_fte=0.25,
    owned_share_now=0.0,
    spilled_share=0.08,
    replicas=2,
    turning=["The answer turns with API price at ×0.64 (×0.60 to ×1.20)."],
    seen_days=21.0,
    traffic_source="measured",
)
READY = Operator(hard_constraint=False, pinned_months=0, operations=True, ship_this_week=False, product_market_fit=True)
HELD = Evidence(holds=True, samples=480, on="2026-11-02", source="measured", origin="gate of support-tickets")
FAILED = msgspec.structs.replace(HELD, holds=False)
SMALL = msgspec.structs.replace(
    CLEAR,
    cheapest="rent",
    p_owning_wins=0.03,
    tokens_per_day=4e6,
    best_nanousd_month=380 * BILLION,
    rented_nanousd_month=380 * BILLION,
)
SEALED = msgspec.structs.replace(CLEAR, rent_allowed=False, sensitive_share=0.12, p_owning_wins=1.0, first_tokens_per_day=None)

shares = st.floats(0, 1)
counts = st.one_of(st.none(), st.floats(0, 1e12))
prices = st.integers(0, 10**18)
moneys = st.builds(
    Money,
    cheapest=st.sampled_from(["rent", "own base, rent peak", "own"]),
    p_owning_wins=shares,
    rent_allowed=st.booleans(),
    sensitive_share=shares,
    peak_to_mean_60s=st.floats(1, 1000),
    daily_peak_to_mean=st.one_of(st.none(), st.floats(1, 24)),
    tokens_per_day=st.floats(0, 1e12),
    first_tokens_per_day=counts,
    best_nanousd_month=prices,
    rented_nanousd_month=prices,
    own_nanousd_month=prices,
    cheaper_host=st.one_of(st.none(), st.builds(Host, st.text(max_size=9), prices)),
    people_fte=st.floats(0, 10),
    owned_share_now=st.one_of(st.none(), shares),
    spilled_share=shares,
    replicas=st.integers(0, 1000),
    turning=st.lists(st.text(max_size=9), max_size=2),
    seen_days=st.floats(0, 400),
    traffic_source=st.sampled_from(["measured", "user", "default"]),
)
answers = st.one_of(st.none(), st.booleans())
operators = st.builds(
    Operator,
    hard_constraint=answers,
    pinned_months=st.one_of(st.none(), st.integers(0, 60)),
    operations=answers,
    ship_this_week=answers,
    product_market_fit=answers,
)
evidences = st.one_of(
    st.none(),
    st.builds(
        Evidence,
        holds=st.booleans(),
        samples=st.one_of(st.none(), st.integers(0, 10**6)),
        on=st.just("2026-11-02"),
        source=st.sampled_from(["measured", "user"]),
        origin=st.text(max_size=9),
    ),
)


def money(base: Money = CLEAR, **fields: object) -> Money:
    return msgspec.structs.replace(base, **fields)


def operator(**fields: object) -> Operator:
    return msgspec.structs.replace(READY, **fields)


def bound(given_money: Money, given_operator: Operator) -> bool:
    return not given_money.rent_allowed or given_operator.hard_constraint is True


@given(moneys, operators, evidences)
def test_every_judgement_is_whole(m: Money, o: Operator, e: Evidence | None) -> None:
    made = judge(m, o, e)
    assert made == judge(m, o, e)
    assert made.verdict in get_args(Verdict)
    assert [step.number for step in made.steps] == [1, 2, 3, 4, 5, 6]
    assert all(step.question and step.reason and step.effect for step in made.steps)
    assert [s.number for s in made.steps if s.effect == f"settles it: {made.verdict}"] == [made.settled_by]
    assert made.headline
    assert made.reasons
    assert made.changes
    assert msgspec.json.decode(msgspec.json.encode(made), type=Judgement) == made


@given(moneys, operators, evidences)
def test_a_hard_constraint_owns_and_nothing_else_owns_without_evidence_that_held(
    m: Money, o: Operator, e: Evidence | None
) -> None:
    verdict = judge(m, o, e).verdict
    if bound(m, o):
        assert verdict in OWNING
    elif e is None:
        assert verdict not in OWNING
    elif not e.holds:
        assert verdict in RENTING


@given(moneys, operators, evidences)
def test_a_stated_no_caps_at_rent(m: Money, o: Operator, e: Evidence | None) -> None:
    unbound = money(m, rent_allowed=True)
    for stated in ({"operations": False}, {"product_market_fit": False}):
        said = msgspec.structs.replace(o, hard_constraint=None, **stated)
        assert judge(unbound, said, e).verdict in RENTING
    said = msgspec.structs.replace(o, hard_constraint=None, ship_this_week=True)
    assert judge(money(unbound, owned_share_now=0.1), said, e).verdict in RENTING


@given(moneys, operators, evidences, shares)
def test_more_certain_money_never_moves_towards_rent(m: Money, o: Operator, e: Evidence | None, more: float) -> None:
    low, high = sorted((m.p_owning_wins, more))
    first, second = (judge(money(m, p_owning_wins=p), o, e).verdict for p in (low, high))
    assert LEANING[first] <= LEANING[second]


@given(moneys, operators, evidences, st.integers(0, 60))
def test_a_longer_pin_never_moves_towards_rent_and_never_overturns_a_clear_no(
    m: Money, o: Operator, e: Evidence | None, months: int
) -> None:
    short, long = sorted((o.pinned_months or 0, months))
    first, second = (judge(m, msgspec.structs.replace(o, pinned_months=n), e).verdict for n in (short, long))
    assert LEANING[first] <= LEANING[second]
    if not bound(m, o) and (m.p_owning_wins <= 0.5 or m.cheapest == "rent" or m.cheaper_host is not None):
        assert second in RENTING


@given(moneys, operators)
def test_better_evidence_never_moves_towards_rent(m: Money, o: Operator) -> None:
    worst, none, best = (LEANING[judge(m, o, e).verdict] for e in (FAILED, None, HELD))
    assert worst <= none <= best


@given(moneys, operators, evidences)
def test_going_back_needs_machines_and_a_clear_reason(m: Money, o: Operator, e: Evidence | None) -> None:
    failed = e is not None and not e.holds
    returns = judge(m, o, e).verdict == "return to rent"
    mostly = m.owned_share_now is not None and m.owned_share_now > 0.5
    assert returns == (mostly and not bound(m, o) and (m.p_owning_wins <= 0.2 or failed))


def test_high_steady_volume_with_people_and_evidence_owns_the_base() -> None:
    made = judge(CLEAR, READY, HELD)
    assert made.verdict == "own base + rent peak"
    assert made.headline == "Own 2 replicas and rent the peak: $9,100 a month instead of $15,200, and the owned model held."
    assert [step.answer for step in made.steps] == ["no", "yes", "no", "yes", "yes", "yes"]
    assert [step.source for step in made.steps] == ["user", "measured", "user", "user", "user", "measured"]
    assert made.settled_by == 6
    assert (
        "160 M tokens a day, seen for 21 days; the busiest minute is 2.4 times the mean, the busiest hour of the day 1.6 times."
        in (made.steps[1].reason)
    )
    assert CLEAR.turning[0] in made.changes


def test_the_whole_peak_is_owned_where_that_is_cheapest() -> None:
    made = judge(money(cheapest="own", replicas=1, spilled_share=0.0), READY, HELD)
    assert made.verdict == "own"
    assert made.headline.startswith("Own 1 replica: $9,100")


def test_without_evidence_it_is_shadowed_first_and_the_headline_says_why() -> None:
    made = judge(CLEAR, READY, None)
    assert (made.verdict, made.settled_by) == ("shadow first", 6)
    assert "nothing shows yet that the owned model is good enough here" in made.headline
    assert made.changes[0].startswith("Shadow the owned model on this workload: where it holds, own 2 replicas and rent the peak")


def test_too_little_volume_is_rented_and_says_from_where_on_it_pays() -> None:
    made = judge(SMALL, Operator(), None)
    assert (made.verdict, made.settled_by) == ("rent", 2)
    assert made.headline == ("Rent: $380.00 a month, the cheapest at the stated figures; owning wins in 3.0% of the draws.")
    assert made.changes[0] == "Volume: owning some starts to pay at 61 M tokens a day, 15.2 times today's 4 M."
    assert made.steps[5].effect == "caps at shadow first; step 2 has settled it"


def test_point_figures_for_owning_are_not_enough() -> None:
    made = judge(money(p_owning_wins=0.79996), READY, HELD)
    assert (made.verdict, made.settled_by) == ("rent", 2)
    assert "owning 2 replicas and renting the peak would cost $9,100" in made.headline
    assert made.headline.endswith("owning wins in 79.99% of the draws and 80% is asked for.")
    assert made.changes[0].startswith("Certainty: ")


def test_a_pinned_model_tips_what_is_more_likely_than_not_and_no_more() -> None:
    undecided = money(p_owning_wins=0.62)
    assert judge(undecided, READY, HELD).verdict == "rent"
    made = judge(undecided, operator(pinned_months=18), HELD)
    assert made.verdict == "own base + rent peak"
    assert [step.effect for step in made.steps[1:3]] == [
        "undecided, left to step 3",
        "tips step 2: more often than not is enough",
    ]
    assert judge(undecided, operator(pinned_months=11), HELD).verdict == "rent"
    clear_no = judge(money(p_owning_wins=0.1), operator(pinned_months=60), HELD)
    assert clear_no.verdict == "rent"
    assert clear_no.steps[2].effect == "speaks for owning, does not overturn step 2; step 2 has settled it"


def test_a_cheaper_host_of_the_same_model_is_where_to_rent() -> None:
    made = judge(money(cheaper_host=Host("deepinfra/llama-3.1-8b", 900 * BILLION)), READY, None)
    assert made.verdict == "rent"
    assert made.headline == (
        "Rent: deepinfra/llama-3.1-8b serves the same model for $900.00 a month, less than anything owned; "
        "whether that model is good enough here is not shown yet."
    )
    assert made.changes[0] == "deepinfra/llama-3.1-8b asking more than $9,100 a month for this traffic."


def test_a_host_is_not_named_for_a_model_that_failed_nor_where_sensitive_requests_may_not_go() -> None:
    host = Host("deepinfra/llama-3.1-8b", 900 * BILLION)
    assert "deepinfra" not in judge(money(cheaper_host=host), READY, FAILED).headline
    made = judge(money(SEALED, cheaper_host=host), READY, HELD)
    assert made.verdict == "own base + rent peak"
    assert not any("deepinfra" in text for text in (made.headline, *made.reasons, *made.changes))


@pytest.mark.parametrize(
    ("stated", "settled", "words"),
    [
        ({"operations": False}, 4, "nobody is there to run it"),
        ({"ship_this_week": True}, 5, "this is not the time to move"),
        ({"product_market_fit": False}, 5, "this is not the time to move"),
    ],
)
def test_people_can_say_no_where_money_says_yes(stated: dict[str, object], settled: int, words: str) -> None:
    made = judge(CLEAR, operator(**stated), HELD)
    assert (made.verdict, made.settled_by) == ("rent", settled)
    assert words in made.headline
    assert made.changes[0].endswith("would take away the cap.")


def test_shipping_this_week_is_no_hurdle_for_what_is_owned_already() -> None:
    assert judge(money(owned_share_now=0.9), operator(ship_this_week=True), HELD).verdict == "own base + rent peak"


def test_what_nobody_answered_stays_open_and_is_named() -> None:
    made = judge(CLEAR, Operator(), HELD)
    assert made.verdict == "own base + rent peak"
    assert made.headline.endswith("; open is who runs it.")
    assert len([reason for reason in made.reasons if reason.startswith("Open: ")]) == 2
    unpaid = judge(money(people_fte=0.0), READY, HELD)
    assert (unpaid.steps[3].answer, unpaid.steps[3].effect) == ("unknown", "an open condition")
    assert any("--people-fte" in reason for reason in unpaid.reasons)


def test_a_model_that_failed_is_rented_or_returned() -> None:
    assert (judge(CLEAR, READY, FAILED).verdict, judge(CLEAR, READY, FAILED).settled_by) == ("rent", 6)
    made = judge(money(owned_share_now=0.83), READY, FAILED)
    assert (made.verdict, made.settled_by) == ("return to rent", 6)
    assert made.headline == "Return to rent: owned targets answer 83.0% of it today, and the owned model did not hold here."


def test_what_is_owned_today_returns_when_owning_rarely_wins_and_waits_when_it_is_undecided() -> None:
    back = judge(money(SMALL, owned_share_now=0.7), READY, HELD)
    assert (back.verdict, back.settled_by) == ("return to rent", 2)
    wait = judge(money(owned_share_now=0.7, p_owning_wins=0.5), READY, HELD)
    assert wait.verdict == "rent"
    assert any("decide again before the hire is renewed" in reason for reason in wait.reasons)


def test_sensitive_requests_are_owned_and_the_rest_follows_the_money() -> None:
    part = judge(SEALED, operator(hard_constraint=None), None)
    assert (part.verdict, part.settled_by) == ("own base + rent peak", 1)
    assert part.headline.endswith("its quality is open.")
    assert part.steps[0].source == "measured"
    assert judge(money(SEALED, sensitive_share=1.0), READY, HELD).verdict == "own"
    assert judge(money(SEALED, cheapest="own"), READY, HELD).verdict == "own"
    # Where the model failed, no more than what is sensitive goes to it, though owning all of it would be cheapest.
    assert judge(money(SEALED, cheapest="own"), READY, FAILED).verdict == "own base + rent peak"


def test_the_requests_count_more_than_a_stated_no() -> None:
    made = judge(SEALED, READY, HELD)
    assert made.steps[0].answer == "yes"
    assert "the requests say otherwise" in made.steps[0].reason


def test_a_stated_constraint_owns_everything_and_without_people_points_to_a_private_deployment() -> None:
    made = judge(SMALL, operator(hard_constraint=True, operations=False), None)
    assert (made.verdict, made.settled_by) == ("own", 1)
    assert made.headline.startswith("Own all of it, or take a private deployment: $10,400 a month ($380.00 if")
    assert any("private deployment that others run" in reason for reason in made.reasons)
    assert made.steps[3].effect == "caps at rent; step 1 has settled it"


@given(moneys, operators, evidences)
def test_the_lines_tell_every_step_reason_and_change(m: Money, o: Operator, e: Evidence | None) -> None:
    made = judge(m, o, e)
    lines = judgement_lines(made)
    text = "\n".join(lines)
    assert lines[0] == made.headline
    assert [line[:2] for line in lines[1:7]] == ["1.", "2.", "3.", "4.", "5.", "6."]
    assert all(reason.removeprefix("Open: ") in text for reason in made.reasons)
    assert all(f"Would change it: {change}" in lines for change in made.changes)
