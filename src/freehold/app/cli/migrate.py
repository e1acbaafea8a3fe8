"""`freehold migrate`: move a workload to another target, on evidence, and back; over the ledger, beside a running gateway."""

import getpass
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from cyclopts import App, Parameter
from rich.table import Table

from freehold.app import migrating
from freehold.app.cli.gate import guardrail_flag
from freehold.app.cli.ledger_flag import LedgerFlag
from freehold.app.cli.migration_picture import moment, picture, status_table, watch_live
from freehold.app.cli.output import emit_json, notes, out
from freehold.app.migrating import Wish
from freehold.app.migration_sources import offline_of, recorded_of, suite_of
from freehold.app.migration_view import standing, standings
from freehold.core.errors import BadSettings, LedgerUnavailable
from freehold.core.money import nanousd
from freehold.move.migration.machine import MigrationSettings, State
from freehold.move.migration.pair import GateSettings, Guardrail
from freehold.move.migration.progress import Migration
from freehold.serve.stores.place import LedgerPlace

app = App(name="migrate", help="Move a workload to another target: shadow, gate, canary, rollback.")
_LEDGER = Path("freehold.db")
_USUAL = MigrationSettings()
_T = TypeVar("_T")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Judged:
    """How the candidate is judged; what is left out is as the guide says."""

    draft: bool = False
    "Only note it; 'migrate promote' begins."
    margin: float | None = None
    "By how much the candidate's mean score may be lower, such as 0.03."
    alpha: float | None = None
    "How often each wrong decision may happen, over all looks together."
    min_samples: int | None = None
    "Pairs without which nothing is promoted."
    worse_by: Annotated[tuple[str, ...], Parameter(negative=())] = ()
    "A guardrail of the pairs, errors, refusals or late: NAME=LIMIT, the mean harm more than the other model's. May be repeated."
    at_most: Annotated[tuple[str, ...], Parameter(negative=())] = ()
    "The same of the candidate alone. May be repeated."
    guard: Annotated[tuple[str, ...], Parameter(negative=())] = ()
    "What callers may meet in the canary, errors or late: NAME=LIMIT. May be repeated."
    late_s: float | None = None
    "Seconds beyond which an answer is late."
    steps: str | None = None
    "Shares of the canary in percent, such as 1,5,25,50."
    dwell: int | None = None
    "Requests that the candidate is sent at each share."
    copied: float | None = None
    "Of the requests, 0 to 1, that are answered twice."
    usd_per_day: Decimal | None = None
    "The most that the copies may cost in a day."
    after_live: float | None = None
    "Of the requests, 0 to 1, that the former target is asked too once it is live, so that what turns bad is seen; 0: none."
    slice_by: str | None = None
    "A field of the JSON answers by whose value the traffic is sliced."
    suite: Path | None = None
    "Grade the pairs by this suite, YAML, instead of by agreement; the gateway reads it at the same path."
    from_ledger: bool = False
    "First ask the candidate what is recorded: finished requests whose content is in the content store."
    since: str | None = None
    "Of the recorded requests those received from then on, such as 2026-11-01 or 2026-11-01T12:00, in UTC."
    config: Annotated[Path, Parameter(alias="-c")] = Path("freehold.yaml")
    "The gateway's configuration, for its content store, which the gateway reads at the same path, and for the names of keys."
    offline_key: Annotated[tuple[str, ...], Parameter(negative=())] = ()
    "The name of an API key whose requests nobody waits for: the canary begins with all of them. May be repeated."

    def settings(self, workload: str, ledger: LedgerPlace) -> MigrationSettings | None:
        """None where all of it is as usual. Raises BadSettings."""
        if replace(self, draft=False, config=_AS_USUAL.config) == _AS_USUAL:
            return None
        if self.since is not None and not self.from_ledger:
            raise BadSettings("--since chooses from recorded requests; give --from-ledger with it")
        usual, gate = _USUAL, _USUAL.gate
        suite = None if self.suite is None else suite_of(self.suite, workload)
        guard = tuple(guardrail_flag("at_most", text) for text in self.guard)
        return MigrationSettings(
            gate=GateSettings(
                margin=_or(self.margin, gate.margin), alpha=_or(self.alpha, gate.alpha),
                min_samples=_or(self.min_samples, gate.min_samples),
                guardrails=self._guardrails(() if suite is None else suite.guardrails),
            ),
            guard=guard or usual.guard, steps=_shares(self.steps) if self.steps is not None else usual.steps,
            dwell=_or(self.dwell, usual.dwell), copied=_or(self.copied, usual.copied), late_s=_or(self.late_s, usual.late_s),
            day_nanousd=usual.day_nanousd if self.usd_per_day is None else nanousd(self.usd_per_day), slice_by=self.slice_by,
            after_live=_or(self.after_live, usual.after_live), suite=suite,
            recorded=recorded_of(self.config, _moment(self.since)) if self.from_ledger else None,
            offline_keys=offline_of(self.offline_key, ledger, self._stated_config()),
        )  # fmt: skip

    def _stated_config(self) -> Path | None:
        """None where none is named and none lies here."""
        return self.config if self.config != _AS_USUAL.config or self.config.exists() else None

    def _guardrails(self, graded: Sequence[str]) -> tuple[Guardrail, ...]:
        """Those given, in place of the usual ones; but the suite's own come beside those."""
        given = [guardrail_flag("worse_by", text) for text in self.worse_by]
        given += [guardrail_flag("at_most", text) for text in self.at_most]
        named = [one for one in given if one.name not in graded]
        return (*(named or _USUAL.gate.guardrails), *(one for one in given if one.name in graded))


