"""The simulator as the queues whose waiting times are known exactly: M/M/1, M/D/1, M/M/k, and the loss of M/M/k/k by spill."""

from math import factorial

import numpy as np
import pytest

from freehold.plan.capacity.simulator.arrivals import Arrivals
from freehold.plan.capacity.simulator.fleet import Engine, Fleet
from freehold.plan.capacity.simulator.law import Group, StepLaw, Term
from freehold.plan.capacity.simulator.simulate import simulate
from freehold.plan.capacity.simulator.world import SPILLED

pytest.importorskip("numba", reason="the extra simulate is not installed")

TICK = 0.001  # a step, whatever is in it: a request of n output tokens is n ticks of service; their mean is 1 s
LAW = StepLaw((Group((Term(fixed_s=TICK),)),))
RUNS, REQUESTS, WARM_UP = 20, 10_000, 2_000
T99 = 2.861  # Student's t, 19 degrees of freedom, 99 % two-sided


def requests(rng: np.random.Generator, rate: float, *, fixed: bool) -> Arrivals:
    service = np.ones(REQUESTS) if fixed else rng.exponential(1.0, REQUESTS)
    return Arrivals(
        at_s=np.cumsum(rng.exponential(1 / rate, REQUESTS)),
        input_tokens=np.ones(REQUESTS, np.int64),
        output_tokens=np.maximum(1, np.round(service / TICK)).astype(np.int64),
    )


def waits(servers: int, rate: float, *, fixed: bool) -> tuple[float, float]:
    """Mean wait over independent runs, and half the width of its 99 % confidence interval."""
    engine = Engine(law=LAW, kv_blocks=1 << 20, max_sequences=servers)
    means = []
    for seed in range(RUNS):
        done = simulate(engine, Fleet(), requests(np.random.default_rng(seed), rate, fixed=fixed)).requests
        means.append((done.ttft_s[WARM_UP:] - TICK).mean())
    return float(np.mean(means)), float(T99 * np.std(means, ddof=1) / np.sqrt(RUNS))


def erlang_b(servers: int, load: float) -> float:
    """Erlang, 1917: the share of calls lost."""
    terms = [load**n / factorial(n) for n in range(servers + 1)]
    return terms[-1] / sum(terms)


@pytest.mark.parametrize("load", [0.5, 0.8])
@pytest.mark.parametrize(("fixed", "share"), [(False, 1.0), (True, 0.5)], ids=["M/M/1", "M/D/1"])
def test_one_server(load: float, fixed: bool, share: float) -> None:
    """Pollaczek and Khinchine: load / (1 - load) of a service, half of it where all take equally long."""
    mean, half = waits(1, load, fixed=fixed)
    assert half < 0.15 * mean
    assert abs(mean - share * load / (1 - load)) <= half


@pytest.mark.parametrize(("servers", "load"), [(2, 0.8), (8, 0.8)])
def test_many_servers_and_one_queue(servers: int, load: float) -> None:
    """Erlang C. A request that comes during a step waits for its end, which is half a tick."""
    busy = erlang_b(servers, servers * load)
    waiting = busy / (1 - load * (1 - busy))
    mean, half = waits(servers, servers * load, fixed=False)
    assert half < 0.15 * mean
    assert abs(mean - TICK / 2 - waiting / (servers * (1 - load))) <= half


def test_what_spills_is_what_erlang_lost() -> None:
    engine, shares = Engine(law=LAW, kv_blocks=1 << 20, max_sequences=8), []
    fleet = Fleet(replicas=2, concurrency=5, rented=True, spill=True)
    for seed in range(RUNS):
        done = simulate(engine, fleet, requests(np.random.default_rng(seed), 5.0, fixed=False)).requests
        shares.append((done.status[WARM_UP:] == SPILLED).mean())
    half = T99 * np.std(shares, ddof=1) / np.sqrt(RUNS)
    assert half < 0.02
    assert abs(np.mean(shares) - erlang_b(5, 5.0)) <= half
