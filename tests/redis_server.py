"""A Redis of the tests' own, on a free port of 127.0.0.1, that keeps nothing; ended with the test."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import redis
from services import NotHere

_READY_S = 20.0
_APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300")


class RedisServer:
    """The server. A context: it is ended on the way out, and can be ended before."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and wait until it answers. Raises NotHere."""
        flags = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        self._process = subprocess.Popen(
            ["redis-server", *flags], executable=redis_binary(), stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _READY_S
        with redis.Redis(port=self.port) as client:
            while True:
                assert self._process.poll() is None, "Redis ended"
                try:
                    client.ping()
                    return
                except redis.ConnectionError:
                    assert time.monotonic() < deadline, "Redis does not answer"
                    time.sleep(0.02)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def redis_binary() -> str:
    """The server's program; installed first where that can be. Raises NotHere."""
    found = _found()
    if found is None:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise NotHere("there is no Redis here, and only root with apt-get installs one: apt-get install redis-tools")
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in ((*_APT, "update"), (*_APT, "install", "-y", "--no-install-recommends", "redis-tools")):
            subprocess.run(command, env=environment, capture_output=True, check=False)
        found = _found()
    if found is None:
        raise NotHere("apt-get install redis-tools failed")
    return found


def _found() -> str | None:
    """One program is the server and its tools, by the name it is called; Debian's package of the tools starts no service."""
    return shutil.which("redis-server") or shutil.which("redis-check-rdb")
