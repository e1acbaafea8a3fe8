"""A target's breaker, event by event. Its long runs are model-checked on the board, in tests/serve/test_board_machine.py."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.ports import Verdict
from freehold.rules.breaker import Breaker, Breaking, Ending, Event, ending_of, phase, step

TERMS = Breaking(failures=3, open_s=5, longest_s=30)


def run(breaker: Breaker, *events: tuple[float, Event]) -> Breaker:
    for now, event in events:
        breaker = step(breaker, event, now, TERMS)
    return breaker


def ended(kind: Ending, at: float, visit: int = 1, since: float | None = None) -> tuple[float, Event]:
    return at, Event(kind, visit, at if since is None else since)


def opened(at: float = 0.0) -> Breaker:
    return run(Breaker(), *(ended("failed", at, n) for n in (1, 2, 3)))


def probed(ending: Ending, *, sent: float = 5.0, at: float = 6.0) -> Breaker:
    return run(opened(), (sent, Event("sent", 9, sent)), ended(ending, at, 9, sent))


def test_failures_in_a_row_open_it_and_time_half_opens_it() -> None:
    two = run(Breaker(), ended("failed", 0), ended("failed", 0))
    assert phase(two, 0) == "closed"
    breaker = opened(at=1)
    assert [phase(breaker, at) for at in (1, 5.9, 6, 600)] == ["open", "open", "half_open", "half_open"]


def test_an_answer_between_them_starts_the_count_again() -> None:
    breaker = run(Breaker(), ended("failed", 0), ended("failed", 0), ended("answered", 1), ended("failed", 2), ended("failed", 2))
    assert phase(breaker, 2) == "closed"
    assert run(breaker, ended("failed", 3)).tripped


def test_streams_that_begin_and_break_off_are_failures_in_a_row() -> None:
    breaker = Breaker()
    for n in (1, 2, 3):
        breaker = run(breaker, ended("began", n, n), ended("failed", n, n))
    assert breaker.tripped


@pytest.mark.parametrize("kind", ["overloaded", "refused", "left", "began"])
def test_what_says_nothing_about_its_health_changes_nothing(kind: Ending) -> None:
    before = run(Breaker(), ended("failed", 0))
    assert run(before, ended(kind, 1)) is before


def test_one_probe_at_a_time_and_only_it_decides() -> None:
    half = run(opened(), (5, Event("sent", 9, 5)))
    assert half.probe == 9
    for event in (
        Event("sent", 10, 6),
        Event("answered", 10, 6),
        Event("failed", 10, 6),
        Event("left", 10, 6),
        Event("answered"),
    ):
        assert run(half, (7, event)) is half


def test_before_its_time_no_attempt_is_a_probe() -> None:
    assert run(opened(), (4.9, Event("sent", 9, 4.9))).probe == 0


@pytest.mark.parametrize("kind", ["refused", "overloaded", "left"])
def test_a_probe_that_found_nothing_out_makes_place_for_the_next(kind: Ending) -> None:
    breaker = probed(kind)
    assert phase(breaker, 6) == "half_open"
    assert run(breaker, (6, Event("sent", 10, 6))).probe == 10


def test_an_answered_probe_closes_it() -> None:
    closed = probed("answered")
    assert (phase(closed, 6), closed.failures, closed.recovered_at) == ("closed", 0, 6)
    begun = probed("began")
    assert phase(begun, 6) == "closed"
    assert run(begun, ended("failed", 7, 9, 5.0)).tripped, "it broke off: one more failure is enough"
    assert not run(begun, ended("answered", 7, 9, 5.0), ended("failed", 8, 11)).tripped


def test_each_failed_probe_waits_twice_as_long_up_to_the_longest() -> None:
    breaker, waits = opened(), []
    for n in range(10, 16):
        now = breaker.until
        breaker = run(breaker, (now, Event("sent", n, now)), ended("failed", now, n))
        waits.append(breaker.until - now)
    assert waits == [10, 20, 30, 30, 30, 30]


def test_only_a_lasting_recovery_makes_the_next_opening_short_again() -> None:
    closed = probed("answered")
    flapping = run(closed, ended("answered", 10), *(ended("failed", 11) for _ in range(3)))
    assert flapping.until - 11 == 10
    lasting = run(closed, ended("answered", 40), *(ended("failed", 41) for _ in range(3)))
    assert lasting.until - 41 == 5


def test_news_from_before_it_opened_is_old() -> None:
    closed = probed("began")
    assert run(closed, ended("failed", 7, 2, since=-1.0)) is closed


def test_a_free_check_closes_nothing_but_holds_back_what_is_gone() -> None:
    breaker = opened()
    assert run(breaker, (1, Event("healthy"))) is breaker, "it may say it is well and fail all the same"
    gone = run(breaker, (4.5, Event("unhealthy")))
    assert [phase(gone, at) for at in (5.5, 6.5)] == ["open", "half_open"], "checks that end hold nothing for good"
    back = run(gone, (4.6, Event("healthy")))
    assert phase(back, 4.6) == "half_open", "one that was gone and is back is tried at once"
    assert run(Breaker(), (0, Event("unhealthy"))) == Breaker(), "what its requests say comes first"


@pytest.mark.parametrize(
    ("verdict", "ending"),
    [
        (Verdict(False, "rejected", "400"), "refused"),
        (Verdict(True, "rejected", "404"), "refused"),
        (Verdict(True, "rejected", "401", cool_s=10), "failed"),
        (Verdict(True, "rejected", "429 insufficient_quota", cool_s=300), "failed"),
        (Verdict(True, "overloaded", "429", cool_s=1), "overloaded"),
        (Verdict(True, "broken", "500"), "failed"),
        (Verdict(True, "unreachable", "refused", cool_s=2), "failed"),
    ],
)
def test_what_an_error_reply_says_of_its_health(verdict: Verdict, ending: str) -> None:
    assert ending_of(verdict) == ending


KINDS: Any = st.sampled_from(["sent", "began", "answered", "failed", "overloaded", "refused", "left", "healthy", "unhealthy"])


@given(st.lists(st.tuples(KINDS, st.integers(0, 4), st.floats(0, 20), st.floats(0, 100)), max_size=60))
def test_whatever_happens_it_is_total_and_opens_for_no_longer_than_told(steps: list[tuple[Any, int, float, float]]) -> None:
    breaker, now = Breaker(), 0.0
    for kind, visit, pause, ago in steps:
        now += pause
        breaker = step(breaker, Event(kind, visit, now - ago), now, TERMS)
        assert breaker.failures >= 0
        assert breaker.opened >= 0
        assert not breaker.tripped or breaker.until <= now + TERMS.longest_s
        assert breaker.probe == 0 or breaker.tripped
