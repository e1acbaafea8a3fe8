"""The configuration that is soaked: everything on that two rented providers and an engine of one's own allow."""

import base64
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from freehold.serve.access.keys import digest

KEY, ADMIN_KEY = "fh_soak-caller", "fh_soak-admin"  # open nothing but what runs for the minutes of this soak
BUDGETS = ("key", "team", "user", "workload")
VERSIONED, MOVED = "versioned", "moved"
TICKETS = ("tickets", MOVED)
# By the first letter of their targets. A count of tokens nobody of the second kind has, so it is answered here.
_WORKLOADS = {"soak": "cm", VERSIONED: "cm", "tickets": "ot", MOVED: "t", "count": "c", "embed": "e"}
_VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "v1": {"system": "You write for a board.", "parameters": {"temperature": 0}},
    "v2": {"system": "You write for a board that has no time.", "template": "Report: {content}\n(Here it ends.)"},
}


class Ends(NamedTuple):
    """Where the gateway listens, keeps its ledger and sends its telemetry."""

    port: int
    admin_port: int
    store: str
    collector: str


def variant_bytes(release: str | None) -> int:
    """What the variant of a release, such as v1@1f0c66ab04de, adds to a prompt."""
    if release is None:
        return 0
    said = _VARIANTS[release.partition("@")[0]]
    return len(said["system"].encode()) + len(said.get("template", "").replace("{content}", "").encode())


def write_config(folder: Path, ends: Ends, targets: Mapping[str, Any]) -> Path:
    """The file, with the keys that it names beside it."""
    (folder / "content.key").write_bytes(base64.b64encode(secrets.token_bytes(32)))
    (folder / "hook.key").write_text(secrets.token_hex(16), encoding="ascii")
    path = folder / "soak.yaml"
    path.write_text(yaml.safe_dump(_config(folder, ends, targets), sort_keys=False), encoding="utf-8")
    return path


def _config(folder: Path, ends: Ends, targets: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "version": 1, "listen": f"127.0.0.1:{ends.port}", "store": ends.store,
        "admin": {"listen": f"127.0.0.1:{ends.admin_port}", "key_sha256": digest(ADMIN_KEY)},
        "keys": [{"name": "soak", "team": "red", "user": "eva", "sha256": digest(KEY), "replays": True}],
        "targets": dict(targets),
        "workloads": {name: _workload(name, kinds, targets) for name, kinds in _WORKLOADS.items()},
        "sensitivity": {"labels": {"pii": "redact"}},
        "content": {"key": f"file:{folder / 'content.key'}", "record_bytes": 65_536},
        "budgets": [{"name": f"of-{scope}", "scope": scope, "usd": 10**6} for scope in BUDGETS],
        "limits": {"rules": [{
            "name": "wide", "scope": "key", "requests_per_minute": 10**9, "tokens_per_minute": 10**12, "concurrent": 10_000,
        }]},
        "bounds": {
            "first_token_s": 2, "headers_s": 2, "whole_s": 3, "idle_s": 1.5, "slow_s": 1.5, "total_s": 60,
            "reply_bytes": 2**20,
        },
        "signals": {"every_s": 10, "window_s": 60, "spend_usd_month": 1, "webhook": {
            "url": f"{ends.collector}/hook", "key": f"file:{folder / 'hook.key'}",
        }},
        "telemetry": {"endpoint": ends.collector, "metrics_s": 10},
    }  # fmt: skip


def _workload(name: str, kinds: str, targets: Mapping[str, Any]) -> dict[str, Any]:
    mine = [one for one in targets if one[0] in kinds]
    spec: dict[str, Any] = {"targets": mine, "keep_content": {"ttl_days": 1, "sample": 0.2}, "spill": "o" in kinds}
    return spec | ({"prompts": {**_VARIANTS}, "prompt": "v1"} if name == VERSIONED else {})
