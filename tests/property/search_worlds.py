"""Random `freehold.yaml` texts for the search: every dimension that decides where data may go, set at random."""

import datetime as dt
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

from freehold.app.config_file import ConfigFile
from freehold.app.policy import build_policy
from freehold.core.errors import BadSettings
from freehold.serve.access.keys import digest
from freehold.serve.gateway.policy import Policy

CLASSES = ("public", "internal", "confidential", "restricted")
TARGETS = ("t0", "t1", "t2", "t3", "t4")
WORKLOADS = ("w0", "w1", "w2")
KEYS = ("secret-0", "secret-1")
LABELS = ("pii", "phi", "pci", "secret", "trade")
SCANNED = LABELS[:4]
REGIONS = ("eu", "us", "home")
COMPANIES = ("acme", "globex")
PROVIDERS = ("openai_compatible", "deepseek", "anthropic", "openai", "google")  # takes much, chats only, and three of their own
ENGINES = ("vllm", "vllm", "sglang", "ollama")
OPERATORS = "or ask desk@operator-mail.org"  # what stands in every prompt variant; nobody redacts the operator's own words
EGRESS = ("store", "chain", "files", "server_tools", "unknown_field")
ACTIONS = ("raise", "raise internal", "raise confidential", "raise restricted", "block", "redact", "redact", "note")
PORT = 9000


class World:
    """One configuration: its text, what it says as plain values, and the policy made of it."""

    def __init__(self, said: dict[str, Any]) -> None:
        """Raises BadSettings where it is none."""
        self.text = yaml.safe_dump(said, sort_keys=False)
        self.said = said
        self.file = ConfigFile(Path("freehold.yaml"), self.text)
        self.policy: Policy = build_policy(self.file, dt.date(2026, 11, 21))

    def __repr__(self) -> str:
        return f"World(\n{self.text})"


@cache
def world(seed: int, number: int, *, stricter: bool = False) -> World:
    """The world of that number; or the same, but that no target holds the clearance and the promises it had."""
    random = Random(f"{seed}/{number}")
    while True:
        said = _world(random)
        for target in said["targets"].values() if stricter else ():
            target |= {"clearance": CLASSES[max(0, CLASSES.index(target["clearance"]) - 1)], "terms": {}, "labels": []}
        try:
            return World(said)
        except BadSettings as error:
            if not any(why in error.message for why in ("may ever serve it", "unknown provider")):
                raise


def _world(random: Random) -> dict[str, Any]:
    scan = random.random() > 0.1
    said: dict[str, Any] = {
        "version": 1,
        "keys": [_key(random, number) for number in range(len(KEYS))],
        "targets": {name: _target(random, number) for number, name in enumerate(TARGETS)},
        "workloads": {name: _workload(random, scan) for name in WORKLOADS},
        "labels": {"trade": {"needs": ["listed"], "data": random.choice(CLASSES)}},
        "bounds": {
            "first_token_s": 0.02,
            "idle_s": 0.02,
            "whole_s": 0.02,
            "total_s": 5,
            "attempts": random.randint(1, 5),
            "hold_s": 0,
        },
        "content": {"path": "content.db", "key": "env:UNUSED"},
    }
    if random.random() < 0.3:
        said["labels"][random.choice(SCANNED)] = {"needs": [random.choice(("owned", "baa", "listed"))], "data": "internal"}
    if not scan:
        said["sensitivity"] = {"scan": False}
    elif random.random() < 0.8:
        said["sensitivity"] = {"labels": _actions(random)}
    return said


def _target(random: Random, number: int) -> dict[str, Any]:
    clearance = random.choice((*CLASSES, "restricted", "restricted"))
    target: dict[str, Any] = {
        "url": f"http://127.0.0.1:{PORT + number}", "model": random.choice(("m", "n")), "clearance": clearance,
        "regions": random.sample(REGIONS, random.randint(0, 2)), "pinned": random.random() < 0.5,
        "egress": {kind: random.choice(CLASSES) for kind in random.sample(EGRESS, random.randint(1, 5))},
        "terms": {
            "retention_days": random.choice((None, 0, 0, 30)), "trains_on_data": random.choice((None, True, False, False)),
            "baa": random.random() < 0.5,
        },
        "capabilities": {"json_schema": True},
    }  # fmt: skip
    if random.random() < 0.6:
        target["labels"] = random.sample(LABELS, random.randint(1, len(LABELS)))
    if number < len(COMPANIES) or random.random() < 0.5:
        provider = random.choice(PROVIDERS)
        target |= {"provider": provider, "price": {"input": 1, "output": 2, "source": "search"}}
        company = COMPANIES[number] if number < len(COMPANIES) else random.choice((None, *COMPANIES))
        target |= {"operator": company} if company else {}
    else:
        target |= {"engine": random.choice(ENGINES), "concurrency": random.choice((None, 1))}
    return target


def _workload(random: Random, scan: bool) -> dict[str, Any]:
    workload = _party(random) | {"targets": random.sample(TARGETS, random.randint(3, 5)), "spill": random.random() < 0.5}
    if random.random() < 0.3:
        workload["keep_content"] = {"ttl_days": 1, "up_to": random.choice(CLASSES)}
    if scan and random.random() < 0.4:
        workload["sensitivity"] = _actions(random)
    if random.random() < 0.3:
        workload |= _prompts(random, workload["targets"])
    return workload


def _prompts(random: Random, targets: list[str]) -> dict[str, Any]:
    """Variants of the prompt: for every target, or for some."""
    variants: dict[str, Any] = {
        "v1": {"system": f"Be brief {OPERATORS}.", "template": f"Say it again: {{content}} {OPERATORS}"},
        "v2": {"system": f"Be kind {OPERATORS}.", "parameters": {"temperature": 0.5}},
    }
    some = {name: random.choice(("v1", "v2")) for name in targets if random.random() < 0.6}
    return {"prompts": variants, "prompt": random.choice(("v1", "v2", some))}


def _key(random: Random, number: int) -> dict[str, Any]:
    key = _party(random) | {"name": f"k{number}", "sha256": digest(KEYS[number])}
    if random.random() < 0.2:
        key["classes"] = random.choice(CLASSES[2:])
    if random.random() < 0.2:
        key["targets"] = random.sample(TARGETS, 3)
    if random.random() < 0.2:
        key["workloads"] = random.sample(WORKLOADS, 2)
    return key


def _party(random: Random) -> dict[str, Any]:
    """What a workload or a key may ask; mostly little, so that most requests have somewhere to go."""
    party: dict[str, Any] = {"data": random.choice(CLASSES[:3]) if random.random() < 0.3 else "public"}
    if random.random() < 0.1:
        party["regions"] = random.sample(REGIONS, 2)
    if random.random() < 0.15:
        party["labels"] = [random.choice(LABELS)]
    if random.random() < 0.15:
        party["demands"] = random.choice((
            {"retention_days": 0}, {"no_training": True}, {"pinned": True}, {"providers": {"allow": ["acme"]}},
            {"providers": {"deny": ["globex"]}},
        ))  # fmt: skip
    return party


def _actions(random: Random) -> dict[str, str]:
    return {label: random.choice(ACTIONS) for label in SCANNED if random.random() < 0.8}
