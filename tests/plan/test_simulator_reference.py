"""The event-skipping simulator against a plain one that takes every step: the same times to the bit, the same counts."""

import random
from itertools import pairwise

import numpy as np
import pytest
import simulator_reference
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator_worlds import engines, fleets, traces

from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.simulator.fleet import Engine, Fleet
from freehold.plan.capacity.simulator.law import Group, StepLaw, Term
from freehold.plan.capacity.simulator.simulate import Simulated, Simulator, simulate
from freehold.plan.capacity.simulator.world import OWNED

pytest.importorskip("numba", reason="the extra simulate is not installed")


def same(engine: Engine, fleet: Fleet, trace: Arrivals) -> simulator_reference.Run:
    """Run both, hold them equal, and give back what the plain one counted."""
    slow, fast = simulator_reference.run(engine, fleet, trace), simulate(engine, fleet, trace)
    assert fast.requests.number.tolist() == list(range(len(trace)))
    assert fast.requests.status.tolist() == slow.status
    np.testing.assert_array_equal(fast.requests.ttft_s, np.array(slow.ttft))
    np.testing.assert_array_equal(fast.requests.total_s, np.array(slow.total))
    after = np.where(trace.output_tokens > 1, trace.output_tokens - 1, np.nan)
    np.testing.assert_allclose(fast.requests.tpot_s, (np.array(slow.total) - np.array(slow.ttft)) / after, rtol=1e-12)
    assert (fast.totals.pushed_out, fast.totals.cached_tokens) == (slow.pushed_out, slow.cached)
    conserved(engine, fleet, trace, fast)
    return slow


def conserved(engine: Engine, fleet: Fleet, trace: Arrivals, fast: Simulated) -> None:
    """Nothing is lost: requests, tokens, seconds."""
    totals, mine = fast.totals, fast.requests.status == OWNED
    assert totals.requests == totals.owned + totals.spilled + totals.rented + totals.refused == len(trace)
    assert totals.on_the_way == 0
    assert totals.output_tokens == trace.output_tokens[mine].sum()
    computed = totals.prompt_tokens + totals.cached_tokens
    assert computed >= trace.input_tokens[mine].sum()
    if not totals.pushed_out:
        assert computed == trace.input_tokens[mine].sum()
    assert 0 <= totals.utilisation <= 1 + 1e-12
    timeline = fast.timeline
    assert timeline.arrived.sum() == len(trace)
    assert timeline.left.sum() == len(trace) - mine.sum()
    assert timeline.output_tokens.sum() == pytest.approx(totals.output_tokens)
    assert timeline.prompt_tokens.sum() == pytest.approx(totals.prompt_tokens)
    assert timeline.kv_used.max(initial=0.0) <= 1 + 1e-9
    assert timeline.running.max(initial=0.0) <= fleet.replicas * engine.max_sequences * (1 + 1e-9)


@given(engines(), fleets(), traces())
@settings(deadline=None)
def test_every_time_is_that_of_the_plain_simulator(engine: Engine, fleet: Fleet, trace: Arrivals) -> None:
    same(engine, fleet, trace)


@pytest.mark.long
@given(engines(), fleets(), traces())
@settings(max_examples=1500, deadline=None)
def test_every_time_of_many_more_worlds(engine: Engine, fleet: Fleet, trace: Arrivals) -> None:
    same(engine, fleet, trace)


def test_the_comparison_has_seen_what_matters() -> None:
    """A fixed draw in which sequences are pushed out, also while they settle, prefixes found, and requests spill, are rented and
    are refused."""
    rng, seen, law = random.Random(6), np.zeros(7, int), StepLaw((Group((Term(fixed_s=0.25, context_s=2.0**-12),)),))
    for world in range(20):
        size = 40
        ids = [[first + i for i in range(rng.randrange(8))] for first in (100 * rng.randrange(3) for _ in range(size))]
        trace = Arrivals(
            at_s=np.cumsum([rng.choice((0.0, 0.125, 1.0, 8.0)) for _ in range(size)]),
            input_tokens=np.array([rng.randrange(1, 90) for _ in range(size)]),
            output_tokens=np.array([rng.randrange(1, 90) for _ in range(size)]),
            sensitive=np.array([rng.random() < 0.3 for _ in range(size)], np.int64),
            prefix_counts=np.array([len(one) for one in ids]),
            prefix_ids=np.array([i for one in ids for i in one], np.int64),
        )
        engine = Engine(
            law=law, kv_blocks=rng.randrange(30, 60), block_tokens=4, max_sequences=5, step_tokens=32, prefix_tokens=8,
            admission_s=(0.0, 4.0)[world % 2],
        )  # fmt: skip
        targets = rng.choice((1, 2))
        slow = same(
            engine,
            Fleet(replicas=targets * 2, targets=targets, concurrency=8, rented=rng.random() < 0.5, spill=rng.random() < 0.5),
            trace,
        )
        seen += [slow.pushed_out, slow.unsettled, slow.cached, *(slow.status.count(status) for status in range(4))]
    assert (seen > 0).all(), seen


@given(engines(), fleets(), traces(), st.lists(st.integers(0, 30), max_size=4))
@settings(max_examples=20, deadline=None)
def test_chunks_change_nothing(engine: Engine, fleet: Fleet, trace: Arrivals, cuts: list[int]) -> None:
    whole = simulate(engine, fleet, trace)
    simulator, parts = Simulator(engine, fleet), []
    starts = np.cumsum(trace.prefix_counts) - trace.prefix_counts
    for first, last in pairwise(sorted({0, len(trace), *(cut for cut in cuts if cut < len(trace))})):
        ids = slice(starts[first], starts[last - 1] + trace.prefix_counts[last - 1])
        part = Arrivals(
            at_s=trace.at_s[first:last],
            input_tokens=trace.input_tokens[first:last],
            output_tokens=trace.output_tokens[first:last],
            sensitive=trace.sensitive[first:last],
            prefix_counts=trace.prefix_counts[first:last],
            prefix_ids=trace.prefix_ids[ids],
        )
        parts.append(simulator.feed(part))
    parts.append(simulator.drain())
    for name in ("number", "status", "ttft_s", "tpot_s", "total_s"):
        pieces = np.concatenate([getattr(part, name) for part in parts])
        order = np.argsort(np.concatenate([part.number for part in parts]))
        np.testing.assert_array_equal(pieces[order], getattr(whole.requests, name))
    assert simulator.totals() == whole.totals


@given(engines(), fleets(), traces())
@settings(max_examples=20, deadline=None)
def test_memory_comes_back(engine: Engine, fleet: Fleet, trace: Arrivals) -> None:
    """After the last request each replica is as empty as at the start, but for prefix blocks that nobody holds."""
    simulator = Simulator(engine, fleet)
    simulator.feed(trace)
    simulator.drain()
    world = simulator.world
    replicas, per = world.replicas, int(world.rules[0]["per_prefix"])
    assert (replicas["free"] + replicas["parked"] * per == engine.kv_blocks).all()
    for name in ("batch", "context", "running", "in_flight"):
        assert (replicas[name] == 0).all()
    assert (world.phases == 0).all()
    assert (replicas["first_waiting"] == -1).all()
    assert world.tally[0]["vacant"] == len(world.pool)
    assert ((world.tables > 0).sum(axis=1) == replicas["parked"]).all()
