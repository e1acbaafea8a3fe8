"""The signals of the build threshold: when they go on, when off, and what they say."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.money import NANO
from freehold.plan.signals.measures import MONTH_S, Limits
from freehold.plan.signals.observed import AttemptsSeen, Observed, WorkloadSeen
from freehold.plan.signals.signals import ALL, Signal, changes, judge_signals
from freehold.stats.ratio import Sample

DAY = 86_400.0
NONE = Observed(window_s=DAY, covered_s=DAY)
LIMITS = Limits(
    spend_nanousd_month=2000 * NANO, revenue_nanousd_month=50_000 * NANO, revenue_share=0.1, rate_limited_share=0.1,
    slow_share=0.1, sensitive_share=0.1, data_question_share=0.1, idle_below=0.2, drift_ratio=1.5, slots={"box": 4},
)  # fmt: skip


def attempts(count: int = 100, **more: Any) -> AttemptsSeen:
    fields: dict[str, Any] = {"workload": "w", "target": "api", "model": "m", "kind": "rented", "attempts": count}
    return AttemptsSeen(**(fields | more))


def seen(*rows: AttemptsSeen | WorkloadSeen, covered_s: float = DAY) -> Observed:
    return Observed(
        window_s=DAY, covered_s=covered_s,
        workloads=tuple(row for row in rows if isinstance(row, WorkloadSeen)),
        attempts=tuple(row for row in rows if isinstance(row, AttemptsSeen)),
    )  # fmt: skip


def judged(now: Observed, previous: list[Signal] | None = None, before: Observed = NONE) -> dict[tuple[str, str], Signal]:
    return {(s.workload, s.name): s for s in judge_signals(now, before, LIMITS, previous or [])}


def spend(usd_month: float) -> Observed:
    return seen(attempts(cost_nanousd=round(usd_month * NANO * DAY / MONTH_S)))


def limited(share: float) -> Observed:
    return seen(attempts(1000, rate_limited=round(1000 * share)))


def used(share: float) -> Observed:
    return seen(attempts(kind="owned", target="box", busy_s=share * 4 * DAY))


def test_every_signal_on() -> None:
    now = seen(
        WorkloadSeen("w", requests=100, streamed=80, slow=20, sensitive=30, questioned=40, refused=10),
        attempts(100, rate_limited=12, cost_nanousd=200 * NANO, failed=50),
        attempts(kind="owned", target="box", busy_s=0.05 * 4 * DAY),
    )
    found = judged(now, before=seen(attempts(1000, failed=1)))
    assert {s.state for s in found.values()} == {"on"}
    assert {name for workload, name in found if workload == ALL} == {"spend", "spend_share", "sensitive", "owned_idle"}
    assert {name for workload, name in found if workload == "w"} == {
        "spend", "rate_limited", "slow", "sensitive", "data_questions", "provider_drift",
    }  # fmt: skip
    assert found["w", "rate_limited"].reason == (
        "w: 12.0% of 100 attempts at rented targets were turned away for their rate in the last 24 hours, "
        "at or over the limit of 10.0%."
    )
    assert found[ALL, "owned_idle"].reason == (
        "All workloads: the 4 slots of box were in use 5.0% of the last 24 hours, at or under the limit of 20.0%."
    )
    assert found["w", "slow"].value == 0.25
    assert "10 of them with no target left" in found["w", "data_questions"].reason
    assert "the error share of api (m) rose by a factor of" in found["w", "provider_drift"].reason
    assert found[ALL, "spend"].value == pytest.approx(200 * 730 / 24)
    assert found[ALL, "spend_share"].value == pytest.approx(200 * 730 / 24 / 50_000)
    assert all(s.suggestion and s.reason.endswith(".") and "\n" not in s.reason for s in found.values())


@pytest.mark.parametrize(
    ("key", "make", "limit", "towards"),
    [(("w", "spend"), spend, 2000.0, 1), (("w", "rate_limited"), limited, 0.1, 1), ((ALL, "owned_idle"), used, 0.2, -1)],
)
def test_on_at_the_limit_and_off_a_tenth_away(key: tuple[str, str], make: Any, limit: float, towards: int) -> None:
    """The same course for what goes on above and what goes on below its limit."""
    states, previous = [], list[Signal]()
    for factor in (0.5, 0.98, 1.02, 0.98, 0.92, 0.8, 0.92, 0.98):
        found = judged(make(limit * factor**towards), previous)
        previous = list(found.values())
        states.append(found[key].state)
    assert states == ["off", "off", "on", "on", "on", "off", "off", "off"]
    kept = judged(make(limit * 0.92**towards), list(judged(make(limit * 1.02**towards)).values()))[key]
    assert "not yet by a tenth" in kept.reason


@given(st.lists(st.integers(91, 99), min_size=1, max_size=20), st.booleans())
def test_a_value_between_the_two_limits_never_changes_the_state(limited_of_1000: list[int], begins_on: bool) -> None:
    previous = list(judged(limited(0.2 if begins_on else 0.0)).values())
    for count in limited_of_1000:
        found = judge_signals(limited(count / 1000), NONE, LIMITS, previous)
        assert changes(previous, found) == []
        previous = found


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_more_of_it_never_turns_a_signal_off(few: int, more: int) -> None:
    few, more = sorted((few, more))
    states = [judged(seen(attempts(1000, rate_limited=n)))["w", "rate_limited"].state for n in (few, more)]
    assert states in (["off", "off"], ["off", "on"], ["on", "on"])


rows = st.lists(
    st.builds(
        attempts, st.integers(1, 500), workload=st.sampled_from("abc"), target=st.sampled_from(["api", "other"]),
        cost_nanousd=st.integers(0, 10**12), rate_limited=st.integers(0, 1), kind=st.sampled_from(["rented", "owned"]),
    ), max_size=8, unique_by=lambda a: (a.workload, a.target, a.kind),
)  # fmt: skip


@given(rows, st.randoms(use_true_random=False))
def test_order_does_not_matter_and_the_whole_is_the_sum_of_its_parts(given_rows: list[AttemptsSeen], draw: random.Random) -> None:
    shuffled = draw.sample(given_rows, len(given_rows))
    one, other = (judge_signals(seen(*r), seen(*r), LIMITS, []) for r in (given_rows, shuffled))
    assert one == other
    spent = {s.workload: s.value or 0.0 for s in one if s.name == "spend"}
    assert spent.pop(ALL) == pytest.approx(sum(spent.values()), abs=1e-8)


@given(rows)
def test_a_signal_without_a_limit_is_not_judged(given_rows: list[AttemptsSeen]) -> None:
    assert judge_signals(seen(*given_rows), NONE, Limits(slots={"box": 1}), []) == []


def test_owned_attempts_are_no_rented_spend_and_no_rate_limit() -> None:
    found = judged(seen(attempts(kind="owned", target="box", cost_nanousd=10**15, rate_limited=100)))
    assert (found["w", "spend"].state, found["w", "spend"].value) == ("off", 0)
    assert found["w", "rate_limited"].state == "unknown"


def test_too_little_data_leaves_a_signal_as_it_was() -> None:
    few = seen(attempts(49, rate_limited=0))
    on = list(judged(limited(0.5)).values())
    fresh, kept = judged(few)["w", "rate_limited"], judged(few, on)["w", "rate_limited"]
    assert (fresh.state, kept.state) == ("unknown", "on")
    assert "only 49 attempts at rented targets, 50 are needed to judge" in fresh.reason
    assert kept.reason.endswith("so it stays on.")
    gone = judged(NONE, on)["w", "rate_limited"]
    assert (gone.state, gone.value) == ("unknown", None), "no traffic at all ends it"
    assert gone in changes(on, judged(NONE, on).values())


def test_a_young_ledger_tells_no_month() -> None:
    now = msgspec.structs.replace(spend(10**6), covered_s=0.09 * DAY)
    found = judged(now)
    assert {found[key].state for key in ((ALL, "spend"), ("w", "spend"), (ALL, "spend_share"), (ALL, "owned_idle"))} == {
        "unknown"
    }
    assert "the ledger covers only 2.16 hours of the last 24 hours" in found[ALL, "spend"].reason
    half = judged(msgspec.structs.replace(spend(3000), covered_s=DAY / 2))
    assert half["w", "spend"].value == pytest.approx(6000), "the pace is that of the time covered"
    assert judged(msgspec.structs.replace(NONE, covered_s=0.0))[ALL, "spend"].state == "unknown"


def test_the_least_used_owned_target_is_the_one_that_counts() -> None:
    limits = msgspec.structs.replace(LIMITS, slots={"box": 4, "spare": 1, "undeclared": None})
    (idle,) = [s for s in judge_signals(used(0.9), NONE, limits, []) if s.name == "owned_idle"]
    assert (idle.state, idle.value, "slots of spare" in idle.reason) == ("on", 0.0, True)
    undeclared = msgspec.structs.replace(LIMITS, slots={"box": None})
    (idle,) = [s for s in judge_signals(used(0.9), NONE, undeclared, []) if s.name == "owned_idle"]
    assert (idle.state, "declared concurrency" in idle.reason) == ("unknown", True)
    rented = msgspec.structs.replace(LIMITS, slots={})
    assert not [s for s in judge_signals(limited(0.0), NONE, rented, []) if s.name == "owned_idle"]


def test_drift_is_told_with_what_changed() -> None:
    def answering(tokens: float, model: str = "m") -> Observed:
        return seen(attempts(answers=Sample(100, 100 * tokens, 100 * tokens * tokens), model=model))

    on = judged(answering(100), before=answering(200))["w", "provider_drift"]
    assert on.state == "on"
    assert on.value == pytest.approx(2)
    assert "the mean answer length of api (m) fell by a factor of 2.00 or more, against the 24 hours before" in on.reason
    same = judged(answering(100), before=answering(100))["w", "provider_drift"]
    assert (same.state, "no rented target changed" in same.reason) == ("off", True)
    other = judged(answering(100), before=answering(200, "m-2"))["w", "provider_drift"]
    assert (other.state, other.value) == ("unknown", None), "another model is another thing, not drift"
    assert judged(answering(180), list(judged(answering(100), before=answering(200)).values()), before=answering(200))[
        "w", "provider_drift"
    ].state == "off"  # fmt: skip
