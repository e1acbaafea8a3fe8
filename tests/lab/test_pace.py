"""The pace of an answer: all tokens, in time, in few events."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.core.errors import BadSettings
from freehold.lab.pace import Pace


@given(st.integers(1, 3000), st.floats(1, 5000), st.floats(1, 100), st.floats(0, 100), st.floats(0, 2000))
def test_every_token_leaves_once_at_its_time(tokens: int, rate: float, scale: float, event_ms: float, ttft_ms: float) -> None:
    pace = Pace(ttft_ms=ttft_ms, tokens_per_s=rate, time_scale=scale, event_ms=event_ms)
    steps = list(pace.steps(tokens))
    assert steps[0][1] == 1
    assert steps[-1][1] == tokens
    assert [out for _, out in steps] == sorted({out for _, out in steps})
    for due_s, out in steps:
        assert due_s == pytest.approx(ttft_ms / 1000 / scale + (out - 1) / rate / scale)
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(steps[:-1])]
    assert all(gap >= event_ms / 1000 - 1e-9 for gap in gaps)


def test_slow_tokens_leave_one_by_one_and_fast_ones_together() -> None:
    assert [out for _, out in Pace(tokens_per_s=40).steps(4)] == [1, 2, 3, 4]
    assert [out for _, out in Pace(tokens_per_s=200).steps(12)] == [1, 5, 9, 12]


@pytest.mark.parametrize("wrong", [{"tokens_per_s": 0}, {"time_scale": -1}, {"ttft_ms": -1}, {"tokens_per_s": float("nan")}])
def test_a_senseless_pace_is_refused_by_name(wrong: dict[str, float]) -> None:
    with pytest.raises(BadSettings, match=next(iter(wrong))):
        Pace(**wrong)
