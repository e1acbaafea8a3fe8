"""The systems under test: how each is configured, and what it has on."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.setup import KEY, Missing, Setup, environment, version
from benchmarks.peers.tensorzero import tensorzero, tensorzero_with_records
from freehold.app.cli.demo.children import free_port
from freehold.serve.access.keys import digest

_BUDGETS = """
budgets:
  - {name: team, scope: team, usd: 1000000}
  - {name: workload, scope: workload, usd: 1000000}
"""
_LIMITS = "limits: {rules: [{name: rate, scope: key, requests_per_minute: 1000000000, tokens_per_minute: 1000000000000}]}\n"


def freehold(folder: Path, upstream: int) -> Setup:
    """Everything on but limits: key, scan, two budgets, pricing, metrics, and the fsynced SQLite ledger."""
    return _freehold(folder, upstream, _BUDGETS)


def freehold_with_limits(folder: Path, upstream: int) -> Setup:
    """The same, and requests and tokens of each minute counted."""
    return _freehold(folder, upstream, _BUDGETS + _LIMITS)


def freehold_bare(folder: Path, upstream: int) -> Setup:
    """What cannot be off: key, pricing, metrics, and the fsynced SQLite ledger."""
    return _freehold(folder, upstream, "sensitivity: {scan: false}\n")


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


def litellm(folder: Path, upstream: int) -> Setup:
    """Its proxy with one worker and no database, so no keys, budgets or records."""
    python = environment("litellm", "litellm[proxy]")
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
    return Setup(version(python, "litellm"), command, port)


SYSTEMS: dict[str, Callable[[Path, int], Setup]] = {
    "nginx": nginx,
    "freehold": freehold,
    "freehold, limits on": freehold_with_limits,
    "freehold, bare": freehold_bare,
    "tensorzero": tensorzero,
    "tensorzero, records on": tensorzero_with_records,
    "litellm": litellm,
}


def _freehold(folder: Path, upstream: int, rest: str) -> Setup:
    port, admin = free_port(0), free_port(0)
    (folder / "freehold.yaml").write_text(
        f"""
version: 1
listen: 127.0.0.1:{port}
admin: {{listen: "127.0.0.1:{admin}", key_sha256: {digest("admin of the bench")}}}
keys: [{{name: bench, team: platform, sha256: {digest(KEY)}}}]
targets:
  api: {{provider: lab, url: "http://127.0.0.1:{upstream}", model: gpt-4o-mini, clearance: public,
        price: {{like: openai/gpt-4o-mini}}}}
workloads:
  bench: {{targets: [api]}}
{rest}""",
        encoding="utf-8",
    )
    command = (sys.executable, "-m", "freehold", "serve", "-c", str(folder / "freehold.yaml"))
    return Setup("this checkout", command, port)
