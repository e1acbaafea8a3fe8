"""Real processes for the end-to-end tests: `freehold` commands on free ports, in a folder of their own, ended with the house."""

import contextlib
import ctypes
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec
import yaml

from freehold.serve.access.keys import digest

KEY = "fh_for-the-tests"
ADMIN_KEY = "fh_for-the-admin"
_READY_S = 60.0
_END_S = 15.0
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def until(condition: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
    """Poll until it holds; an AssertionError naming `what` when it does not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(0.02)


def fetch(url: str, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """GET: status and body; (0, b"") where nobody answers."""
    connection = HTTPConnection(url.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        reply = connection.getresponse()
        return reply.status, reply.read()
    except (OSError, HTTPException):
        return 0, b""
    finally:
        connection.close()


class Child:
    """One process of ours, with its log. It dies with the test run, even one that is killed."""

    def __init__(self, name: str, arguments: Sequence[str], folder: Path, port: int, ready_path: str) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / f"{name}.log"
        self._ready_path = ready_path
        with self.log.open("ab") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "freehold", *arguments], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                cwd=folder, start_new_session=True, preexec_fn=_die_with_parent,  # noqa: PLW1509  one system call, no lock
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_until_ready(self) -> Self:
        """Poll until it answers; its log is in the error when it ends or stays silent."""
        deadline = time.monotonic() + _READY_S
        while fetch(self.url, self._ready_path)[0] != 200:
            assert self._process.poll() is None, f"{self.name} ended with {self._process.returncode}: {self.tail()}"
            assert time.monotonic() < deadline, f"{self.name} does not answer: {self.tail()}"
            time.sleep(0.02)
        return self

    def tail(self, lines: int = 30) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def rss_bytes(self) -> int:
        """Resident memory now."""
        pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def kill(self) -> None:
        """SIGKILL, at once."""
        self._process.kill()
        self._process.wait()

    def ask_to_end(self) -> None:
        """SIGTERM."""
        self._process.terminate()

    def wait_for_end(self) -> int:
        """Its exit code, once it has ended; it is killed where that takes too long."""
        try:
            return self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL


class Lab(Child):
    """A lab provider or engine."""

    def tally(self) -> Any:
        """What it really did, as it counted itself."""
        return msgspec.json.decode(fetch(self.url, "/lab/tally")[1])


class Gateway(Child):
    """A gateway and its ledger, read as any other program would."""

    def __init__(self, name: str, folder: Path, port: int, admin_port: int, flags: Sequence[str] = ()) -> None:
        self.ledger = folder / f"{name}.db"
        self.admin_url = f"http://127.0.0.1:{admin_port}"
        self.flags = flags
        super().__init__(name, ["serve", "-c", f"{name}.yaml", *flags], folder, port, "/livez")

    def entries(self) -> list[dict[str, Any]]:
        """Every entry, oldest first, with its attempts."""
        attempts: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows("SELECT * FROM attempts ORDER BY entry_id, n"):
            attempts.setdefault(row["entry_id"], []).append(row)
        return [row | {"attempts": attempts.get(row["id"], [])} for row in self.rows("SELECT * FROM entries ORDER BY id")]

    def entry(self, request_id: str) -> dict[str, Any]:
        """One entry; it is durable before its answer ends, so nothing is waited for."""
        return next(entry for entry in self.entries() if entry["id"] == request_id)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """A query's rows, by column name."""
        with contextlib.closing(sqlite3.connect(f"{self.ledger.as_uri()}?mode=ro", uri=True, timeout=30)) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(sql)]


AnyChild = TypeVar("AnyChild", bound=Child)


class House:
    """The processes of one test run or test. A context: whatever was started inside is ended on the way out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in reversed(self.children):
            child.ask_to_end()
        for child in self.children:
            child.wait_for_end()

    def lab(self, kind: str, *flags: str) -> Lab:
        """`freehold lab KIND` with these flags, answering."""
        port = free_port()
        arguments = ["lab", kind, "--port", str(port), *flags]
        return self._keep(Lab(f"{kind}-{port}", arguments, self.folder, port, "/health"))

    def tickets_engine(self) -> Child:
        """The real llama.cpp with the bundled ticket model, under our own supervision."""
        port = free_port()
        return self._keep(Child("tickets", ["engines", "run", "tiny-tickets", "--port", str(port)], self.folder, port, "/health"))

    def gateway(self, name: str, config: Mapping[str, Any], *flags: str) -> Gateway:
        """`freehold serve` over this configuration, with these flags, a key, an admin key, ports and a ledger of its own."""
        port, admin_port = free_port(), free_port()
        whole = {
            "version": 1, "listen": f"127.0.0.1:{port}", "store": f"sqlite:///{name}.db",
            "admin": {"listen": f"127.0.0.1:{admin_port}", "key_sha256": digest(ADMIN_KEY)},
            "keys": [{"name": "tests", "sha256": digest(KEY)}], **config,
        }  # fmt: skip
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
        return self._keep(Gateway(name, self.folder, port, admin_port, flags))

    def again(self, gateway: Gateway) -> Gateway:
        """The same gateway, ports and ledger, in a new process, once the old one is gone."""
        ports = [int(url.rpartition(":")[2]) for url in (gateway.url, gateway.admin_url)]
        self.children.remove(gateway)
        return self._keep(Gateway(gateway.name, self.folder, ports[0], ports[1], gateway.flags))

    def _keep(self, child: AnyChild) -> AnyChild:
        self.children.append(child)
        child.wait_until_ready()
        return child


def rented(lab: Lab, **more: Any) -> dict[str, Any]:
    """A target at a lab provider, with a contract's price."""
    price = {"input": 2.5, "output": 10, "valid_from": "2026-11-01", "source": "tests"}
    return {
        "provider": "lab", "url": lab.url, "model": "lab-model", "regions": ["us"], "clearance": "internal", "price": price,
    } | more  # fmt: skip


def owned(url: str, **more: Any) -> dict[str, Any]:
    """A target at a lab engine, or at any other place that should have one."""
    base = {"engine": "vllm", "url": url, "model": "lab-engine", "regions": ["home"], "clearance": "restricted"}
    return base | more


def _die_with_parent() -> None:
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
