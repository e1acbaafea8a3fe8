"""The clock that leaves out what neighbours take: on made-up samples, and on a real process that shares its core with another."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from e2e.house import free_port
from hypothesis import given
from hypothesis import strategies as st

from freehold.app.engine_clock import Sample, engine_clock, listener, watched

WORKS = """
import os, socket, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
server = socket.create_server(("127.0.0.1", int(sys.argv[2])))
print("ready", flush=True)
while True:
    pass
"""
linux = pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this kernel does not count who stood in line")


def samples(steps: list[tuple[float, float]], thread: int = 7) -> list[Sample]:
    """A thread that ran and stood in line for so many seconds before each sample, and did nothing else."""
    at_s, ran, lined, found = 100.0, 3.0, 5.0, [Sample(100.0, {thread: (3.0, 5.0), 8: (0.0, 0.0)})]
    for more, wait in steps:
        at_s, ran, lined = at_s + more + wait, ran + more, lined + wait
        found.append(Sample(at_s, {thread: (ran, lined), 8: (0.0, 0.0)}))
    return found


@given(st.lists(st.tuples(st.floats(0.001, 1.0), st.floats(0.0, 2.0)), min_size=1, max_size=40))
def test_its_time_is_the_time_it_ran(steps: list[tuple[float, float]]) -> None:
    taken = samples(steps)
    own = engine_clock(taken)
    assert own is not None
    ran, lined = (sum(step[place] for step in steps) for place in (0, 1))
    assert own.waited == pytest.approx(lined / (ran + lined))
    told = [own.clock(sample.at_s) for sample in taken]
    assert told[-1] - told[0] == pytest.approx(ran)
    assert all(after >= before for before, after in pairwise(told))


def test_an_engine_that_rests_is_not_late_by_its_neighbours() -> None:
    assert engine_clock([Sample(0.0, {7: (0.0, 0.0)}), Sample(1.0, {7: (0.5, 0.3)})]) is None
    assert engine_clock([Sample(0.0, {7: (0.0, 0.0)}), Sample(1.0, {9: (0.9, 0.1)})]) is None
    assert engine_clock([Sample(0.0, {}), Sample(1.0, {})]) is None
    assert engine_clock(samples([])) is None
    assert engine_clock([]) is None


def test_who_listens_is_found_on_this_machine_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listener(f"http://127.0.0.1:{port}/v1") == (os.getpid() if Path("/proc/net/tcp").exists() else None)
        assert listener(f"http://10.0.0.1:{port}/v1") is None
    assert listener(f"http://127.0.0.1:{free_port()}") is None
    assert listener("http://127.0.0.1") is None


@contextmanager
def working(core: int, port: int) -> Iterator[None]:
    """A process that listens there and never rests, on that core alone."""
    command = [sys.executable, "-c", WORKS, str(core), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


@linux
async def test_two_who_share_a_core_each_stand_in_line_for_the_other() -> None:
    core, port, other = min(os.sched_getaffinity(0)), free_port(), free_port()
    clock = asyncio.get_running_loop().time
    with working(core, port), working(core, other):
        async with watched(f"http://127.0.0.1:{port}") as watch:
            start = clock()
            await asyncio.sleep(1.0)
            end = clock()
    own = watch.engine_clock()
    assert own is not None
    # Half of the time where these two are alone on the core, more where others want it too.
    assert own.waited > 0.3
    assert own.clock(end) - own.clock(start) == pytest.approx((1 - own.waited) * (end - start), abs=0.25 * (end - start))


async def test_where_nothing_is_seen_nothing_is_taken_off() -> None:
    async with watched("http://192.0.2.1:8000/v1") as watch:
        await asyncio.sleep(0)
    assert watch.engine_clock() is None
