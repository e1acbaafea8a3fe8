"""How each system under test is set up: its configuration, its command, and why it may be missing.

Peers come into environments of their own beside .venv on the first run; none of them becomes a dependency.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from freehold.app.cli.demo.children import free_port
from freehold.serve.access.keys import digest

KEY = "sk-bench-7d1f0c52e9b84a36"  # opens nothing but what runs for the moment of this measurement
PROMPT = "Summarise the report for the board in five sentences, and say what changed since last year. " * 4


class Missing(Exception):
    """This system cannot be had here, and why."""


class Setup(msgspec.Struct, frozen=True):
    """How to start one system. `port` None: it picks one, and writes it to `port_file`."""

    version: str
    command: tuple[str, ...]
    port: int | None
    path: str = "/v1/chat/completions"
    model: str = "bench"
    port_file: Path | None = None


def freehold(folder: Path, upstream: int, *, limits: bool = False) -> Setup:
    """Everything on: key, scan, two budgets, pricing, metrics, and the fsynced SQLite ledger; limits where asked for."""
    port, admin = free_port(0), free_port(0)
    text = f"""
version: 1
listen: 127.0.0.1:{port}
admin: {{listen: "127.0.0.1:{admin}", key_sha256: {digest("admin of the bench")}}}
keys: [{{name: bench, team: platform, sha256: {digest(KEY)}}}]
targets:
  api: {{provider: lab, url: "http://127.0.0.1:{upstream}", model: gpt-4o-mini, clearance: public,
        price: {{like: openai/gpt-4o-mini}}}}
workloads:
  bench: {{targets: [api]}}
budgets:
  - {{name: team, scope: team, usd: 1000000}}
  - {{name: workload, scope: workload, usd: 1000000}}
"""
    if limits:
        text += "limits: {rules: [{name: rate, scope: key, requests_per_minute: 1000000000, tokens_per_minute: 1000000000000}]}\n"
    (folder / "freehold.yaml").write_text(text, encoding="utf-8")
    command = (sys.executable, "-m", "freehold", "serve", "-c", str(folder / "freehold.yaml"))
    return Setup("this checkout", command, port)


def freehold_with_limits(folder: Path, upstream: int) -> Setup:
    """The same, and requests and tokens of each minute counted."""
    return freehold(folder, upstream, limits=True)


def nginx(folder: Path, upstream: int) -> Setup:
    """A plain proxy with connections kept alive to the upstream: the practical limit, without anything a gateway does."""
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if binary is None:
        raise Missing("no nginx on this machine (Debian: apt-get install nginx-light)")
    port = free_port(0)
    (folder / "nginx.conf").write_text(
        f"""
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr; worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  upstream api {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port}; keepalive_requests 100000000;
    location / {{ proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }}
  }}
}}
""",
        encoding="utf-8",
    )
    said = subprocess.run([binary, "-v"], capture_output=True, text=True, check=True).stderr
    version = said.strip().rpartition("/")[2]
    return Setup(version, (binary, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")), port)


def tensorzero(folder: Path, upstream: int) -> Setup:
    """The gateway in its Python package, a Rust server in a thread: no database, so no keys, budgets or records."""
    python = _environment("tensorzero", "tensorzero")
    (folder / "tensorzero.toml").write_text(
        f"""
[gateway]
observability.enabled = false
disable_pseudonymous_usage_analytics = true
[models.bench]
routing = ["api"]
[models.bench.providers.api]
type = "openai"
api_base = "http://127.0.0.1:{upstream}/v1/"
model_name = "m"
api_key_location = "none"
""",
        encoding="utf-8",
    )
    port_file = folder / "port"
    start = (
        "import re, sys, time, pathlib; from tensorzero import _start_http_gateway as start; "
        "served = start(config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False); "
        "pathlib.Path(sys.argv[2]).write_text(re.search(r':(\\d+)/', served.base_url)[1]); time.sleep(1e6)"
    )
    command = (str(python), "-c", start, str(folder / "tensorzero.toml"), str(port_file))
    path, model = "/openai/v1/chat/completions", "tensorzero::model_name::bench"
    return Setup(_version(python, "tensorzero"), command, None, path, model, port_file)


def litellm(folder: Path, upstream: int) -> Setup:
    """Its proxy with one worker and no database, so no keys, budgets or records."""
    python = _environment("litellm", "litellm[proxy]")
    port = free_port(0)
    parameters = {"model": "openai/m", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "none"}
    settings = {"model_list": [{"model_name": "bench", "litellm_params": parameters}], "general_settings": {"master_key": KEY}}
    (folder / "litellm.yaml").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    command = (
        str(python.with_name("litellm")),
        "--config",
        str(folder / "litellm.yaml"),
        "--port",
        str(port),
        "--num_workers",
        "1",
    )
    return Setup(_version(python, "litellm"), command, port)


SYSTEMS: dict[str, Callable[[Path, int], Setup]] = {
    "nginx": nginx,
    "freehold": freehold,
    "freehold, limits on": freehold_with_limits,
    "tensorzero": tensorzero,
    "litellm": litellm,
}


def _environment(name: str, requirement: str) -> Path:
    """The Python of the peer's own environment. Raises Missing where it cannot be installed."""
    folder = Path(f".venv-{name}")
    python = folder / "bin/python"
    if not (folder / ".installed").exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
            install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]
            subprocess.run(install, check=True, capture_output=True, text=True)
            (folder / ".installed").touch()
        except (OSError, subprocess.CalledProcessError) as error:
            said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
            raise Missing(f"{requirement} could not be installed: {said[-1] if said else 'no reason given'}") from None
    return python.absolute()


def _version(python: Path, package: str) -> str:
    ask = f"import importlib.metadata as m; print(m.version({package!r}))"
    said = subprocess.run([str(python), "-c", ask], capture_output=True, text=True, check=True).stdout
    return re.sub(r"\s", "", said)
