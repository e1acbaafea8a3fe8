"""Processes under test, with the servers they need: each in a group of its own, their CPU read from /proc, and always ended."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.peers.setup import KEY, PROMPT, Kept, Missing, Setup

_READY_S = 60.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Running(msgspec.Struct, frozen=True):
    """One system that answers."""

    name: str
    version: str
    port: int
    pids: tuple[int, ...]
    whole: Path
    stream: Path
    kept: Callable[[], Kept] | None

    def cpu_s(self) -> float:
        """CPU seconds of its process, of its servers, and of all below them."""
        return sum(_cpu_s(member) for pid in self.pids for member in _family(pid))


@contextlib.contextmanager
def running(name: str, setup: Setup, folder: Path) -> Iterator[Running]:
    """Start its servers and it, each as soon as the one before takes connections, and end them with their whole groups in the
    other order. Raises Missing with the last words of the one that did not start."""
    with contextlib.ExitStack() as stack:
        pids = []
        for server in setup.servers:
            process = stack.enter_context(_started(server.command, folder / f"{server.name}.log"))
            _answering(process, folder / f"{server.name}.log", partial(int, server.port))
            pids.append(process.pid)
        if setup.prepare is not None:
            setup.prepare()
        process = stack.enter_context(_started(setup.command, folder / "log"))
        port = _answering(process, folder / "log", partial(_port, setup))
        paths = {stream: folder / f"{'stream' if stream else 'whole'}.request" for stream in (False, True)}
        for stream, path in paths.items():
            path.write_bytes(_request(setup, stream=stream))
        yield Running(name, setup.version, port, (process.pid, *pids), paths[False], paths[True], setup.kept)


@contextlib.contextmanager
def _started(command: tuple[str, ...], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield process
    finally:
        _end(process)


def _port(setup: Setup) -> int | None:
    if setup.port is None and setup.port_file is not None and setup.port_file.exists():
        return int(setup.port_file.read_text(encoding="utf-8") or 0)
    return setup.port


def _answering(process: "subprocess.Popen[bytes]", log: Path, port_of: Callable[[], int | None]) -> int:
    """The port, as soon as it takes connections."""
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if port := port_of():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return port
        time.sleep(0.1)
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise Missing(f"it did not start: {lines[-1] if lines else 'it said nothing'}")


def _request(setup: Setup, *, stream: bool) -> bytes:
    body = msgspec.json.encode(
        {
            "model": setup.model,
            "messages": [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": PROMPT}],
            "max_tokens": 200,
            "stream": stream,
        }
    )
    head = (
        f"POST {setup.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _family(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(OSError):  # a thread or a process may end while it is looked at
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text(encoding="utf-8").split():
                yield from _family(int(child))


def _cpu_s(pid: int) -> float:
    """Its own, and that of its children that ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS_PER_S


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return
