"""Small engines, fleets and traces for the simulator's tests. All times are multiples of a power of two, so that sums of steps
and their closed form are equal to the bit."""

import numpy as np
from hypothesis import strategies as st

from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.simulator.fleet import Engine, Fleet
from freehold.plan.capacity.simulator.law import Group, StepLaw, Term

TICK = 2.0**-16


@st.composite
def terms(draw: st.DrawFn, least: int = 0) -> Term:
    fixed, *rest = (draw(st.integers(low, high)) * TICK for low, high in ((least, 4000), (0, 300), (0, 3), (0, 200), (0, 9)))
    prefill, pair, sequence, context = rest
    return Term(fixed_s=fixed, prefill_s=prefill, pair_s=pair, sequence_s=sequence, context_s=context)


@st.composite
def laws(draw: st.DrawFn) -> StepLaw:
    def group(least: int) -> Group:
        return Group(tuple(draw(st.lists(terms(least=least), min_size=1, max_size=3))), draw(st.sampled_from(("max", "min"))))

    groups = [group(1), *(group(0) for _ in range(draw(st.integers(0, 2))))]
    return StepLaw(tuple(groups))


@st.composite
def engines(draw: st.DrawFn) -> Engine:
    block = draw(st.sampled_from((1, 2, 3, 8, 16)))
    sequences = draw(st.integers(1, 6))
    return Engine(
        law=draw(laws()),
        kv_blocks=draw(st.integers(1, max(2, 160 // block))),
        block_tokens=block,
        max_sequences=sequences,
        step_tokens=sequences + draw(st.integers(0, 60)),
        prefix_tokens=block * draw(st.integers(0, 2)),
        admission_s=draw(st.one_of(st.just(0), st.integers(1, 20_000))) * TICK,
    )


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    targets = draw(st.integers(1, 3))
    return Fleet(
        replicas=targets * draw(st.integers(1, 2)),
        targets=targets,
        concurrency=draw(st.one_of(st.none(), st.integers(1, 6))),
        rented=draw(st.booleans()),
        spill=draw(st.booleans()),
    )


@st.composite
def traces(draw: st.DrawFn) -> Arrivals:
    """Up to 30 requests. Prefix blocks are chains, as in real traces, or any ids without order."""
    size = draw(st.integers(1, 30))
    gaps = draw(st.lists(st.sampled_from((0.0, 1 / 64, 0.25, 1.0, 4.0)), min_size=size, max_size=size))
    ids = [
        draw(
            st.one_of(
                st.builds(lambda doc, n: [100 * doc + i for i in range(n)], st.integers(0, 2), st.integers(0, 12)),
                st.lists(st.integers(0, 9), max_size=6, unique=True),
            )
        )
        for _ in range(size)
    ]
    counts = st.lists(st.integers(1, 60), min_size=size, max_size=size)
    return Arrivals(
        at_s=np.cumsum(gaps),
        input_tokens=np.array(draw(counts)),
        output_tokens=np.array(draw(counts)),
        sensitive=np.array(draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))),
        prefix_counts=np.array([len(one) for one in ids]),
        prefix_ids=np.array([i for one in ids for i in one], np.int64),
    )
