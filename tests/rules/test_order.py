"""Ordering by hand-made cases; that constraints hold at all is searched for in tests/property."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.data import DataClass, Handling
from freehold.core.decision import Decision, Load, TargetState
from freehold.core.request import Ask, Hints
from freehold.core.target import Target, Terms, Workload
from freehold.rules.order import after_full, decide, full_because, held_because


def owned(name: str = "own", concurrency: int | None = 2, clearance: DataClass = DataClass.restricted) -> Target:
    return Target(
        name=name, kind="owned", codec="vllm", url="http://o", model="m", clearance=clearance,
        regions=frozenset({"home"}), concurrency=concurrency,
    )  # fmt: skip


def rented(name: str = "api", clearance: DataClass = DataClass.internal, terms: Terms | None = None) -> Target:
    return Target(
        name=name, kind="rented", codec="openai", url="http://r", model="m", clearance=clearance,
        regions=frozenset({"us"}), terms=terms or Terms(),
    )  # fmt: skip


def order(
    *targets: Target,
    spill: bool = True,
    handling: Handling | None = None,
    hints: Hints | None = None,
    states: Mapping[str, TargetState] | None = None,
) -> Decision:
    ask = Ask(workload="w", handling=handling or Handling(), hints=hints or Hints())
    workload = Workload(name="w", targets=tuple(t.name for t in targets), spill=spill)
    return decide(ask, workload, targets, states or {})


def names(decision: Decision) -> list[str]:
    return [candidate.target.name for candidate in decision.candidates]


FULL = TargetState(in_flight=2)


def test_preference_is_the_workloads_order() -> None:
    assert names(order(owned(), rented())) == ["own", "api"]
    assert names(order(rented(), owned())) == ["api", "own"]


def test_a_full_owned_target_spills_and_says_so() -> None:
    decision = order(owned(), rented(), states={"own": FULL})
    assert names(decision) == ["api", "own"]
    assert decision.candidates[0].spill
    assert decision.candidates[0].reason == "spill: own is full (2 of 2 running)"


def test_without_spill_the_request_waits_where_it_belongs() -> None:
    decision = order(owned(), rented(), spill=False, states={"own": FULL})
    assert names(decision) == ["own", "api"]
    assert not any(candidate.spill for candidate in decision.candidates)


def test_what_may_not_be_rented_never_spills() -> None:
    decision = order(owned(), rented(), handling=Handling(DataClass.confidential), states={"own": FULL})
    assert names(decision) == ["own"]
    assert [(r.target, r.constraint) for r in decision.removed] == [("api", "data_class")]


def test_another_owned_target_with_room_is_no_spill() -> None:
    decision = order(owned("a"), owned("b"), rented(), states={"a": FULL})
    assert names(decision) == ["b", "api", "a"]
    assert not decision.candidates[0].spill


def test_cooling_targets_are_the_last_resort() -> None:
    assert names(order(owned(), rented(), states={"own": TargetState(cooling_s=3)})) == ["api", "own"]


@pytest.mark.parametrize(
    ("state", "full"),
    [
        (TargetState(), False),
        (TargetState(in_flight=1), False),
        (TargetState(in_flight=2), True),
        (TargetState(foreign=2, load=Load(running=2, waiting=0)), True),
        (TargetState(in_flight=1, foreign=1), True),
        (TargetState(load=Load(running=1, waiting=1)), True),
        (TargetState(in_flight=1, load=Load(running=1, waiting=0)), False),
    ],
)
def test_fullness(state: TargetState, full: bool) -> None:
    assert (full_because(owned(), state) is not None) == full


def test_undeclared_concurrency_is_full_only_by_the_engines_own_word() -> None:
    free = owned(concurrency=None)
    assert full_because(free, TargetState(in_flight=500)) is None
    assert full_because(free, TargetState(load=Load(running=9, waiting=1))) == "1 waiting in its queue"


def test_regions_must_all_be_allowed() -> None:
    eu = Handling(regions=frozenset({"eu"}))
    assert names(order(owned(), rented(), handling=eu)) == []
    assert names(order(owned(), rented(), handling=Handling(regions=frozenset({"us", "eu"})))) == ["api"]


def test_unknown_terms_promise_nothing() -> None:
    for hints in (Hints(data_collection="deny"), Hints(zdr=True)):
        assert names(order(owned(), rented(), hints=hints)) == ["own"]
    good = rented(terms=Terms(retention_days=0, trains_on_data=False))
    assert names(order(good, hints=Hints(data_collection="deny", zdr=True))) == ["api"]


def test_hints_narrow_and_reorder() -> None:
    assert names(order(owned(), rented(), hints=Hints(order=("api",)))) == ["api", "own"]
    assert names(order(owned(), rented(), hints=Hints(only=("openai",)))) == ["api"]
    assert names(order(owned(), rented(), hints=Hints(ignore=("vllm/m",)))) == ["api"]
    assert names(order(owned(), rented(), hints=Hints(allow_fallbacks=False))) == ["own"]


def test_a_hint_never_readmits() -> None:
    secret = Handling(DataClass.restricted)
    assert names(order(rented(), handling=secret, hints=Hints(order=("api",), only=("api",)))) == []


@pytest.mark.parametrize(
    ("state", "reason", "seconds"),
    [
        (TargetState(phase="open", open_s=4, failures=5), "held: its breaker is open for 4.0 s, after 5 failures in a row", 4),
        (TargetState(cooling_s=8, asked_s=7), "held: it asked to be left alone for 7.0 s", 7),
        (TargetState(phase="open", open_s=4, asked_s=7, cooling_s=7), "held: it asked to be left alone for 7.0 s", 7),
        (TargetState(phase="half_open", probing=True), "held: one request is finding out whether it is back", 1),
        (TargetState(quota_s=0.25), "held: its quota has room in 0.2 s", 0.25),
    ],
)
def test_what_should_be_sent_nothing_stands_last_with_the_reason(state: TargetState, reason: str, seconds: float) -> None:
    cooling = rented("cooling")
    decision = order(rented(), cooling, owned(), states={"api": state, "cooling": TargetState(cooling_s=3)})
    assert names(decision) == ["own", "cooling", "api"]
    held = decision.candidates[-1]
    assert (held.reason, held.held_s) == (reason, seconds)
    assert [candidate.held_s for candidate in decision.candidates[:-1]] == [0, 0]


def test_a_half_open_target_keeps_its_place_for_one_request() -> None:
    assert names(order(owned(), rented(), states={"own": TargetState(phase="half_open", failures=5)})) == ["own", "api"]


def test_a_recovering_target_takes_its_share_of_the_draws() -> None:
    def first(draw: float) -> tuple[str, str]:
        ask = Ask(workload="w", handling=Handling(), hints=Hints())
        workload = Workload(name="w", targets=("own", "api"))
        decision = decide(ask, workload, [owned(), rented()], {"own": TargetState(share=0.4)}, draw)
        assert sorted(names(decision)) == ["api", "own"], "it stays a candidate, should the others fail"
        return decision.candidates[0].target.name, decision.candidates[1].reason

    assert [first(draw)[0] for draw in (0.0, 0.399, 0.4, 0.99)] == ["own", "own", "api", "api"]
    assert first(0.5)[1] == "recovering: takes 40% of its requests, not this one"


def test_what_is_held_stays_held_when_another_turns_out_full() -> None:
    decision = order(owned(), rented(), states={"api": TargetState(quota_s=2)})
    (left,) = after_full(owned(), decision.candidates[1:], spill=True)
    assert (left.target.name, left.spill, left.held_s) == ("api", True, 2)


STATES = st.builds(
    TargetState,
    in_flight=st.integers(0, 3),
    cooling_s=st.sampled_from([0.0, 1.0]),
    asked_s=st.sampled_from([0.0, 0.0, 1.0]),
    phase=st.sampled_from(["closed", "open", "half_open"]),
    open_s=st.sampled_from([0.0, 2.0]),
    probing=st.booleans(),
    share=st.sampled_from([0.1, 1.0]),
    quota_s=st.sampled_from([0.0, 0.0, 3.0]),
)


@given(st.lists(STATES, min_size=4, max_size=4), st.floats(0, 1, exclude_max=True), st.booleans())
def test_health_only_ever_arranges(states: list[TargetState], draw: float, spill: bool) -> None:
    targets = [owned("a"), rented("b"), owned("c"), rented("d")]
    workload = Workload(name="w", targets=("a", "b", "c", "d"), spill=spill)
    known = {target.name: state for target, state in zip(targets, states, strict=True)}
    decision = decide(Ask(workload="w", handling=Handling()), workload, targets, known, draw)
    assert sorted(names(decision)) == ["a", "b", "c", "d"]
    held = [held_because(known[name]) is not None for name in names(decision)]
    assert held == sorted(held), "what may be tried comes before what is held"
    assert [candidate.held_s > 0 or candidate.reason.startswith("held") for candidate in decision.candidates] == held


def test_a_held_owned_target_is_not_full_so_leaving_it_is_no_spill() -> None:
    decision = order(owned(), rented(), states={"own": TargetState(in_flight=2, phase="open", open_s=3, failures=5)})
    assert names(decision) == ["api", "own"]
    assert not decision.candidates[0].spill
