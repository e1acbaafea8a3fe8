"""A clock that stands still while an engine on this machine waits for a core that another program has.

A busy machine makes an engine late by what its neighbours do, which no constant of the engine explains. Linux counts for each
thread how long it ran and how long it stood in line to run (/proc/<pid>/task/<tid>/schedstat), so that can be taken off. It is
taken off only where one thread of the process that listens at the address was running or in line nearly always: then its line
is what made the engine late. Of an engine elsewhere, in a container or mostly on a GPU nothing is taken off.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

import numpy as np

_EVERY_S = 0.04
_BUSY = 0.85  # share of the time in which the thread ran or stood in line
_LISTENS = "0A"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

Clock: TypeAlias = Callable[[float], float]


class Sample(NamedTuple):
    """At one moment: seconds that each thread had run, and had stood in line."""

    at_s: float
    threads: dict[int, tuple[float, float]]


class EngineClock(NamedTuple):
    """`waited`: the share of the time (0-1) in which the engine stood in line. `clock`: its own time for a moment of ours."""

    waited: float
    clock: Clock


class Watch:
    """The samples of one process, None where it is not to be seen."""

    def __init__(self, pid: int | None, proc: Path = Path("/proc")) -> None:
        self._tasks = None if pid is None else proc / str(pid) / "task"
        self._samples: list[Sample] = []

    def note(self) -> None:
        """Take one sample."""
        if self._tasks is not None:
            self._samples.append(Sample(asyncio.get_running_loop().time(), _threads(self._tasks)))

    async def run(self) -> None:
        """Take samples until cancelled."""
        while self._tasks is not None:
            await asyncio.sleep(_EVERY_S)
            self.note()

    def engine_clock(self) -> EngineClock | None:
        """What the samples say; None where they say nothing of how late the engine was."""
        return engine_clock(self._samples)


@asynccontextmanager
async def watched(url: str) -> AsyncIterator[Watch]:
    """Samples of the engine at that address while inside."""
    watch = Watch(listener(url))
    watch.note()
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        watch.note()


def engine_clock(samples: Sequence[Sample]) -> EngineClock | None:
    """The clock of the thread that ran most; None where none was there throughout, or the busiest rested now and then."""
    if len(samples) < 2:
        return None
    first, last = samples[0], samples[-1]
    throughout = [thread for thread in last.threads if all(thread in sample.threads for sample in samples)]
    lasted_s = last.at_s - first.at_s
    if not throughout or lasted_s <= 0:
        return None
    busiest = max(throughout, key=lambda thread: last.threads[thread][0] - first.threads[thread][0])
    ran, lined = (last.threads[busiest][place] - first.threads[busiest][place] for place in (0, 1))
    if ran + lined < _BUSY * lasted_s:
        return None
    at = np.array([sample.at_s for sample in samples])
    waited = np.array([sample.threads[busiest][1] for sample in samples])
    # The two clocks are not read at one moment, so their difference may go back by a hair.
    own = np.maximum.accumulate(at - (waited - waited[0]))
    return EngineClock(lined / lasted_s, lambda at_s: float(np.interp(at_s, at, own)))


def listener(url: str, proc: Path = Path("/proc")) -> int | None:
    """The process on this machine that listens at that address; None where it is elsewhere, or not ours to see."""
    parts = urlsplit(url)
    if parts.hostname not in _LOOPBACK or parts.port is None:
        return None
    sockets = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(proc / "net" / table, parts.port)}
    for folder in proc.glob("[0-9]*/fd") if sockets else ():
        with suppress(OSError):
            if any(_leads_to(link) in sockets for link in folder.iterdir()):
                return int(folder.parent.name)
    return None


def _listening(table: Path, port: int) -> list[str]:
    """Inodes of sockets that listen on the port: columns as proc(5) has them."""
    try:
        rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()[1:]]
    except OSError:
        return []
    return [row[9] for row in rows if row[3] == _LISTENS and int(row[1].rpartition(":")[2], 16) == port]


def _leads_to(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _threads(tasks: Path) -> dict[int, tuple[float, float]]:
    found = {}
    with suppress(OSError):
        for task in tasks.iterdir():
            with suppress(OSError, ValueError, IndexError):
                ran, lined, *_ = (task / "schedstat").read_text(encoding="ascii").split()
                found[int(task.name)] = int(ran) / 1e9, int(lined) / 1e9
    return found
