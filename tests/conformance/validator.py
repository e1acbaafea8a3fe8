"""The FinOps Foundation's FOCUS validator in an environment of its own, made once from PyPI at locked versions and hashes."""

import hashlib
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parents[1] / ".venv-focus"
LOCKS = (HERE / "focus-validator-build.lock", HERE / "focus-validator.lock")
_PACKAGE = "import focus_validator, pathlib; print(pathlib.Path(focus_validator.__file__).parent)"


def installed() -> Path:
    """The environment's bin folder. It is made anew where the locks say something else than when it was made."""
    stamp, bins = ENVIRONMENT / "made-from", ENVIRONMENT / "bin"
    wanted = hashlib.sha256(b"".join(lock.read_bytes() for lock in LOCKS) + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return bins
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    _run(sys.executable, "-m", "venv", str(ENVIRONMENT))
    for lock in LOCKS:  # the validator is published as source only: what builds it comes first, locked as well
        _run(
            str(bins / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes",
            "--no-build-isolation", "-r", str(lock),
        )  # fmt: skip
    stamp.write_text(wanted, encoding="utf-8")
    return bins


def verdicts(file: Path, version: str, report: Path) -> dict[str, str]:
    """Every rule of that version's set and how the file did: passed, failure, error or skipped. Nothing is fetched for it."""
    bins = installed()
    package = Path(_run(str(bins / "python"), "-c", _PACKAGE).strip())
    # It looks for its own list of currencies in the folder it is started in.
    _run(
        str(bins / "focus-validator"), "--data-file", str(file), "--validate-version", version, "--output-type", "unittest",
        "--output-destination", str(report), cwd=package.parent,
    )  # fmt: skip
    cases = ET.parse(report).iter("testcase")
    return {case.attrib["name"].partition(" ")[0]: case[0].tag if len(case) else "passed" for case in cases}


def _run(*command: str, cwd: Path | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
    return done.stdout
