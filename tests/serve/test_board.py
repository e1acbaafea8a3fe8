"""What is known of each target: counted, and forgotten in time."""

import pytest

from freehold.core.decision import Load, TargetState
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
    for name in ("box", "box", "api"):
        board.enter(name)
    board.leave("box")
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
    board.cool("box", 10)
    clock.now += 1
    board.cool("box", 2)
    assert state(board).cooling_s == pytest.approx(9)
    board.cool("box", 0)
    clock.now += 9
    assert state(board).cooling_s == 0


def test_an_answer_ends_a_cool_down_it_began_after(board: Board, clock: Clock) -> None:
    began = clock.now
    clock.now += 1
    board.cool("box", 10)
    board.recovered("box", since=began)
    assert state(board).cooling_s == 10, "that request was sent before the target said so"
    clock.now += 1
    board.recovered("box", since=clock.now)
    assert state(board).cooling_s == 0
    board.recovered("never-cooled", since=clock.now)


def test_what_we_sent_is_not_counted_twice_when_the_engine_reports_it(board: Board) -> None:
    board.enter("box")
    board.enter("box")
    board.read_load("box", Load(running=3, waiting=0))
    assert (state(board).in_flight, state(board).foreign) == (2, 1)
    board.leave("box")
    board.leave("box")
    assert (state(board).in_flight, state(board).foreign) == (0, 1), "ours have ended, whatever the last reading counted"


def test_what_moved_is_another_target_and_attempts_under_way_still_leave(board: Board) -> None:
    board.enter("box")
    board.cool("box", 60)
    board.read_load("box", Load(running=3, waiting=1))
    board.forget("box")
    assert state(board) == TargetState(in_flight=1)
    board.leave("box")
    assert state(board) == TargetState()
