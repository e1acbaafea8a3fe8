"""The demo's processes: each a `freehold` command with its own log, awaited until it answers, ended when the demo ends."""

import asyncio
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from freehold.app.tied import tied
from freehold.core.errors import BadSettings

_READY_S = 60.0
_END_S = 10.0


class Children:
    """An async context: whatever was started inside is ended on the way out, gateway first, engines last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, asyncio.subprocess.Process] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in reversed(self._running.values()):
            await _end(process)

    async def start(self, name: str, arguments: Sequence[str], port: int, env: Mapping[str, str] | None = None) -> None:
        """Start `freehold ARGUMENTS` and wait until its port takes connections. Raises BadSettings with its last words."""
        log = self._folder / f"{name}.log"
        with log.open("wb") as sink:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "freehold", *arguments, stdout=sink, stderr=sink, stdin=asyncio.subprocess.DEVNULL,
                env=None if env is None else {**os.environ, **env}, start_new_session=True, preexec_fn=tied(),
            )  # fmt: skip
        self._running[name] = process
        for _ in range(int(_READY_S / 0.05)):
            if process.returncode is not None:
                raise BadSettings(f"{name} ended at once: {_last_line(log)} (log: {log})")
            if await _answers(port):
                return
            await asyncio.sleep(0.05)
        raise BadSettings(f"{name} did not answer on port {port} within {_READY_S:g} s (log: {log})")

    def pid_of(self, name: str) -> int:
        """The process id of a child that was started."""
        return self._running[name].pid


def free_port(wished: int) -> int:
    """The wished port where it is free, else one that is."""
    for port in (wished, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            taken: int = probe.getsockname()[1]
            return taken
    raise BadSettings("no free port on 127.0.0.1")


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _END_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
