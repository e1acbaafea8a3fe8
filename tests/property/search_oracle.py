"""What must never happen, said a second time: from the configuration's plain values and what the maker of a request knows of it.

It shares no code with the rules that it judges.
"""

from typing import Any

import msgspec
from search_requests import Sent
from search_worlds import CLASSES

_NEEDS: dict[str, list[str]] = {
    "pii": [], "phi": ["owned", "baa"], "pci": ["owned", "listed"], "secret": ["owned", "listed"],
}  # fmt: skip
# Who runs what a provider's name stands for; nobody knows whose an OpenAI-compatible server is.
_COMPANIES = {name: name for name in ("deepseek", "anthropic", "openai", "google")}


class Owed(msgspec.Struct):
    """What one request, as it came, demands of any place that sees it."""

    data_class: int
    labels: set[str]
    regions: list[set[str]]
    retention: list[int]
    no_training: bool
    pinned: bool
    allowed: list[set[str]]
    denied: set[str]
    redacted: set[str]
    blocked: bool
    held: int


def workloads_of(said: dict[str, Any], sent: Sent) -> list[str]:
    """Those that the request may belong to, by its model and header."""
    model, header = sent.body["model"], sent.header_workload
    if header is not None:
        return [header] if header in said["workloads"] else []
    if model in said["workloads"]:
        return [model]
    named = {name for name, target in said["targets"].items() if model in _names(name, target)}
    reached = said["keys"][sent.key].get("workloads", said["workloads"])
    return [name for name, workload in said["workloads"].items() if named & set(workload["targets"]) and name in reached]


def owed(said: dict[str, Any], sent: Sent, workload: str) -> Owed:
    """Everything that its workload, key, header and content ask together."""
    parties = [said["workloads"][workload], said["keys"][sent.key]]
    due = Owed(
        max(CLASSES.index(party["data"]) for party in parties),
        {label for party in parties for label in party.get("labels", [])},
        [set(party["regions"]) for party in parties if "regions" in party],
        [], False, False, [], set(), set(), False, 0,
    )  # fmt: skip
    for demands in (party.get("demands", {}) for party in parties):
        due.retention += [demands["retention_days"]] if "retention_days" in demands else []
        due.no_training |= demands.get("no_training", False)
        due.pinned |= demands.get("pinned", False)
        due.denied |= set(demands.get("providers", {}).get("deny", []))
        due.allowed += [set(demands["providers"]["allow"])] if "allow" in demands.get("providers", {}) else []
    _add_header(due, sent)
    _add_content(due, said, sent, workload)
    hints = sent.body.get("provider", {})
    due.no_training |= hints.get("data_collection") == "deny"
    due.retention += [0] if hints.get("zdr") else []
    floors = [said["labels"][label]["data"] for label in due.labels if label in said["labels"]]
    due.data_class = max([due.data_class, *map(CLASSES.index, floors)])
    return due


def may_see(said: dict[str, Any], sent: Sent, due: Owed, workload: str, name: str) -> bool:
    """Whether that target may see any byte of the request."""
    target, key = said["targets"][name], said["keys"][sent.key]
    rented, terms, clearance = "provider" in target, target["terms"], CLASSES.index(target["clearance"])
    asked = sent.egress if rented and due.data_class >= CLASSES.index("confidential") else sent.egress - {"unknown_field"}
    who, kept = target.get("operator", _COMPANIES.get(target.get("provider"))), terms.get("retention_days")
    return (
        not due.blocked
        and name in said["workloads"][workload]["targets"]
        and name in key.get("targets", said["targets"])
        and workload in key.get("workloads", said["workloads"])
        and due.data_class <= CLASSES.index(key.get("classes", "restricted"))
        and due.data_class <= clearance
        and all(_may_hold(said, target, label) for label in due.labels)
        and all(target["regions"] and set(target["regions"]) <= regions for regions in due.regions)
        and (target["pinned"] or not due.pinned)
        and all(kind in target["egress"] and CLASSES.index(target["egress"][kind]) >= due.data_class for kind in asked)
        and (not rented or not due.no_training or terms.get("trains_on_data") is False)
        and (not rented or all(kept is not None and kept <= days for days in due.retention))
        and (not rented or not (due.allowed or due.denied) or who is not None)
        and (not rented or (who not in due.denied and all(who in allowed for allowed in due.allowed)))
    )


def prompt_of(said: dict[str, Any], workload: str, name: str) -> dict[str, Any]:
    """What the operator puts around the request for that target; empty for nothing."""
    spec = said["workloads"][workload]
    chosen = spec.get("prompt")
    variant = chosen.get(name) if isinstance(chosen, dict) else chosen
    return spec["prompts"][variant] if variant is not None else {}


def _may_hold(said: dict[str, Any], target: dict[str, Any], label: str) -> bool:
    needs = said["labels"][label]["needs"] if label in said["labels"] else _NEEDS[label]
    holds = {"owned": "engine" in target, "baa": target["terms"].get("baa", False), "listed": label in target.get("labels", [])}
    return label in target.get("labels", [label]) and (not needs or any(holds[need] for need in needs))


def _add_header(due: Owed, sent: Sent) -> None:
    if (declared := sent.declared) is None:
        return
    due.data_class = max(due.data_class, CLASSES.index(declared.data_class))
    due.labels |= set(declared.labels)
    due.regions += [set(declared.regions)] if declared.regions else []
    due.retention += [] if declared.retention_days is None else [declared.retention_days]
    due.no_training |= declared.no_training
    due.pinned |= declared.pinned
    due.denied |= {declared.deny} if declared.deny else set()


def _add_content(due: Owed, said: dict[str, Any], sent: Sent, workload: str) -> None:
    """What is planted, by what the configuration says is to be done about it."""
    stated, own = said.get("sensitivity"), said["workloads"][workload].get("sensitivity")
    if stated is None and own is None:
        return  # only noted
    if stated is not None and not stated.get("scan", True):
        return
    actions = {**(stated or {}).get("labels", {}), **(own or {})}
    for plant in sent.planted:
        deed, _, to = actions.get(plant.label, "raise").partition(" ")
        due.blocked |= deed == "block"
        if deed == "redact":
            due.redacted.add(plant.value)
            due.held = max(due.held, CLASSES.index(plant.data_class))
        if deed == "raise":
            due.labels.add(plant.label)
            due.data_class = max(due.data_class, CLASSES.index(to or plant.data_class))


def _names(name: str, target: dict[str, Any]) -> set[str]:
    server, model = target.get("provider") or target.get("engine"), target["model"]
    return {name, model, f"{server}/{model}", f"{server}:{model}"}
