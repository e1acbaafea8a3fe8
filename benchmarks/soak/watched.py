"""The gateway's own process, as `freehold serve` runs it, with one task more: every second it writes down how big it is.

Run: python -m benchmarks.soak.watched CONFIG SAMPLES. Only from inside can its tasks and its live blocks of memory be counted.
"""

import asyncio
import ctypes
import gc
import os
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import msgspec
import uvloop

from freehold.app import config_file, server
from freehold.app.logs import configure_logs

_SWEEP_S = 5
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Sample(msgspec.Struct, frozen=True):
    """One second. `blocks`: live allocations of the interpreter; `heap_bytes`: what is in use of the C library's heap (0 where it
    does not say). Both grow with a leak; pages also stay behind where memory that is free again lies in pieces. `swept`: right
    after a collection, so that garbage is in neither."""

    at: float
    rss_bytes: int
    blocks: int
    heap_bytes: int
    descriptors: int
    sockets: int
    tasks: int
    swept: bool


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


async def watch(samples: Path) -> None:
    """Until cancelled."""
    heap_bytes = heap_reader()
    with samples.open("ab", buffering=0) as sink:
        for second in count():
            swept = second % _SWEEP_S == 0
            if swept:
                gc.collect()
            sink.write(msgspec.json.encode(_sample(heap_bytes(), swept=swept)) + b"\n")
            await asyncio.sleep(1)


def _sample(heap_bytes: int, *, swept: bool) -> Sample:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    open_now = [_target(name) for name in os.listdir("/proc/self/fd")]
    return Sample(
        time.time(), int(pages) * _PAGE, sys.getallocatedblocks(), heap_bytes, len(open_now) - 1,
        sum(target.startswith("socket:") for target in open_now), len(asyncio.all_tasks()), swept,
    )  # fmt: skip


def _target(name: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{name}")
    except OSError:  # the one that listed them is gone
        return ""


async def serve(config: Path, samples: Path) -> None:
    """Serve as told there until SIGTERM, and write samples."""
    file = config_file.load(config)
    watching = asyncio.create_task(watch(samples))
    try:
        await server.run(file, file.settings.admin.key_sha256 or "", lambda: None)
    finally:
        watching.cancel()


if __name__ == "__main__":
    configure_logs(as_json=True)
    uvloop.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
