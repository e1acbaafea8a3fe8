"""packaging/freehold.service: systemd takes every line of it, and what it says fits what the gateway does."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from freehold.app import server, workers
from freehold.serve.gateway import keeping

UNIT = Path(__file__).parents[2] / "packaging" / "freehold.service"
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "operate.md"
START = "/opt/freehold/bin/freehold serve -c /etc/freehold/freehold.yaml"


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """What the unit sets; of a setting that stands there twice, the last."""
    lines = (line.partition("=") for line in UNIT.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return {name: value for name, equals, value in lines if equals}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")
def test_systemd_takes_every_line(tmp_path: Path, said: dict[str, str]) -> None:
    assert said["ExecStart"] == START
    text = UNIT.read_text(encoding="utf-8").replace(START, f"{sys.executable} -m freehold serve")
    (tmp_path / "freehold.service").write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "freehold.service"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_it_is_not_killed_while_it_drains(said: dict[str, str]) -> None:
    assert said["KillSignal"] == "SIGTERM"
    drain_s = server.DRAIN_S + server.SETTLE_S + keeping._LAST_S
    assert int(said["TimeoutStopSec"]) > workers.END_S > drain_s


def test_it_may_do_nothing_it_need_not(said: dict[str, str]) -> None:
    assert said["DynamicUser"] == said["NoNewPrivileges"] == "yes"
    assert (said["ProtectSystem"], said["CapabilityBoundingSet"]) == ("strict", "")
    assert (said["Restart"], said["RestartPreventExitStatus"]) == ("on-failure", "2")


def test_the_guide_names_what_the_unit_expects() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    for path in ("/opt/freehold", "/etc/freehold/freehold.yaml", "/etc/freehold/environment", "/var/lib/freehold"):
        assert path in UNIT.read_text(encoding="utf-8")
        assert path in guide
