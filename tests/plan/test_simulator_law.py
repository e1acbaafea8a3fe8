"""The closed form of decode steps against their sum, and the law as people write it against its table."""

import pytest
import simulator_reference
from hypothesis import given
from hypothesis import strategies as st
from simulator_worlds import laws

from freehold.core.errors import BadSettings
from freehold.plan.capacity.simulator.law import MOST_STEPS, Group, StepLaw, Term, decode_line, run_seconds, steps_until

COUNTS = st.integers(0, 500)


@given(laws(), COUNTS, COUNTS, COUNTS, COUNTS)
def test_the_table_says_what_the_law_says(law: StepLaw, prefill: int, pairs: int, batch: int, context: int) -> None:
    assert law.seconds(prefill, pairs, batch, context) == simulator_reference.seconds(law, prefill, pairs, batch, context)


@given(laws(), st.integers(1, 40), st.integers(1, 2000), st.integers(1, 60))
def test_equal_steps_take_what_they_take_one_by_one(law: StepLaw, batch: int, context: int, most: int) -> None:
    seconds, growth, holds = decode_line(law.table(), batch, context)
    steps = min(most, holds)
    one_by_one = sum(law.seconds(batch=batch, context=context + j * batch) for j in range(steps))
    assert holds >= 1
    assert run_seconds(seconds, growth, steps) == one_by_one


def test_a_run_ends_where_another_term_overtakes() -> None:
    law = StepLaw((Group((Term(fixed_s=1.0), Term(context_s=0.125))),))
    assert decode_line(law.table(), 1, 4) == (1.0, 0.0, 5)  # contexts 4 to 8; at 9 tokens reading takes longer
    assert decode_line(law.table(), 1, 9) == (1.125, 0.125, MOST_STEPS)


@given(st.floats(1e-6, 1.0), st.one_of(st.just(0.0), st.floats(1e-12, 0.1)), st.floats(1e-9, 1e4), st.integers(1, 10**6))
def test_the_fewest_steps_until_a_moment(seconds: float, growth: float, left: float, most: int) -> None:
    steps = steps_until(seconds, growth, left, most)
    assert 1 <= steps <= most
    assert steps == most or run_seconds(seconds, growth, steps) >= left
    assert steps == 1 or run_seconds(seconds, growth, steps - 1) < left


def test_what_a_law_cannot_be() -> None:
    with pytest.raises(BadSettings, match="pair_s of a step is -1"):
        Term(pair_s=-1.0)
    with pytest.raises(BadSettings, match="fixed_s of a step is nan"):
        Term(fixed_s=float("nan"))
    with pytest.raises(BadSettings, match="no term"):
        Group(())
    with pytest.raises(BadSettings, match="can take 0 s"):
        StepLaw((Group((Term(sequence_s=1.0),)),))
    with pytest.raises(BadSettings, match="can take 0 s"):
        StepLaw((Group((Term(fixed_s=1.0), Term(sequence_s=1.0)), "min"),))
