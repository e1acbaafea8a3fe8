"""`freehold report`: what the ledger proves, for others to read."""

import datetime as dt
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Table

from freehold.app import config_file
from freehold.app.cli.ledger_flag import LedgerFlag
from freehold.app.cli.output import emit_json, notes, out
from freehold.app.ledgers import configured_ledger
from freehold.app.residency.document import Asked, Residency
from freehold.app.residency.page import destination_cells, labelled, render_residency, told, words
from freehold.app.residency.report import residency as residency_report
from freehold.app.residency.words import counted
from freehold.app.whole_file import write_whole
from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.serve.stores.place import LedgerPlace

app = App(name="report", help="Reports over the ledger, for others to read.")
_SHOWN_POLICIES = 3


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which requests, and how much is shown of them."""

    since: str | None = None
    "The first day or time, in UTC unless it says otherwise: 2026-07-01, 2026-07-01T06:30. Default: the ledger's first."
    until: str | None = None
    "The day or time it ends before. Default: now."
    label: str | None = None
    "Only requests whose data has this label, such as phi."
    data_class: Annotated[str | None, Parameter(name="--class")] = None
    "Only requests of this data class."
    workload: str | None = None
    "Only requests of this workload."
    evidence: int = 5
    "How many request ids stand behind each finding."

    def asked(self, now: float) -> Asked:
        """As the report takes it; `now` in Unix seconds. Raises BadSettings."""
        if self.evidence < 1:
            raise BadSettings(f"--evidence is {self.evidence}; use 1 or more")
        # To the microsecond, so that the command that is printed names the same end.
        until = dt.datetime.fromtimestamp(now, dt.UTC).timestamp() if self.until is None else _moment("until", self.until)
        since = None if self.since is None else _moment("since", self.since)
        if since is not None and since >= until:
            raise BadSettings(f"--since {self.since} is not before --until {self.until or 'now'}; the end is no part of the time")
        return Asked(since=since, until=until, label=self.label, data_class=_class(self.data_class), workload=self.workload)


_ALL = Wanted()


@app.command
def residency(
    *,
    ledger: LedgerFlag | None = None,
    config: Annotated[Path | None, Parameter(alias="-c")] = None,
    wanted: Wanted = _ALL,
    html: Path | None = None,
    json: bool = False,
) -> int:
    """Where data of each class went: to which targets, regions and providers, under which policy. Exit 1 on any violation.

    It is judged from the ledger alone, by what each policy said when it was in force. What cannot be proven is said.

    Parameters
    ----------
    ledger
        The ledger: a file, postgresql://user@host/database, or postgresql+env:NAME. Default: freehold.db.
    config
        A configuration file in place of --ledger: only its store is read.
    html
        Write the report as one page to this file, for a customer's security review.
    json
        Print one JSON object.
    """
    now = time.time()
    made = residency_report(_ledger(ledger, config), wanted.asked(now), now, wanted.evidence)
    if html is not None:
        write_residency(html, made)
        notes.print(f"Written: {html}", soft_wrap=True, highlight=False, markup=False)
    if json:
        emit_json(made)
    else:
        show_residency(made)
    return 1 if made.violations else 0


def write_residency(path: Path, made: Residency) -> None:
    """The report as a page, whole or not at all. Raises BadSettings where the file cannot be written."""
    write_whole(path, render_residency(made))


def show_residency(made: Residency) -> None:
    """The answer, where data went, what broke a rule, what was kept away, what cannot be proven."""
    _say(made.answer, style="bold")
    if made.destinations:
        out.print(_destinations(made))
    for violation in made.violations:
        _say(f"Violation: {violation.told}, policy {violation.policy}: {counted(violation.requests)}, for example")
        _say(f"  {', '.join(violation.evidence)}")
    for kept in made.ruled_out:
        _say(f"Kept away by {words(kept.constraint)}: {kept.data_class} data from {kept.target}, {counted(kept.requests)}.")
    for no in made.refusals:
        what = f"{no.data_class} data{f' labelled {labelled(no.labels)}' if no.labels else ''}"
        _say(f"Refused: {counted(no.requests)} of {no.workload} with {what}; {told(no.because)}.")
    _say("\nWhat cannot be proven:")
    for text in [*(doubt.told for doubt in made.not_provable), *made.beyond]:
        _say(f"- {text}")
    _say(f"\nRead: {made.seal.entries:,} entries, {made.seal.attempts:,} attempts; SHA-256 {made.seal.sha256}")
    _say(f"Again: {made.command}")


def _destinations(made: Residency) -> Table:
    table = Table()
    for name in ("class", "labels", "sent to", "whose", "model", "regions"):
        table.add_column(name, overflow="fold")
    for name in ("requests", "attempts"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    table.add_column("policies")
    for line in made.destinations:
        *cells, _ = destination_cells(line)
        more = f" and {len(line.policies) - _SHOWN_POLICIES} more" if len(line.policies) > _SHOWN_POLICIES else ""
        style = "" if line.verdict == "allowed" else "bold"
        table.add_row(*cells, ", ".join(line.policies[:_SHOWN_POLICIES]) + more, style=style)
    return table


def _say(text: str, style: str | None = None) -> None:
    out.print(text, soft_wrap=True, highlight=False, markup=False, style=style)


def _ledger(ledger: LedgerPlace | None, config: Path | None) -> LedgerPlace:
    if ledger is not None and config is not None:
        raise BadSettings("--ledger and --config are both given; a configuration names a ledger of its own, so give one of them")
    if config is not None:
        return configured_ledger(config_file.load(config))
    return Path("freehold.db") if ledger is None else ledger


def _class(given: str | None) -> str | None:
    try:
        return None if given is None else DataClass.parse(given).name
    except ValueError as error:
        raise BadSettings(f"--class: {error}") from None


def _moment(name: str, given: str) -> float:
    try:
        moment = dt.datetime.fromisoformat(given.strip())
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()
    except (ValueError, OverflowError):
        seconds = -1.0
    if seconds < 0:
        raise BadSettings(f"--{name} is {given!r}; use a day or a time such as 2026-07-01 or 2026-07-01T06:30")
    return seconds
