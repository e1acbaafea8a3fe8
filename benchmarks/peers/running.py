"""Processes under test: started in groups of their own, their CPU read from /proc, children included, and always ended."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.peers.gateways import KEY, PROMPT, Missing, Setup

_READY_S = 60.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Running(msgspec.Struct, frozen=True):
    """One system that answers."""

    name: str
    version: str
    port: int
    pid: int
    whole: Path
    stream: Path

    def cpu_s(self) -> float:
        """CPU seconds of its process and all below it."""
        return sum(map(_cpu_s, _family(self.pid)))


@contextlib.contextmanager
def running(name: str, setup: Setup, folder: Path) -> Iterator[Running]:
    """Start it, wait until its port takes connections, and end it with its whole group. Raises Missing with its last words."""
    log = folder / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(setup.command, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        port = _port(setup, process, log)
        paths = {stream: folder / f"{'stream' if stream else 'whole'}.request" for stream in (False, True)}
        for stream, path in paths.items():
            path.write_bytes(_request(setup, stream=stream))
        yield Running(name, setup.version, port, process.pid, paths[False], paths[True])
    finally:
        _end(process)


def _port(setup: Setup, process: "subprocess.Popen[bytes]", log: Path) -> int:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        port = setup.port
        if port is None and setup.port_file is not None and setup.port_file.exists():
            port = int(setup.port_file.read_text(encoding="utf-8") or 0)
        if port:
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
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return
