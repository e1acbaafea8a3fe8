"""A migration's share in the decision: first among those that may serve it, and never among those that may not."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.assignment import Assignment
from freehold.core.data import DataClass, Handling
from freehold.core.decision import Decision, TargetState
from freehold.core.request import Ask, Hints
from freehold.core.target import Target, Workload
from freehold.rules.order import decide

CANARY = Assignment(migration="mig-1", workload="w", target="new", stage="canary", step=1, share=0.05)
LIVE = Assignment(migration="mig-0", workload="w", target="mid", stage="live", share=1.0)


def target(name: str, clearance: DataClass = DataClass.internal, concurrency: int | None = None) -> Target:
    return Target(
        name=name, kind="owned", codec="vllm", url="http://o", model="m", clearance=clearance, concurrency=concurrency
    )  # fmt: skip


OLD, MID, NEW = target("old"), target("mid"), target("new")


def ask(*assigned: Assignment, data_class: DataClass = DataClass.public, hints: Hints | None = None) -> Ask:
    return Ask(workload="w", handling=Handling(data_class=data_class), assigned=assigned, hints=hints or Hints())


def order(asked: Ask, *targets: Target, states: dict[str, TargetState] | None = None, spill: bool = False) -> Decision:
    return decide(asked, Workload(name="w", targets=("old",), spill=spill), targets, states or {})


def names(decision: Decision) -> list[str]:
    return [candidate.target.name for candidate in decision.candidates]


def test_who_was_drawn_goes_there_first_and_is_told_why() -> None:
    found = order(ask(CANARY), OLD, NEW)
    assert names(found) == ["new", "old"]
    assert found.candidates[0].reason == "choice 1 of 2; migration mig-1: canary of 0.05 of the requests"
    assert found.candidates[1].reason == "choice 2 of 2"
    assert names(order(ask(), OLD)) == ["old"]


def test_a_newer_migration_comes_before_the_one_that_is_live() -> None:
    found = order(ask(CANARY, LIVE), OLD, MID, NEW)
    assert names(found) == ["new", "mid", "old"]
    assert found.candidates[1].reason.endswith("migration mig-0: live")


@pytest.mark.parametrize("data_class", [DataClass.confidential, DataClass.restricted])
def test_what_may_not_see_it_stays_out(data_class: DataClass) -> None:
    found = order(ask(CANARY, data_class=data_class), target("old", DataClass.restricted), NEW)
    assert names(found) == ["old"]
    assert [(gone.target, gone.constraint) for gone in found.removed] == [("new", "data_class")]


def test_its_callers_wish_comes_before_it() -> None:
    assert names(order(ask(CANARY, hints=Hints(order=("old",))), OLD, NEW)) == ["old", "new"]
    assert names(order(ask(CANARY, hints=Hints(ignore=("new",))), OLD, NEW)) == ["old"]


def test_one_that_is_down_is_not_waited_for() -> None:
    states = {"new": TargetState(cooling_s=3.0)}
    assert names(order(ask(CANARY), OLD, NEW, states=states)) == ["old", "new"]


@given(
    st.permutations(["old", "mid", "new"]),
    st.sampled_from(DataClass),
    st.lists(st.sampled_from(DataClass), min_size=3, max_size=3),
)
def test_an_assignment_moves_and_never_admits(given_order: list[str], data_class: DataClass, cleared: list[DataClass]) -> None:
    targets = [target(name, clearance) for name, clearance in zip(given_order, cleared, strict=True)]
    plain = order(ask(data_class=data_class), *targets)
    moved = order(msgspec.structs.replace(plain.ask, assigned=(CANARY, LIVE)), *targets)
    assert set(names(moved)) == set(names(plain))
    assert moved.removed == plain.removed
    rest = [name for name in names(moved) if name not in {"new", "mid"}]
    assert names(moved) == [name for name in ("new", "mid") if name in names(plain)] + rest
