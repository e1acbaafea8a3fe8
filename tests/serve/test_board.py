"""What is known of each target: counted, and forgotten in time."""

import pytest
import structlog

from freehold.core.decision import Load, TargetState
from freehold.core.ports import Verdict
from freehold.rules.health import Care
from freehold.rules.quota import Rates
from freehold.serve.gateway.board import FRESH_S, Board


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock: Clock) -> Board:
    return Board(clock)


def state(board: Board, name: str = "box") -> TargetState:
    return board.states((name,))[name]


def test_nothing_is_known_of_a_target_never_heard_of(board: Board) -> None:
    assert state(board) == TargetState()


def test_requests_in_flight_are_counted_by_target(board: Board) -> None:
    visits = [board.enter(name) for name in ("box", "box", "api")]
    board.leave(visits[0])
    assert (state(board).in_flight, state(board, "api").in_flight) == (1, 1)


def test_a_reading_goes_stale(board: Board, clock: Clock) -> None:
    board.read_load("box", Load(3, 2, 0.5))
    clock.now += FRESH_S
    assert state(board).load == Load(3, 2, 0.5)
    clock.now += 0.001
    assert state(board).load is None
    board.read_load("box", Load(1, 0))
    assert state(board).load == Load(1, 0)


def test_the_longest_cool_down_wins(board: Board, clock: Clock) -> None:
    visit = board.enter("box")
    board.ended(visit, "failed", 10)
    clock.now += 1
    board.ended(visit, "failed", 2)
    assert state(board).cooling_s == pytest.approx(9)
    board.ended(visit, "failed", 0)
    clock.now += 9
    assert state(board).cooling_s == 0


def test_an_answer_ends_a_cool_down_it_began_after(board: Board, clock: Clock) -> None:
    early = board.enter("box")
    clock.now += 1
    board.ended(board.enter("box"), "failed", 10)
    board.ended(early, "answered")
    assert state(board).cooling_s == 10, "that request was sent before the target said so"
    clock.now += 1
    board.ended(board.enter("box"), "answered")
    assert state(board).cooling_s == 0


def test_what_we_sent_is_not_counted_twice_when_the_engine_reports_it(board: Board) -> None:
    visits = [board.enter("box"), board.enter("box")]
    board.read_load("box", Load(running=3, waiting=0))
    assert (state(board).in_flight, state(board).foreign) == (2, 1)
    for visit in visits:
        board.leave(visit)
    assert (state(board).in_flight, state(board).foreign) == (0, 1), "ours have ended, whatever the last reading counted"


def test_what_moved_is_another_target_and_attempts_under_way_still_leave(board: Board) -> None:
    visit = board.enter("box")
    board.ended(visit, "failed", 60)
    board.read_load("box", Load(running=3, waiting=1))
    board.forget("box")
    assert state(board) == TargetState(in_flight=1)
    board.leave(visit)
    assert state(board) == TargetState()


def broken(board: Board, times: int = 5, name: str = "box") -> None:
    for _ in range(times):
        visit = board.enter(name)
        board.failed(visit, Verdict(True, "broken", "500"))
        board.leave(visit)


def test_failures_in_a_row_hold_a_target_until_one_request_finds_it_well(board: Board, clock: Clock) -> None:
    broken(board)
    assert (state(board).phase, state(board).open_s, board.held_s("box"), board.troubled("box")) == ("open", 5, 5, True)
    clock.now += 5
    assert (state(board).phase, board.held_s("box")) == ("half_open", 0)
    probe = board.enter("box")
    assert state(board).probing
    assert board.held_s("box") > 0, "one at a time"
    clock.now += 1
    board.ended(probe, "answered")
    board.leave(probe)
    assert (state(board).phase, round(state(board).share, 6), state(board).in_flight) == ("closed", 0.1, 0)
    clock.now += 15
    assert state(board).share == pytest.approx(0.55)
    clock.now += 15
    assert state(board) == TargetState()


def test_a_probe_whose_caller_left_makes_place_for_the_next(board: Board, clock: Clock) -> None:
    broken(board)
    clock.now += 5
    board.leave(board.enter("box"))
    assert (state(board).phase, board.held_s("box")) == ("half_open", 0)


def test_leaving_twice_counts_once(board: Board) -> None:
    first, second = board.enter("box"), board.enter("box")
    board.leave(first)
    board.leave(first)
    assert state(board).in_flight == 1
    board.leave(second)
    assert state(board).in_flight == 0