_AS_USUAL = Judged()


@app.command
def start(workload: str, /, *, to: str, judged: Judged = _AS_USUAL, ledger: LedgerFlag = _LEDGER, json: bool = False) -> int:
    """Begin in the shadow: the candidate answers once more what callers were answered. A paused migration goes on.

    With --suite both answers are graded by it, by its judge too; with --from-ledger recorded requests come before live ones; with
    --offline-key the canary begins with what nobody waits for.

    Parameters
    ----------
    workload
        What moves.
    to
        The candidate: any target of the gateway's configuration.
    ledger
        The gateway's ledger: a file, postgresql://user@host/database, or postgresql+env:NAME.
    json
        Print one JSON object.
    """
    return _told(
        ledger,
        _wishing(lambda: migrating.start(ledger, _wish(workload, to), judged.settings(workload, ledger), draft=judged.draft)),
        json,
    )


@app.command
def pause(workload: str, /, *, to: str | None = None, ledger: LedgerFlag = _LEDGER, json: bool = False) -> int:
    """Send the candidate nothing until 'migrate start' lets it go on where it was.

    Parameters
    ----------
    workload
        What moves.
    to
        The candidate; the newest migration's where left out.
    ledger
        The gateway's ledger.
    json
        Print one JSON object.
    """
    return _told(ledger, _wishing(lambda: migrating.pause(ledger, _wish(workload, to))), json)


@app.command
def promote(workload: str, /, *, to: str | None = None, ledger: LedgerFlag = _LEDGER, json: bool = False) -> int:
    """One step further at once: out of a draft, to the canary's next share, behind the last one live. Never past the gate.

    Parameters
    ----------
    workload
        What moves.
    to
        The candidate; the newest migration's where left out.
    ledger
        The gateway's ledger.
    json
        Print one JSON object.
    """
    return _told(ledger, _wishing(lambda: migrating.promote(ledger, _wish(workload, to))), json)


@app.command
def rollback(workload: str, /, *, to: str | None = None, ledger: LedgerFlag = _LEDGER, json: bool = False) -> int:
    """Serve the workload as before the migration, for good. Requests under way finish.

    Parameters
    ----------
    workload
        What moves.
    to
        The candidate; the newest migration's where left out.
    ledger
        The gateway's ledger.
    json
        Print one JSON object.
    """
    return _told(ledger, _wishing(lambda: migrating.roll_back(ledger, _wish(workload, to))), json)


