"""Ordering by hand-made cases; that constraints hold at all is searched for in tests/property."""

from collections.abc import Mapping

import pytest

from freehold.core.data import DataClass, Handling
from freehold.core.decision import Decision, Load, TargetState
from freehold.core.request import Ask, Hints
from freehold.core.target import Target, Terms, Workload
from freehold.rules.order import decide, full_because


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
