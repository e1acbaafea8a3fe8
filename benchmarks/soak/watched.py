"""The gateway's own processes, as `freehold serve` runs them, with one task more: every second each writes down how big it is.

Run: python -m benchmarks.soak.watched CONFIG SAMPLES WORKERS. Only from inside can tasks and live blocks of memory be counted, so
its workers are this module too.
"""

import asyncio
import ctypes
import gc
import os
import sys
import time
from asyncio.subprocess import Process, create_subprocess_exec
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import uvloop
from structlog.contextvars import bind_contextvars

from freehold.app import config_file, crew, server, worker, workers
from freehold.app.logs import configure_logs

_SWEEP_S = 5
_PAGE = os.sysconf("SC_PAGE_SIZE")
Told: TypeAlias = tuple[int | None, int | None]  # requests and series, by a process's own count


class Sample(msgspec.Struct, frozen=True):
    """One second. `blocks`: live allocations of the interpreter; `heap_bytes`: what is in use of the C library's heap (0 where it
    does not say). Both grow with a leak; pages also stay behind where memory that is free again lies in pieces. `swept`: right
    after a collection, so that garbage is in neither. `requests` and `series`: how many a worker that was just swept has settled,
    and how many series of metrics it has."""

    at: float
    rss_bytes: int
    blocks: int
    heap_bytes: int
    descriptors: int
    sockets: int
    tasks: int
    swept: bool
    requests: int | None = None
    series: int | None = None


class _Heap(ctypes.Structure):
    """glibc's `struct mallinfo2`, malloc/malloc.h."""

    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
    )]  # fmt: skip


def heap_reader() -> Callable[[], int]:
    """What reads the bytes in use, of all arenas and of what was mapped for single allocations."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        return lambda: 0
    library.mallinfo2.restype = _Heap

    def read() -> int:
        found = library.mallinfo2()
        return int(found.uordblks + found.hblkhd)

    return read


async def watch(samples: Path, told: Callable[[], Awaitable[Told]]) -> None:
    """Until cancelled."""
    heap_bytes = heap_reader()
    with samples.open("ab", buffering=0) as sink:
        for second in count():
            swept = second % _SWEEP_S == 0
            counts = await told() if swept else (None, None)
            if swept:
                gc.collect()
            sink.write(msgspec.json.encode(_sample(heap_bytes(), counts, swept=swept)) + b"\n")
            await asyncio.sleep(1)


def _sample(heap_bytes: int, counts: Told, *, swept: bool) -> Sample:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    open_now = [_target(name) for name in os.listdir("/proc/self/fd")]
    return Sample(
        time.time(), int(pages) * _PAGE, sys.getallocatedblocks(), heap_bytes, len(open_now) - 1,
        sum(target.startswith("socket:") for target in open_now), len(asyncio.all_tasks()), swept, *counts,
    )  # fmt: skip


def _target(name: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{name}")
    except OSError:  # the one that listed them is gone
        return ""


async def serve(config: Path, samples: Path, count: int) -> int:
    """Serve as told there until SIGTERM, with so many workers. The exit code."""
    file = config_file.load(config)
    admin_sha256 = file.settings.admin.key_sha256 or ""
    if count > 1:  # its parent starts them as its own program would be started
        workers.create_subprocess_exec = partial(_started, samples)  # type: ignore[attr-defined]
    watching = asyncio.create_task(watch(samples / ("parent.jsonl" if count > 1 else "gateway.jsonl"), _none))
    try:
        if count > 1:
            return await workers.run_workers(file, admin_sha256, count, lambda: None, as_json=True)
        await server.run(file, admin_sha256, lambda: None)
        return 0
    finally:
        watching.cancel()


async def _started(samples: Path, program: str, *_: str, **keywords: Any) -> Process:
    return await create_subprocess_exec(program, "-m", "benchmarks.soak.watched", str(samples), **keywords)


async def _work(orders: worker.Orders, samples: Path) -> None:
    """What a worker does, watched."""
    watching = asyncio.create_task(watch(samples / f"worker-{orders.worker}.jsonl", partial(_counts, orders)))
    try:
        await worker.work(orders)
    finally:
        watching.cancel()


async def _counts(orders: worker.Orders) -> Told:
    """As its parent asks it once a second."""
    try:
        state = await crew.asked(Path(orders.folder) / str(orders.worker), crew.HowAreYou(), crew.WorkerState)
    except (OSError, TimeoutError, msgspec.DecodeError):  # it does not serve yet, or not any more
        return None, None
    found = [sample for family in state.families for sample in family.samples]
    return sum(round(value) for name, _, value in found if name == "freehold_requests_total"), len(found)


async def _none() -> Told:
    return None, None


def main() -> int:
    """The whole gateway; or one worker of it, which gets its orders from its parent."""
    if len(sys.argv) == 2:
        orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=worker.Orders)
        configure_logs(as_json=orders.as_json)
        bind_contextvars(worker=orders.worker)
        uvloop.run(_work(orders, Path(sys.argv[1])))
        return 0
    config, samples, count = sys.argv[1:]
    configure_logs(as_json=True)
    run = uvloop.run if count == "1" else asyncio.run  # as the command does
    return run(serve(Path(config), Path(samples), int(count)))


if __name__ == "__main__":
    sys.exit(main())
