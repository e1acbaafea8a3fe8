"""The gateway under soak: its processes, their samples, and what it says of itself."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.soak.config import ADMIN_KEY, Ends, write_config
from benchmarks.soak.stores import Ledger
from benchmarks.soak.watched import Sample
from freehold.app.cli.demo.children import free_port

_READY_S, _END_S = 60.0, 60.0
Metrics: TypeAlias = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


class Looks(msgspec.Struct):
    """At the metrics, again and again: how many series there were, and which was ever below zero."""

    at: list[float] = []
    series: list[float] = []
    negative: set[str] = set()

    def add(self, metrics: Metrics) -> None:
        """One more."""
        self.at.append(time.time())
        self.series.append(len(metrics))
        self.negative |= {f"{name}{dict(labels) or ''}" for (name, labels), value in metrics.items() if value < 0}


class Watched:
    """One gateway with its ledger and the samples of each of its processes."""

    def __init__(self, folder: Path, ledger: Ledger, workers: int) -> None:
        self.folder = folder
        self.ledger = ledger
        self.workers = workers
        self.port, self.admin_port = free_port(0), free_port(0)
        self.url = f"http://127.0.0.1:{self.port}"
        self._sampled = folder / "samples"
        self._sampled.mkdir()

    @contextlib.contextmanager
    def running(self, targets: Mapping[str, Any], collector: str) -> Iterator["Watched"]:
        """Started and answering; whatever happens inside, it is gone afterwards."""
        self.config = write_config(self.folder, Ends(self.port, self.admin_port, self.ledger.setting, collector), targets)
        command = [sys.executable, "-m", "benchmarks.soak.watched", str(self.config), str(self._sampled), str(self.workers)]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + _READY_S
            while not self._serves():
                if self._process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"the gateway does not answer: {self.last_words()}")
                time.sleep(0.1)
            yield self
        finally:
            self._process.kill()  # its workers see that, and end
            self._process.wait()

    def reload(self) -> None:
        """SIGHUP: its configuration is read again."""
        self._process.send_signal(signal.SIGHUP)

    def samples(self) -> dict[str, list[Sample]]:
        """One a second since it started, of each process by its name."""
        files = sorted(self._sampled.glob("*.jsonl"))
        return {file.stem: [msgspec.json.decode(line, type=Sample) for line in _lines(file)] for file in files}

    def size_bytes(self) -> int:
        """Of all processes together, now."""
        return sum(msgspec.json.decode(_lines(file)[-1], type=Sample).rss_bytes for file in self._sampled.glob("*.jsonl"))

    def metrics(self) -> Metrics:
        """Every series now, by name and labels."""
        page = self._get(self.port, "/metrics").decode()
        families = text_string_to_metric_families(page)
        return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}

    def admin(self, path: str) -> Any:
        """What the admin API says there."""
        return msgspec.json.decode(self._get(self.admin_port, path))

    def stop(self) -> int:
        """SIGTERM; its exit code once it has drained, -9 where it does not."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join((self.folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()[-5:])

    def accidents(self) -> list[str]:
        """Lines of its log that tell of an error."""
        lines = (self.folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if '"error"' in line or "Traceback" in line]

    def _serves(self) -> bool:
        with contextlib.suppress(OSError):
            if self.workers == 1:
                return bool(self._get(self.port, "/livez"))
            serving: list[Any] = self.admin("/admin/summary").get("workers", [])
            return sum(bool(worker["ready"]) for worker in serving) == self.workers
        return False

    def _get(self, port: int, path: str) -> bytes:
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", path, headers={"authorization": f"Bearer {ADMIN_KEY}", "connection": "close"})
            return connection.getresponse().read()
        finally:
            connection.close()


def _lines(file: Path) -> list[bytes]:
    """The whole ones; the last may be half written."""
    return [line for line in file.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
