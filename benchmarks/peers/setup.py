"""How one system under test is started: its command, the servers it keeps things in, and why it may be missing.

Peers come into environments of their own beside .venv on the first run; none of them becomes a dependency.
"""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

KEY = "sk-bench-7d1f0c52e9b84a36"  # opens nothing but what runs for the moment of this measurement
PROMPT = "Summarise the report for the board in five sentences, and say what changed since last year. " * 4


class Missing(Exception):
    """This system cannot be had here, and why."""


class Server(msgspec.Struct, frozen=True):
    """What a system keeps records or counts in; it runs beside the system, and its CPU is the system's."""

    name: str
    command: tuple[str, ...]
    port: int


class Kept(msgspec.Struct, frozen=True):
    """What a system has kept of its requests: how many it recorded, and how many it counted against its limits."""

    recorded: int
    counted: int


class Setup(msgspec.Struct, frozen=True):
    """How to start one system. `port` None: it picks one, and writes it to `port_file`."""

    version: str
    command: tuple[str, ...]
    port: int | None
    path: str = "/v1/chat/completions"
    model: str = "bench"
    port_file: Path | None = None
    servers: tuple[Server, ...] = ()
    prepare: Callable[[], None] | None = None
    """Called once the servers run, before the system starts. May raise Missing."""
    kept: Callable[[], Kept] | None = None
    """Asked while all of it runs; None where nothing outside the system could say it."""


def environment(name: str, requirement: str) -> Path:
    """The Python of the peer's own environment. Raises Missing where it cannot be installed."""
    folder = Path(f".venv-{name}")
    python = folder / "bin/python"
    if not (folder / ".installed").exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
            install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]
            subprocess.run(install, check=True, capture_output=True, text=True)
            (folder / ".installed").touch()
        except (OSError, subprocess.CalledProcessError) as error:
            said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
            raise Missing(f"{requirement} could not be installed: {said[-1] if said else 'no reason given'}") from None
    return python.absolute()


def version(python: Path, package: str) -> str:
    """The installed version of a package of that environment."""
    ask = f"import importlib.metadata as m; print(m.version({package!r}))"
    said = subprocess.run([str(python), "-c", ask], capture_output=True, text=True, check=True).stdout
    return re.sub(r"\s", "", said)
