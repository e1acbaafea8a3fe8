"""`freehold releases`: which prompt variant and which model answered when, and the way back to another variant."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from rich.table import Table

from freehold.app.cli.ledger_flag import LedgerFlag
from freehold.app.cli.output import emit_json, notes, out
from freehold.app.release_switch import switch_prompt
from freehold.core.errors import BadSettings
from freehold.core.money import show
from freehold.serve.stores.releases import ReleaseReader, Served

app = App(name="releases", help="Which prompt variant and model served when, and switching back.")


@app.default
def releases(workload: str | None = None, /, *, ledger: LedgerFlag = Path("freehold.db"), json: bool = False) -> int:
    """Every release on record: what a workload's requests were asked of at a target, from when to when, and what that cost.

    Parameters
    ----------
    workload
        Only this one's.
    ledger
        The ledger: a file, postgresql://user@host/database, or postgresql+env:NAME.
    json
        Print one JSON list; times are Unix seconds.
    """
    found = ReleaseReader(ledger).served(workload)
    if workload is not None and not found:
        raise BadSettings(f"no release of a workload {workload!r} is on record; 'freehold releases' lists all there are")
    if json:
        emit_json([msgspec.to_builtins(one.release) | _rest(one) for one in found])
        return 0
    if not found:
        out.print("No release is on record; a gateway writes one when it starts.")
        return 0
    out.print(_table(found))
    for one in found:
        if one.unlike:
            place = f"{one.release.workload} at {one.release.target}"
            notes.print(f"{one.unlike} requests of {place} from {_time(one.began_at)} on name another release themselves")
    return 0


@app.command
def switch(
    workload: str,
    /,
    *,
    prompt: str,
    target: str | None = None,
    config: Annotated[Path, Parameter(alias="-c")] = Path("freehold.yaml"),
    json: bool = False,
) -> int:
    """Choose a prompt variant in the configuration, where a running gateway takes it by itself. Nothing else of the file changes.

    Parameters
    ----------
    workload
        Whose prompt.
    prompt
        The name of a variant under its prompts.
    target
        At this target alone, where the file names variants by target.
    config
        The configuration file.
    json
        Print one JSON object.
    """
    switched = switch_prompt(config, workload, prompt, target)
    if json:
        emit_json(switched)
        return 0
    where = f"{workload} at {', '.join(switched.targets)}"
    if switched.changed:
        notes.print(f"{where}: {switched.before} before, {switched.after} now; written to {config}", markup=False, soft_wrap=True)
    else:
        notes.print(f"{where}: {switched.after} already; {config} stays as it is", markup=False, soft_wrap=True)
    return 0


def _rest(one: Served) -> dict[str, object]:
    return {name: value for name, value in msgspec.structs.asdict(one).items() if name != "release"}


def _table(found: Sequence[Served]) -> Table:
    table = Table("workload", "target", "prompt", "model", "from", "until")
    for name in ("requests", "answered", "rented cost"):
        table.add_column(name, justify="right")
    for one in found:
        release = one.release
        model = release.model if release.weights is None else f"{release.model} ({release.weights[:19]})"
        until = f"in force; seen {_time(one.seen_until)}" if one.current else _time(one.seen_until)
        table.add_row(
            release.workload, release.target, release.prompt or "as it came", model, _time(one.began_at), until,
            f"{one.requests:,}", f"{one.answered:,}", show(one.cost_nanousd, 4),
        )  # fmt: skip
    return table


def _time(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
