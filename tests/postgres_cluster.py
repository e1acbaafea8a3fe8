"""A PostgreSQL server of the tests' own, on a free port of 127.0.0.1 and in a folder of its own; each test has its own schema."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psycopg
from services import postgres_binaries

USER, PASSWORD = "freehold", "s3cret:/@ word"
_READY_S = 60.0
# fsync stays on: a store that does not keep what it committed is what these tests would find.
_SETTINGS = (
    "listen_addresses=127.0.0.1", "unix_socket_directories=", "shared_buffers=32MB", "max_connections=60", "wal_level=minimal",
    "max_wal_senders=0", "autovacuum=off", "timezone=Asia/Kathmandu", "jit=off",
)  # fmt: skip


class Cluster:
    """The server. A context: it is ended, and its folder removed, on the way out."""

    def __init__(self) -> None:
        """Raises services.NotHere."""
        self._bin = postgres_binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="freehold-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._schemas = 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        word = self._folder / "password"
        word.write_text(PASSWORD, encoding="utf-8")
        if os.geteuid() == 0:  # the server refuses to run as root
            for file in (self._folder, word):
                os.chown(file, _owner().pw_uid, _owner().pw_gid)
        subprocess.run(
            [*_as_owner(), self._bin / "initdb", "-D", self._folder / "data", "-U", USER, "-A", "scram-sha-256",
             "--pwfile", word, "-E", "UTF8", "--locale-provider=icu", "--icu-locale=en", "--locale=C", "--no-sync"],
            cwd=self._folder, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start, and wait until it answers."""
        flags = [part for setting in _SETTINGS for part in ("-c", setting)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_as_owner(), self._bin / "postgres", "-D", self._folder / "data", "-p", str(self.port), *flags],
                cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + _READY_S
        while True:
            assert self._process.poll() is None, f"PostgreSQL ended: {self._tail()}"
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, f"PostgreSQL does not answer: {self._tail()}"
                time.sleep(0.02)

    def stop(self, *, at_once: bool = False) -> None:
        """End it; at once: without a word to its clients, as after a power cut."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
        self._process.wait(timeout=30)
        self._process = None

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Gone while inside, without a word to its clients, and back behind it."""
        self.stop(at_once=True)
        try:
            yield
        finally:
            self.start()

    def url(self, schema: str = "public", password: str = PASSWORD) -> str:
        """Where one schema of it is."""
        return (
            f"postgresql://{USER}:{quote(password, safe='')}@127.0.0.1:{self.port}/postgres"
            f"?options={quote(f'-csearch_path={schema}', safe='')}"
        )

    def fresh(self) -> str:
        """The address of an empty schema."""
        self._schemas += 1
        name = f"t{self._schemas}"
        self.rows(f"CREATE SCHEMA {name}")
        return self.url(name)

    def rows(self, sql: str, url: str | None = None) -> list[dict[str, Any]]:
        """A statement's rows, by column name, as any other program would get them."""
        with psycopg.connect(url or self.url(), autocommit=True, row_factory=psycopg.rows.dict_row) as db:
            cursor = db.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def _tail(self) -> str:
        return (self._folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:]


def _owner() -> pwd.struct_passwd:
    """Who runs the server where root runs the tests."""
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _as_owner() -> list[str]:
    """In front of a command: it dies with the tests, and is not root."""
    if shutil.which("setpriv") is None:  # elsewhere than on Linux; nobody runs the tests as root there
        return []
    flags = ["--pdeathsig", "INT"]
    if os.geteuid() == 0:
        flags += ["--reuid", str(_owner().pw_uid), "--regid", str(_owner().pw_gid), "--clear-groups"]
    return ["setpriv", *flags]
