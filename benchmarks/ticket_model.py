"""Train the worse ticket model anew, on fewer phrases than there are, and see with the real engine how often it is right.

JAX comes into an environment of its own on the first run (.venv-jax, 0.7 GB); the training itself is `ticket_training.py` there.
Run: `python -m benchmarks.ticket_model OUT.gguf` (`--phrases 3`, `--json` for programs). The shipped one is of 2026-11-21.
"""

import argparse
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.table import Table

from freehold.app.cli.output import emit_json, notes, out
from freehold.app.weights import sha256_of
from freehold.lab.tickets import PHRASES, ticket

RELEASES = ("jax==0.10.2", "jaxlib==0.10.2", "gguf==0.19.0", "tokenizers==0.23.3", "numpy==2.4.6")
FOLDER = Path(".venv-jax")
SEEDS, EACH, READY_S = range(5), 200, 60.0


def main() -> int:
    """Exit 0 when it was trained and asked, 1 when JAX cannot be installed or the engine does not answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--phrases", type=int, default=3, choices=range(1, PHRASES + 1), help="of each label's five")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    try:
        subprocess.run(
            [prepared(), str(Path(__file__).with_name("ticket_training.py")), asked.out, "--phrases", str(asked.phrases)],
            check=True, env=os.environ | {"PYTHONPATH": "src", "JAX_PLATFORMS": "cpu"},
        )  # fmt: skip
        with served(asked.out) as port:
            found = {name: right(port, phrases) for name, phrases in (("trained on", asked.phrases), ("all", PHRASES))}
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        notes.print(f"the model cannot be made here: {error}", markup=False, highlight=False)
        return 1
    figures = {"file": str(asked.out), "bytes": asked.out.stat().st_size, "sha256": sha256_of(asked.out), "right": found}
    if asked.json:
        emit_json(figures)
    else:
        show(figures)
    return 0


def prepared() -> Path:
    """The interpreter of the environment, made on the first run. Raises OSError, CalledProcessError."""
    python = FOLDER / "bin" / "python"
    if not (FOLDER / ".gitignore").exists():
        subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *RELEASES], check=True, stderr=subprocess.DEVNULL)
        (FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
    return python


@contextmanager
def served(weights: Path) -> Iterator[int]:
    """While inside, the real engine serves them; its port. Raises RuntimeError where it does not answer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        command = [sys.executable, "-m", "freehold", "engines", "run", str(weights), "--port", str(port)]
        child = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + READY_S
            while child.poll() is None and time.monotonic() < deadline:
                try:
                    asked(port, "GET", "/health")
                    break
                except OSError:
                    time.sleep(0.1)
            else:
                raise RuntimeError(f"no engine answers for {weights}")
            yield port
        finally:
            child.terminate()
            child.wait(20)


def right(port: int, phrases: int) -> dict[str, Any]:
    """How many tickets in the first so many phrases got their label, by seed, and how many a label at all."""
    counts, labelled = [], 0
    for seed in SEEDS:
        source, good = random.Random(seed), 0
        for _ in range(EACH):
            text, label = ticket(source, phrases)
            body = {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 16}
            said = asked(port, "POST", "/v1/chat/completions", body)["choices"][0]["message"]["content"]
            good += said == json.dumps({"label": label})
            labelled += said.startswith('{"label": "') and said.endswith('"}')
        counts.append(good)
    return {
        "of": len(SEEDS) * EACH,
        "right": sum(counts),
        "worst_seed": min(counts),
        "best_seed": max(counts),
        "labelled": labelled,
    }


def asked(port: int, method: str, path: str, body: Any = None) -> Any:
    """The engine's JSON answer. Raises OSError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), {"content-type": "application/json"})
        reply = connection.getresponse()
        if reply.status != 200:
            raise ConnectionError(f"status {reply.status}")
        return json.loads(reply.read())
    finally:
        connection.close()


def show(figures: dict[str, Any]) -> None:
    """For people."""
    table = Table("tickets in", "right", f"worst seed of {EACH}", "best seed", "say a label", title=f"{figures['file']}")
    for name, found in figures["right"].items():
        of = f"{found['of']:,}"
        table.add_row(
            f"{name} phrases", f"{found['right']:,} of {of}", str(found["worst_seed"]), str(found["best_seed"]),
            f"{found['labelled']:,} of {of}",
        )  # fmt: skip
    out.print(table)
    out.print(f"{figures['bytes']:,} bytes, sha256 {figures['sha256']}", soft_wrap=True, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
