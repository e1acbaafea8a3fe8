"""The signals of a ledger, live: what `freehold plan --watch` shows until Ctrl-C."""

import sys
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from pathlib import Path

import msgspec
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from freehold.app import config_file
from freehold.app.cli.output import notes, out
from freehold.app.settings import SignalsSettings
from freehold.app.signals import Look, Watcher, owned_slots
from freehold.core.errors import BadSettings
from freehold.plan.signals.measures import shown
from freehold.plan.signals.signals import ALL, State
from freehold.serve.stores.place import LedgerPlace

_STATES: dict[State, str] = {"on": "[bold red]on[/bold red]", "off": "[green]off[/green]", "unknown": "not enough data"}


def watch(ledger: LedgerPlace, config: Path | None, every_s: float, once: bool, json: bool) -> int:
    """Judge the ledger's signals every `every_s` seconds and show them; a ledger that is being written is read as it is.

    Exit code with `once`: 1 when any signal is on, else 0. Otherwise it goes on until Ctrl-C, and 0. With `json` each look is one
    line. Raises BadSettings on a ledger or a configuration that cannot be read.
    """
    if not 0.1 <= every_s <= 86_400:
        raise BadSettings(f"every_s is {every_s:g}; use 0.1 to 86400 seconds")
    watcher = _watcher(ledger, config)
    looks = _looks(watcher, 1 if once else None, every_s)
    try:
        if json or once or not out.is_terminal:
            for look in looks:
                _print(look, json)
        else:
            with Live(console=out, auto_refresh=False) as live:
                for look in looks:
                    live.update(signals_table(look), refresh=True)
    except KeyboardInterrupt:
        return 0  # how a person ends it
    return int(any(signal.state == "on" for signal in watcher.last.signals))


def _watcher(ledger: LedgerPlace, config: Path | None) -> Watcher:
    if config is not None:
        settings = config_file.load(config).settings
        return Watcher(ledger, settings.signals, owned_slots(settings))
    notes.print(
        "Default limits, and no owned target known; give -c for the signals: section and the targets of a configuration.",
        soft_wrap=True,
    )
    return Watcher(ledger, SignalsSettings(), {})


def _looks(watcher: Watcher, times: int | None, every_s: float) -> Iterator[Look]:
    for n in count() if times is None else range(times):
        if n:
            time.sleep(every_s)
        yield watcher.look(time.time())


def _print(look: Look, json: bool) -> None:
    if json:
        sys.stdout.write(msgspec.json.encode(look).decode() + "\n")
        sys.stdout.flush()
    else:
        out.print(signals_table(look))


def signals_table(look: Look) -> Table:
    """What is on comes first, with what to do about it."""
    at = datetime.fromtimestamp(look.at).astimezone()
    table = Table(
        "workload", "signal", "state", "value", "limit", "why",
        title=f"Signals at {at:%Y-%m-%d %H:%M:%S}, over {look.window_s / 3600:.3g} h", title_justify="left",
    )  # fmt: skip
    for signal in sorted(look.signals, key=lambda s: s.state != "on"):
        value = "-" if signal.value is None else shown(signal.value, signal.unit)
        whose, limit = "all" if signal.workload == ALL else signal.workload, shown(signal.limit, signal.unit)
        why = escape(f"{signal.reason} {signal.suggestion}".strip())
        table.add_row(escape(whose), signal.name, _STATES[signal.state], value, limit, why)
    return table