@app.command
def status(workload: str | None = None, /, *, ledger: LedgerFlag = _LEDGER, json: bool = False) -> int:
    """Where every migration stands. Exit code 1 where one was rolled back.

    Parameters
    ----------
    workload
        Only this one's.
    ledger
        The gateway's ledger.
    json
        Print one JSON list.
    """
    found = [one for one in standings(ledger) if workload in (None, one.workload)]
    if json:
        emit_json(found)
    elif found:
        out.print(status_table(found))
        for one in found:
            if one.offline is not None:
                out.print(f"{one.workload} to {one.target}: {one.offline.words}", markup=False, highlight=False, soft_wrap=True)
    else:
        out.print("No migration is on record; 'freehold migrate start' begins one.")
    return int(any(one.stage == "rolled_back" for one in found))


@app.command
def watch(
    workload: str, /, *, to: str | None = None, until_over: bool = False, ledger: LedgerFlag = _LEDGER, json: bool = False
) -> int:
    """One migration, live, until Ctrl-C: its stage, the bounds closing on the margin, guardrails, money, expected finish.

    Exit code 1 where it was rolled back.

    Parameters
    ----------
    workload
        What moves.
    to
        The candidate; the newest migration's where left out.
    until_over
        End once it is live or rolled back.
    ledger
        The gateway's ledger.
    json
        Print one JSON object a line at each look.
    """
    one = migrating.found(ledger, _wish(workload, to))
    return watch_live(ledger, one, until_over=until_over, json=json)


@app.command
def history(workload: str, /, *, to: str | None = None, ledger: LedgerFlag = _LEDGER, json: bool = False) -> int:
    """Every decision of a migration: when, by whom or what, why, and with --json on what evidence.

    Parameters
    ----------
    workload
        What moves.
    to
        The candidate; the newest migration's where left out.
    ledger
        The gateway's ledger.
    json
        Print one JSON list; times are Unix seconds.
    """
    one = migrating.found(ledger, _wish(workload, to))
    told = [(event, state, _step(one, state)) for event, state in migrating.history(ledger, one)]
    if json:
        emit_json([msgspec.structs.asdict(event) | {"state": state, "step_name": step} for event, state, step in told])
        return 0
    if keys := one.settings.offline_keys:
        out.print(f"Offline first: keys {', '.join(keys)}.", markup=False, highlight=False, soft_wrap=True)
    table = Table("when", "what", "by", "then", "why")
    for event, state, step in told:
        then = f"{state.stage} {step}" if state.stage == "canary" else state.stage
        table.add_row(moment(event.at), event.kind, event.by, then, event.why)
    out.print(table)
    return 0


def _step(one: Migration, state: State) -> str | None:
    """The canary's, as people call it; None before it."""
    return None if state.step < 0 else one.settings.step_name(state.step)


def _wish(workload: str, to: str | None) -> Wish:
    who = "a person"
    with suppress(OSError, KeyError):  # a process of nobody's
        who = getpass.getuser()
    return Wish(workload, to, who)


def _wishing(step: Callable[[], Migration]) -> Migration:
    try:
        return step()
    except LedgerUnavailable as error:
        raise BadSettings(error.message) from None


def _told(ledger: LedgerPlace, one: Migration, json: bool) -> int:
    """Where it stands now."""
    now = standing(migrating.progress_of(ledger, one))
    if json:
        emit_json(now)
    else:
        out.print(picture(now))
        notes.print("A running gateway goes by it within a second.")
    return 0


def _shares(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) / 100 for part in text.split(","))
    except ValueError:
        raise BadSettings(f"--steps is {text!r}; give percents, such as 1,5,25,50") from None


def _moment(text: str | None) -> float:
    """In Unix seconds; 0 where none is given."""
    if text is None:
        return 0.0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadSettings(f"--since is {text!r}; give a day or a time in UTC, such as 2026-11-01 or 2026-11-01T12:00") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _or(given: _T | None, usual: _T) -> _T:
    return usual if given is None else given
