"""The compiled spill rule is the gateway's: the same answer as rules/order.py, whatever the state of the targets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator_reference import OWNED, asked, gateway, routed
from simulator_worlds import fleets

from freehold.core.decision import Load, TargetState
from freehold.plan.capacity.simulator.compiling import compiled
from freehold.plan.capacity.simulator.fleet import Engine, Fleet
from freehold.plan.capacity.simulator.law import Group, StepLaw, Term
from freehold.plan.capacity.simulator.routing import ELSEWHERE
from freehold.plan.capacity.simulator.world import open_world
from freehold.rules.order import decide

ENGINE = Engine(law=StepLaw((Group((Term(fixed_s=1.0),)),)), kv_blocks=10)
pytest.importorskip("numba", reason="the extra simulate is not installed")


@given(fleets(), st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1)), min_size=6, max_size=6), st.booleans(), st.booleans())
@settings(max_examples=2 * settings().max_examples, deadline=None)
def test_the_twin_decides_as_the_gateway_does(fleet: Fleet, loads: list[tuple[int, int]], fits: bool, sensitive: bool) -> None:
    world, each = open_world(ENGINE, fleet), fleet.replicas // fleet.targets
    for replica, (in_flight, waiting) in zip(world.replicas, loads, strict=False):
        replica["in_flight"], replica["seen_waiting"] = in_flight, waiting
    targets, workload = gateway(fleet, context_tokens=100)
    states = {}
    for place, target in enumerate(targets[: fleet.targets]):
        own = loads[place * each : (place + 1) * each]
        running, waiting = (sum(column) for column in zip(*own, strict=True))
        states[target.name] = TargetState(in_flight=running, load=Load(running=running, waiting=waiting))
    place, status = routed(decide(asked(100 if fits else 101, sensitive), workload, targets, states))
    assert compiled().route(world, fits, sensitive) == (place if status == OWNED else ELSEWHERE - status)
