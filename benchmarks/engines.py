"""What a second engine accepts and does not honour, found by `freehold check --probe`: `transformers serve` beside llama.cpp.

Both serve the same weights, the bundled ticket model, so whatever differs is the servers' doing. transformers and torch come into
an environment of their own on the first run (.venv-transformers, 1.2 GB); the weights are said in its form there, once.
Run: `python -m benchmarks.engines` (`--json` for programs). What it prints is recorded in docs/explain/engines.md.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from freehold.app.cli.output import emit_json, notes, out
from freehold.serve import engines
from freehold.serve.access.keys import digest

RELEASES = ("torch==2.13.0", "transformers[serving]==5.23.0", "gguf==0.19.0")
FOLDER = Path(".venv-transformers")
WEIGHTS = Path(engines.__file__).parent / "data" / "tiny-tickets-35k-q8_0.gguf"
PORTS = {"transformers": 8631, "llama.cpp": 8632}
TICKET = "I was charged twice for my invoice. Thanks."
READY_S = 120.0
# transformers reads GGUF and serves only what stands in its own form; the copy has the same numbers, dequantised.
CONVERT = """
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, name, made = sys.argv[1:]
read = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name)
del read.config.quantization_config
copy = type(read)(read.config)
copy.load_state_dict({at: value.float() for at, value in read.state_dict().items()})
copy.save_pretrained(made)
AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(made)
"""


def main() -> int:
    """Exit 0 when both were probed, 1 when one could not be installed or did not answer."""
    try:
        model = prepared()
    except (OSError, subprocess.CalledProcessError) as error:
        notes.print(f"transformers cannot be installed here: {error}", markup=False, highlight=False)
        return 1
    try:
        return compared(model)
    except (RuntimeError, urllib.error.URLError) as error:
        notes.print(str(error), markup=False, highlight=False)
        return 1


def compared(model: Path) -> int:
    """Serve both, ask both, show it. Raises RuntimeError where one does not answer."""
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        serve = [str(FOLDER / "bin" / "transformers"), "serve", str(model), "--host", "127.0.0.1", "--device", "cpu", "--port"]
        run = [sys.executable, "-m", "freehold", "engines", "run", "tiny-tickets", "--port"]
        with served("transformers", serve, folder), served("llama.cpp", run, folder):
            found = probed(folder, model)
            said = {name: answer(name, model) for name in PORTS}
    if "--json" in sys.argv[1:]:
        emit_json({"releases": RELEASES, "targets": found["targets"], "silent": found["silent"], "answers": said})
    else:
        show(found["targets"], said)
    return 1 if found["silent"] else 0


def prepared() -> Path:
    """The environment and the model's folder in it, made on the first run. Raises OSError, CalledProcessError."""
    python, model = FOLDER / "bin" / "python", FOLDER / "tiny-tickets"
    if not (FOLDER / "bin" / "transformers").exists():
        subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
        (FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
        subprocess.run([python, "-m", "pip", "install", "--quiet", *RELEASES], check=True, stderr=subprocess.DEVNULL)
    if not (model / "config.json").exists():
        arguments = [str(WEIGHTS.parent), WEIGHTS.name, str(model)]
        subprocess.run([python, "-c", CONVERT, *arguments], check=True, env=offline(), stderr=subprocess.DEVNULL)
    return model.resolve()


def offline() -> dict[str, str]:
    """The environment of a process that is to ask no hub for anything."""
    return os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


@contextlib.contextmanager
def served(name: str, command: list[str], folder: Path) -> Iterator[None]:
    """While inside, that server answers at its port. Raises RuntimeError with the end of its log where it does not."""
    log = folder / f"{name}.log"
    with log.open("wb") as sink:
        child = subprocess.Popen([*command, str(PORTS[name])], stdout=sink, stderr=sink, env=offline())
        try:
            deadline = time.monotonic() + READY_S
            while not healthy(PORTS[name]):
                if child.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{name} does not answer: {log.read_text(encoding='utf-8', errors='replace')[-600:]}")
                time.sleep(0.2)
            yield
        finally:
            child.terminate()
            child.wait(20)


def healthy(port: int) -> bool:
    """Whether it says so."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as reply:
            good: bool = reply.status == 200
    except (OSError, urllib.error.URLError):
        return False
    return good


def probed(folder: Path, model: Path) -> Any:
    """What `freehold check --probe --json` says of both."""
    common = {"regions": ["home"], "clearance": "restricted"}
    # It has no engine of its own here: whatever else speaks OpenAI's dialect is a provider at an address.
    price = {"input": 1, "output": 1, "valid_from": "2026-11-21", "source": "a price is demanded; nothing is billed"}
    second = {"provider": "openai_compatible", "url": f"http://127.0.0.1:{PORTS['transformers']}/v1", "model": str(model)}
    first = {"engine": "llamacpp", "url": f"http://127.0.0.1:{PORTS['llama.cpp']}", "model": "tiny-tickets"}
    targets = {"transformers": second | common | {"price": price}, "llama.cpp": first | common}
    config = {
        "version": 1, "store": "sqlite:///probe.db", "admin": {"key_sha256": digest("admin")},
        "keys": [{"name": "probe", "sha256": digest("probe")}], "targets": targets,
        "workloads": {"tickets": {"targets": list(targets)}},
    }  # fmt: skip
    path = folder / "freehold.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [sys.executable, "-m", "freehold", "check", "--probe", "--paid", "--json", "-c", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def answer(name: str, model: Path) -> str:
    """What each makes of the same ticket, at temperature 0."""
    said = {"model": str(model), "messages": [{"role": "user", "content": TICKET}], "temperature": 0, "max_tokens": 24}
    body = json.dumps(said).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORTS[name]}/v1/chat/completions", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        text: str = json.load(reply)["choices"][0]["message"]["content"]
    return text


def show(found: Any, said: dict[str, str]) -> None:
    """A row for each capability: what became of it at either."""
    table = Table("asked for", *found)
    for name in next(iter(found.values()))["findings"]:
        findings = [probed["findings"][name] for probed in found.values()]
        table.add_row(name, *(f"{finding['verdict']}: {finding['detail']}" for finding in findings))
    out.print(table)
    out.print(f"the same ticket: {said}", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
