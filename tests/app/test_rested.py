"""Long sums rest, short ones do not, and a failure is not kept."""

import pytest

from freehold.app.rested import Rested


class Sums:
    """Takes so many seconds each time and counts them."""

    def __init__(self) -> None:
        self.now = 100.0
        self.took_s = 0.0
        self.times = 0

    def __call__(self) -> int:
        if self.took_s < 0:
            raise ValueError("broken")
        self.now += self.took_s
        self.times += 1
        return self.times


def test_what_took_long_is_used_again_for_ten_times_as_long() -> None:
    sums = Sums()
    rested = Rested(sums, lambda: sums.now)
    sums.took_s = 2.0
    assert rested.read() == 1
    sums.now += 17.9
    assert rested.read() == 1
    sums.now += 0.2
    assert rested.read() == 2


def test_what_is_quick_is_read_every_time() -> None:
    sums = Sums()
    rested = Rested(sums, lambda: sums.now)
    assert [rested.read(), rested.read()] == [1, 2]


def test_a_failure_is_told_and_tried_again() -> None:
    sums = Sums()
    rested = Rested(sums, lambda: sums.now)
    sums.took_s = -1.0
    with pytest.raises(ValueError, match="broken"):
        rested.read()
    sums.took_s = 0.0
    assert rested.read() == 1
