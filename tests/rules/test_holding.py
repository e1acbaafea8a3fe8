"""Whether a request waits for the first target to come back."""

import pytest

from freehold.core.data import DataClass
from freehold.core.decision import Candidate
from freehold.core.target import Target
from freehold.rules.holding import all_held, back_in, hold_for
from freehold.wire import errors


def candidates(*held_s: float) -> list[Candidate]:
    return [
        Candidate(
            Target(name=f"t{n}", kind="rented", codec="openai", url="http://x", model="m", clearance=DataClass.public),
            f"held: it asked to be left alone for {held:.1f} s", held_s=held,
        )
        for n, held in enumerate(held_s)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("held", "most", "wait"),
    [
        ((), 2, 0),
        ((0.0, 9.0), 2, 0),
        ((9.0, 0.0), 0, 0),
        ((9.0, 0.0), -1e-6, 0),  # a hold that overshot: one that is ready is asked all the same
        ((9.0, 1.5), 2, 1.5),
        ((2.0,), 2, 2.0),
        ((9.0, 2.1), 2, None),
        ((0.1,), 0, None),
        ((0.1,), -1, None),
    ],
)
def test_it_waits_for_the_first_that_comes_back_in_time(held: tuple[float, ...], most: float, wait: float | None) -> None:
    assert hold_for(candidates(*held), most) == wait


def test_where_that_takes_too_long_the_answer_says_when_to_come_again() -> None:
    error = all_held(candidates(9.0, 4.2))
    assert back_in(candidates(9.0, 4.2)) == 4.2
    assert (error.status, error.code, error.retry) == (503, "targets_exhausted", True)
    assert "t1: held: it asked to be left alone for 4.2 s" in error.message
    said = dict(errors.headers(error))
    assert (said["retry-after"], said["x-should-retry"]) == ("5", "true")
