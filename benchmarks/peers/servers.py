"""A PostgreSQL and a Valkey of a peer's own, on free ports of 127.0.0.1 and in its folder, with their usual settings."""

import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path

import msgspec

from benchmarks.peers.setup import Missing, Server
from freehold.app.cli.demo.children import free_port

_DEBIAN, _EXTENSIONS = Path("/usr/lib/postgresql"), Path("/usr/share/postgresql")
_USER, _READY_S = "bench", 30.0


class Postgres(msgspec.Struct, frozen=True):
    """A PostgreSQL server with pg_cron, which keeps what it committed (fsync is on)."""

    server: Server
    binaries: Path

    @property
    def url(self) -> str:
        """Where it is, without a password: it lives for minutes, on the loopback."""
        return f"postgresql://{_USER}@127.0.0.1:{self.server.port}/postgres"

    def wait(self) -> None:
        """Until it takes statements. Raises Missing after 30 seconds."""
        asked = [str(self.binaries / "pg_isready"), "--quiet", "--dbname", self.url]
        deadline = time.monotonic() + _READY_S
        while subprocess.run(asked, check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise Missing("its PostgreSQL did not get ready")
            time.sleep(0.1)

    def run(self, sql: str) -> str:
        """What the statements return, columns apart by `|`. Raises Missing with the first error."""
        psql = [str(self.binaries / "psql"), "--no-psqlrc", "-qtA", "-v", "ON_ERROR_STOP=1", "-f", "-", self.url]
        done = subprocess.run(psql, input=sql, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            errors = [line for line in done.stderr.splitlines() if "NOTICE" not in line]
            raise Missing(f"its PostgreSQL said: {errors[0] if errors else 'nothing'}")
        return done.stdout.strip()


class Valkey(msgspec.Struct, frozen=True):
    """A Valkey server, or the Redis that it came from; it keeps counts in memory only."""

    server: Server
    client: str

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.server.port}"

    def field(self, key: str, field: str) -> str:
        """One field of a hash; empty where there is none."""
        asked = [self.client, "-p", str(self.server.port), "--raw", "HGET", key, field]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def postgres(folder: Path) -> Postgres:
    """A new cluster in that folder, not started. Raises Missing without the newest server that Debian has, or its pg_cron."""
    found = {float(binary.parts[-3]): binary.parent for binary in _DEBIAN.glob("*/bin/postgres")}
    if not found:
        raise Missing("no PostgreSQL on this machine (Debian: apt-get install postgresql postgresql-15-cron)")
    release = max(found)
    if not (_EXTENSIONS / f"{release:g}/extension/pg_cron.control").exists():
        raise Missing(f"no pg_cron for PostgreSQL {release:g} (Debian: apt-get install postgresql-{release:g}-cron)")
    data, port = folder / "postgres", free_port(0)
    data.mkdir()
    as_owner: tuple[str, ...] = ()
    if os.geteuid() == 0:  # the server refuses to run as root, and its owner must reach its folder
        owner = pwd.getpwnam("postgres")
        os.chown(data, owner.pw_uid, owner.pw_gid)
        for above in (folder, folder.parent):
            above.chmod(0o711)
        as_owner = ("setpriv", "--reuid", str(owner.pw_uid), "--regid", str(owner.pw_gid), "--clear-groups")
    options = ("-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
    initdb = [*as_owner, str(found[release] / "initdb"), "-D", str(data), "-U", _USER, *options]
    subprocess.run(initdb, check=True, cwd=data, stdout=subprocess.DEVNULL)
    settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "shared_preload_libraries=pg_cron",
                "cron.database_name=postgres", "cron.use_background_workers=on")  # fmt: skip
    flags = tuple(part for setting in settings for part in ("-c", setting))
    command = (*as_owner, str(found[release] / "postgres"), "-D", str(data), "-p", str(port), *flags)
    return Postgres(Server("postgres", command, port), found[release])


def valkey() -> Valkey:
    """Not started. Raises Missing where there is neither Valkey nor Redis."""
    binary = shutil.which("valkey-server") or shutil.which("redis-server")
    if binary is None:
        raise Missing("no Valkey or Redis on this machine (Debian: apt-get install redis-server)")
    port = free_port(0)
    command = (binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    return Valkey(Server("valkey", command, port), binary.removesuffix("-server") + "-cli")