def test_a_targets_own_word_holds_it_and_our_guess_only_puts_it_last(board: Board) -> None:
    visit = board.enter("api")
    board.failed(visit, Verdict(True, "unreachable", "refused", cool_s=2))
    assert (state(board, "api").cooling_s, board.held_s("api")) == (2, 0)
    board.failed(visit, Verdict(True, "overloaded", "429", cool_s=7, retry_after_s=7))
    assert (state(board, "api").cooling_s, board.held_s("api")) == (7, 7)
    board.failed(visit, Verdict(True, "broken", "500", cool_s=9, retry_after_s=9))
    assert board.held_s("api") == 9, "the longest deadline wins"
    board.failed(visit, Verdict(True, "overloaded", "429", cool_s=1))
    assert board.held_s("api") == 9


def test_requests_at_fault_open_no_breaker_for_others(board: Board) -> None:
    for _ in range(20):
        visit = board.enter("api")
        board.failed(visit, Verdict(False, "rejected", "400"))
        board.leave(visit)
    assert state(board, "api") == TargetState()


def test_reply_headers_hold_requests_before_a_429(board: Board, clock: Clock) -> None:
    said = {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "2", "x-ratelimit-reset-requests": "58s"}
    board.heard("api", said)
    board.enter("api")
    assert board.held_s("api") == 0
    board.enter("api")
    assert board.held_s("api") == pytest.approx(1)
    clock.now += 1
    assert board.held_s("api") == 0


def test_stated_limits_hold_and_what_was_not_used_comes_back(board: Board, clock: Clock) -> None:
    board.follow({"api": Care(rates=Rates(tokens_per_minute=600))})
    visit = board.enter("api", tokens=600)
    assert board.held_s("api", tokens=100) == pytest.approx(10)
    assert board.states(("api",), tokens=200)["api"].quota_s == pytest.approx(20)
    board.leave(visit, tokens=100)
    assert board.held_s("api", tokens=100) == 0
    board.follow({"api": Care(rates=Rates(tokens_per_minute=600), paid_probes=True)})
    assert board.held_s("api", tokens=600) == pytest.approx(10), "a reload keeps the level"
    board.follow({})
    assert board.held_s("api", tokens=600) == 0


def test_what_was_sent_to_the_place_before_says_nothing_of_the_new_one(board: Board, clock: Clock) -> None:
    board.follow({"box": Care(rates=Rates(requests_per_minute=60))})
    old = [board.enter("box") for _ in range(5)]
    clock.now += 1
    board.forget("box")
    for visit in old:
        board.failed(visit, Verdict(True, "overloaded", "429", cool_s=9, retry_after_s=9))
        board.failed(visit, Verdict(True, "broken", "500"))
        board.leave(visit, tokens=10**6)
    assert state(board) == TargetState()


def test_free_checks_hold_an_engine_that_is_gone_and_try_it_once_it_is_back(board: Board, clock: Clock) -> None:
    broken(board)
    clock.now += 4.5
    board.checked("box", healthy=False)
    clock.now += 1
    assert state(board).phase == "open"
    board.checked("box", healthy=True)
    assert (state(board).phase, board.held_s("box")) == ("half_open", 0)


def test_callers_wait_for_a_paid_probe_but_not_for_ever(board: Board, clock: Clock) -> None:
    board.follow({"api": Care(paid_probes=True)})
    assert not board.wants_probe("api")
    broken(board, name="api")
    assert not board.wants_probe("api")
    clock.now += 5
    assert board.wants_probe("api")
    assert board.held_s("api") > 0
    visit = board.enter("api")
    assert not board.wants_probe("api"), "never twice at once"
    board.leave(visit)
    clock.now += 30
    assert board.held_s("api") == 0


def test_openings_are_told_with_the_targets_name_and_nothing_else(board: Board, clock: Clock) -> None:
    with structlog.testing.capture_logs() as told:
        broken(board)
        clock.now += 5
        probe = board.enter("box")
        board.ended(probe, "began")
    assert told == [
        {"event": "breaker opened", "log_level": "warning", "target": "box", "failures": 5, "for_s": 5},
        {"event": "breaker closed", "log_level": "info", "target": "box"},
    ]


def test_draws_go_on_from_decision_to_decision(board: Board) -> None:
    draws = [board.draw() for _ in range(50)]
    assert len(set(draws)) == 50
    assert all(0 <= draw < 1 for draw in draws)
