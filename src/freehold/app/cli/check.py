"""`freehold check`: would this configuration serve? Everything that would fail at the first request fails here.

With `--probe` its owned targets are asked what they honour, and what was found is kept beside the configuration.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Table

from freehold.app import config_file
from freehold.app.access import limit_storage
from freehold.app.cli.output import emit_json, notes, out
from freehold.app.config_file import ConfigFile
from freehold.app.credentials import read_secret
from freehold.app.dead_rules import dead_rules
from freehold.app.guards import master_key
from freehold.app.policy import build_policy
from freehold.app.probes import Probed, read_probes, write_probes
from freehold.app.probing import probe_targets
from freehold.app.weights import check_weights
from freehold.catalog.facts import load_facts
from freehold.core.errors import BadSettings
from freehold.core.money import show
from freehold.serve.gateway.policy import Policy

app = App(name="check", help="Check a configuration: fields, references, keys, prices, clearances, dead rules.")


@app.default
def check(
    *,
    config: Annotated[Path, Parameter(alias="-c")] = Path("freehold.yaml"),
    probe: Annotated[bool, Parameter(negative="")] = False,
    target: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    paid: Annotated[bool, Parameter(negative="")] = False,
    json: bool = False,
) -> int:
    """Exit 0 when it would serve; 1 when a target that was to be probed did not answer; 2, with one line, when it would not.

    Parameters
    ----------
    config
        The configuration file.
    probe
        Ask the owned targets what they honour (tools, JSON schema, logprobs, n, images, usage in streams) and write the findings
        to freehold.probes.json beside the configuration, where check and serve read them.
    target
        Ask only this one. May be repeated.
    paid
        Ask rented targets too: a few small requests each, which are billed and stand in no ledger.
    json
        Print one JSON object.
    """
    if (target or paid) and not probe:
        raise BadSettings("--target and --paid say what to probe; add --probe")
    file = config_file.load(config)
    today = datetime.now(UTC).date()
    policy = build_policy(file, today)
    rules = dead_rules(file, policy)
    rules.refuse()
    if probe:
        return _probe(config, policy, target, paid=paid, json=json)
    _refuse_unreadable(file)
    check_weights(file)
    warnings = [*rules.unused, *rules.unbounded, *load_facts().stale(today)]
    prices = {name: policy.price(place, today) for name, place in policy.targets.items()}
    if json:
        emit_json({"policy": policy.version, "targets": list(policy.targets), "workloads": list(policy.workloads),
                   "prices": prices, "warnings": warnings,
                   "capabilities": {name: place.capabilities for name, place in policy.targets.items()}})  # fmt: skip
        return 0
    table = Table("target", "kind", "model", "cleared for", "input / output per million tokens, or the machine", "price source")
    for name, place in policy.targets.items():
        card = prices[name]
        cost, source = "no machine stated", ""
        if place.hardware is not None:
            cost, source = f"{show(place.hardware.price_nanousd_h)} an hour", place.hardware.price_source
        if card is not None:
            cost = f"{show(card.input.nanousd_per_mtok)} / {show(card.output.nanousd_per_mtok)}"
            source = f"{card.source}, from {card.valid_from}"
        table.add_row(f"{name} (lab)" if place.lab else name, place.kind, place.model, place.clearance.name, cost, source)
    out.print(table)
    for warning in warnings:
        notes.print(f"[yellow]{warning}[/yellow]")
    notes.print(f"{config}: good; policy {policy.version}, {len(policy.workloads)} workloads")
    return 0


def _refuse_unreadable(file: ConfigFile) -> None:
    """What only serving opens: the webhook's secret, the content store's key, the place where limits are counted."""
    settings = file.settings
    if settings.signals.webhook is not None:
        read_secret(file, ("signals", "webhook", "key"), settings.signals.webhook.key)
    if settings.content is not None:
        master_key(file, settings.content.key)
    limit_storage(file)


def _probe(config: Path, policy: Policy, wanted: tuple[str, ...], *, paid: bool, json: bool) -> int:
    """Ask, keep what was found, show it."""
    chosen = _chosen(policy, wanted, paid=paid)
    kept = read_probes(config).targets
    found, silent = asyncio.run(probe_targets(policy, chosen))
    path = write_probes(config, {**kept, **found}) if found else None
    if json:
        emit_json({"file": None if path is None else str(path), "targets": found, "silent": silent})
    else:
        for name, probed in found.items():
            out.print(_findings_table(name, probed))
        for name, why in silent.items():
            notes.print(f"{name} does not answer: {why}", markup=False)
        if path is not None:
            notes.print(f"kept in {path}; a running gateway reads it at its next reload", markup=False)
    return 1 if silent else 0


def _chosen(policy: Policy, wanted: tuple[str, ...], *, paid: bool) -> list[str]:
    """The targets to ask. Raises BadSettings on one that is not there, or rented without leave to spend."""
    for name in wanted:
        if name not in policy.targets:
            raise BadSettings(f"--target {name}: no such target; there are {', '.join(policy.targets)}")
        if policy.targets[name].rented and not paid:
            raise BadSettings(f"--target {name} is rented, and asking it costs money; add --paid")
    chosen = [name for name, place in policy.targets.items() if name in wanted or (not wanted and (paid or not place.rented))]
    if not chosen:
        raise BadSettings("there is no owned target to probe; add --paid to ask the rented ones")
    return chosen


def _findings_table(name: str, probed: Probed) -> Table:
    table = Table("capability", "found", "how", title=f"{name}: {probed.model}, {probed.server} {probed.version or ''}".rstrip())
    for capability, finding in probed.findings.items():
        table.add_row(capability, finding.verdict, finding.detail)
    return table
