"""The gateway under soak: a configuration with everything on that two rented providers allow, its process, and what it says."""

import base64
import contextlib
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import yaml
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.soak.watched import Sample
from freehold.app.cli.demo.children import free_port
from freehold.serve.access.keys import digest

KEY, ADMIN_KEY = "fh_soak-caller", "fh_soak-admin"  # open nothing but what runs for the minutes of this soak
# By the first letter of their targets. Of the second kind of question nobody has a count, so it is answered here.
WORKLOADS = {"soak": "cm", "count": "c", "embed": "e"}
BUDGETS = ("key", "team", "user", "workload")
_READY_S, _END_S = 30.0, 40.0


class Watched:
    """One gateway process with its ledger and its samples."""

    def __init__(self, folder: Path, targets: Mapping[str, Any], collector: str) -> None:
        self.folder = folder
        self.port, self.admin_port = free_port(0), free_port(0)
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "content.key").write_bytes(base64.b64encode(secrets.token_bytes(32)))
        (folder / "hook.key").write_text(secrets.token_hex(16), encoding="ascii")
        (folder / "soak.yaml").write_text(yaml.safe_dump(self._config(targets, collector), sort_keys=False), encoding="utf-8")

    def _config(self, targets: Mapping[str, Any], collector: str) -> dict[str, Any]:
        kept = {"ttl_days": 1, "sample": 0.2}
        return {
            "version": 1, "listen": f"127.0.0.1:{self.port}", "store": "sqlite:///ledger.db",
            "admin": {"listen": f"127.0.0.1:{self.admin_port}", "key_sha256": digest(ADMIN_KEY)},
            "keys": [{"name": "soak", "team": "red", "user": "eva", "sha256": digest(KEY), "replays": True}],
            "targets": dict(targets),
            "workloads": {
                name: {"targets": [target for target in targets if target[0] in kinds], "keep_content": kept}
                for name, kinds in WORKLOADS.items()
            },
            "sensitivity": {"labels": {"pii": "redact"}},
            "content": {"key": f"file:{self.folder / 'content.key'}", "record_bytes": 65_536},
            "budgets": [{"name": f"of-{scope}", "scope": scope, "usd": 10**6} for scope in BUDGETS],
            "limits": {"rules": [{
                "name": "wide", "scope": "key", "requests_per_minute": 10**9, "tokens_per_minute": 10**12, "concurrent": 10_000,
            }]},
            "bounds": {
                "first_token_s": 2, "headers_s": 2, "whole_s": 3, "idle_s": 1.5, "slow_s": 1.5, "total_s": 60,
                "reply_bytes": 2**20,
            },
            "signals": {"every_s": 10, "window_s": 60, "spend_usd_month": 1, "webhook": {
                "url": f"{collector}/hook", "key": f"file:{self.folder / 'hook.key'}",
            }},
            "telemetry": {"endpoint": collector, "metrics_s": 10},
        }  # fmt: skip

    @contextlib.contextmanager
    def running(self) -> Iterator["Watched"]:
        """Started and answering; whatever happens inside, it is gone afterwards."""
        command = [sys.executable, "-m", "benchmarks.soak.watched", str(self.folder / "soak.yaml"), str(self.samples_path)]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + _READY_S
            while not self._answers():
                if self._process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"the gateway does not answer: {self.last_words()}")
                time.sleep(0.1)
            yield self
        finally:
            self._process.kill()
            self._process.wait()

    @property
    def samples_path(self) -> Path:
        """Where its process writes."""
        return self.folder / "samples.jsonl"

    def samples(self) -> list[Sample]:
        """One a second since it started."""
        lines = self.samples_path.read_bytes().splitlines() if self.samples_path.exists() else []
        return [msgspec.json.decode(line, type=Sample) for line in lines]

    def metrics(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
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

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """From the ledger, read as any other program would."""
        with contextlib.closing(sqlite3.connect(f"file:{self.folder / 'ledger.db'}?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(sql)]

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join((self.folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()[-5:])

    def accidents(self) -> list[str]:
        """Lines of its log that tell of an error."""
        lines = (self.folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if '"error"' in line or "Traceback" in line]

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self._get(self.port, "/livez"))
        return False

    def _get(self, port: int, path: str) -> bytes:
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", path, headers={"authorization": f"Bearer {ADMIN_KEY}", "connection": "close"})
            return connection.getresponse().read()
        finally:
            connection.close()
