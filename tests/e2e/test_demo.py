"""The demo as a newcomer runs it, shorter: what is to be seen is there, and nothing sensitive went where it must not."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest


@pytest.mark.long
def test_a_short_demo(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "freehold", "demo", "--exit", "--json", "--minutes", "2", "--speed", "40"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False)
    assert ended.returncode == 0, ended.stderr
    figures = msgspec.json.decode(ended.stdout)
    assert {figures[name] for name in ("errors", "lost", "constraint_violations", "unproven")} == {0}
    assert figures["requests"] == figures["answered"] + sum(figures["refused_as_meant"].values())
    by_label = {one["kind"]: one for one in figures["findings_by_label"]}
    for label in ("pci", "phi", "secret"):
        kinds = {to["kind"] for to in by_label[label]["sent"]}
        assert kinds <= {"owned"}, f"{label} was sent to a rented target"
    assert by_label["secret"]["sent"] == []
    assert {one["constraint"] for one in figures["removed"]} >= {"data_class", "region"}
    assert figures["residency"]["answer"].startswith("No data went where it must not go")
    (folder,) = tmp_path.glob(".demo*")
    assert all((folder / page).is_file() for page in ("plan.html", "residency.html"))
    lines = ended.stderr.splitlines()
    assert any(" done, " in line for line in lines), "progress is told where nobody watches"
