"""`freehold check`: would this configuration serve? Everything that would fail at the first request fails here."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Table

from freehold.app import config_file
from freehold.app.cli.output import emit_json, notes, out
from freehold.app.credentials import read_secret
from freehold.app.ledgers import configured_ledger
from freehold.app.policy import build_policy
from freehold.catalog.facts import load_facts
from freehold.core.money import show

app = App(name="check", help="Check a configuration: fields, references, keys, prices, clearances.")


@app.default
def check(*, config: Annotated[Path, Parameter(alias="-c")] = Path("freehold.yaml"), json: bool = False) -> int:
    """Exit 0 when it would serve; 2, with one line, when not.

    Parameters
    ----------
    config
        The configuration file.
    json
        Print one JSON object.
    """
    file = config_file.load(config)
    today = datetime.now(UTC).date()
    policy = build_policy(file, today)
    configured_ledger(file)
    if (webhook := file.settings.signals.webhook) is not None:
        read_secret(file, ("signals", "webhook", "key"), webhook.key)
    warnings = load_facts().stale(today)
    prices = {name: policy.price(target, today) for name, target in policy.targets.items()}
    if json:
        emit_json({"policy": policy.version, "targets": list(policy.targets), "workloads": list(policy.workloads),
                   "prices": prices, "warnings": warnings})  # fmt: skip
        return 0
    table = Table("target", "kind", "model", "cleared for", "input / output per million tokens, or the machine", "price source")
    for name, target in policy.targets.items():
        card = prices[name]
        cost, source = "no machine stated", ""
        if target.hardware is not None:
            cost, source = f"{show(target.hardware.price_nanousd_h)} an hour", target.hardware.price_source
        if card is not None:
            cost = f"{show(card.input.nanousd_per_mtok)} / {show(card.output.nanousd_per_mtok)}"
            source = f"{card.source}, from {card.valid_from}"
        table.add_row(f"{name} (lab)" if target.lab else name, target.kind, target.model, target.clearance.name, cost, source)
    out.print(table)
    for warning in warnings:
        notes.print(f"[yellow]{warning}[/yellow]")
    notes.print(f"{config}: good; policy {policy.version}, {len(policy.workloads)} workloads")
    return 0
