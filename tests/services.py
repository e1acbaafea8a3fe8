"""Servers that tests run against: found on this machine or, by root on Debian, installed. As a program it does that now."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

REQUIRED = "FREEHOLD_REQUIRE_SERVICES"  # set to 1 where a missing server is a failure, as in continuous integration
_OLDEST = 15
_DEBIAN = Path("/usr/lib/postgresql")
_NO_CLUSTER = Path("/etc/postgresql-common/createcluster.conf")
_APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confold")


class NotHere(Exception):
    """The server is not on this machine and cannot be put there. The message says why."""


def postgres_binaries() -> Path:
    """The folder of `initdb` and `postgres`, the newest there is; installed first where that can be. Raises NotHere."""
    found = _found()
    if found is None:
        _install()
        found = _found()
    if found is None:
        raise NotHere("the package postgresql was installed and has no initdb and postgres")
    return found


def _found() -> Path | None:
    versions = {float(file.parts[-3]): file.parent for file in _DEBIAN.glob("*/bin/postgres")}
    if max(versions, default=0.0) >= _OLDEST:
        return versions[max(versions)]
    on_path = shutil.which("postgres")  # elsewhere than on Debian
    return Path(on_path).resolve().parent if on_path and shutil.which("initdb") else None


def _install() -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NotHere("there is no PostgreSQL server here, and only root with apt-get installs one: apt-get install postgresql")
    if not _NO_CLUSTER.exists():  # the package would start a server for everybody
        _NO_CLUSTER.parent.mkdir(parents=True, exist_ok=True)
        _NO_CLUSTER.write_text("create_main_cluster = false\n", encoding="utf-8")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    said = ""
    for command in ((*_APT, "update"), (*_APT, "install", "-y", "--no-install-recommends", "postgresql")):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        said = f"{done.stdout}{done.stderr}"
    if done.returncode != 0:
        raise NotHere(f"apt-get install postgresql failed: {' '.join(said.split())[-400:]}")


if __name__ == "__main__":
    try:
        sys.stderr.write(f"PostgreSQL for the tests: {postgres_binaries()}\n")
    except NotHere as problem:
        sys.stderr.write(f"PostgreSQL for the tests: {problem}\n")
        sys.exit(1 if os.environ.get(REQUIRED) == "1" else 0)
