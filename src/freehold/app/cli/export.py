"""`freehold export`: what the ledger knows, as files that other tools read."""

import csv
import datetime as dt
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from cyclopts import App, Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from freehold.app.billing_lines import Bill, BillTotals
from freehold.app.cli.ledger_flag import LedgerFlag
from freehold.app.cli.output import emit_json, notes
from freehold.app.whole_file import whole_file
from freehold.core.errors import BadSettings
from freehold.core.money import show
from freehold.serve.sinks.focus import COLUMNS, Line, Version, cells

app = App(name="export", help="Export costs for other tools.", version_flags=())


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What the export holds."""

    since: str | None = None
    "The first day or full hour, in UTC unless it says otherwise: 2026-11-01, 2026-11-01T06. Default: the ledger's first."
    until: str | None = None
    "The day or full hour it ends before. Default: with the ledger's last."
    with_lab: bool = False
    "Also what stand-ins served; such lines say x_Lab."
    with_imported: bool = False
    "Also imported use whose source said what it cost."
    account: str = "freehold"
    "The billing account that every line names."

    def times(self) -> tuple[float | None, float | None]:
        """Both ends as Unix seconds. Raises BadSettings."""
        since, until = _hour("since", self.since), _hour("until", self.until)
        if since is not None and until is not None and since >= until:
            raise BadSettings(f"--since {self.since} is not before --until {self.until}; the end is not part of the time")
        return since, until


_ALL = Chosen()


@app.command(version_flags=())
def focus(
    *,
    ledger: LedgerFlag = Path("freehold.db"),
    chosen: Chosen = _ALL,
    output: Path | None = None,
    version: Version = "1.3",
    json: bool = False,
) -> int:
    """Cost and usage in the FinOps format FOCUS, as CSV: a line an hour, target, model, key, workload and meter.

    The lines of rented use add up to the ledger's cost, those of owned machines to their hours' cost, to the nano-dollar.

    Parameters
    ----------
    ledger
        The ledger: a file, postgresql://user@host/database, or postgresql+env:NAME.
    output
        The file to write, whole or not at all. Default: standard output.
    version
        The version of FOCUS.
    json
        Print what was written as one JSON document; needs --output.
    """
    since, until = chosen.times()
    if not chosen.account.strip():
        raise BadSettings("account is empty; every line names a billing account, for example --account freehold")
    if json and output is None:
        raise BadSettings("--json is given without --output; standard output has the lines, so name a file for them")
    bill = Bill(ledger, since, until, chosen.account)
    with _bar(bill) as progress:
        lines = bill.lines(lab=chosen.with_lab, imported=chosen.with_imported, progress=progress)
        if output is None:
            _print_lines(lines, version)
        else:
            _write_whole(output, lines, version)
    _tell(bill.totals, output)
    if json:
        emit_json(bill.totals)
    return 0


def _hour(name: str, given: str | None) -> float | None:
    if given is None:
        return None
    try:
        time = dt.datetime.fromisoformat(given.strip())
    except ValueError:
        raise BadSettings(f"{name} is {given!r}; expected a day or a full hour, such as 2026-11-01 or 2026-11-01T06") from None
    seconds = (time if time.tzinfo else time.replace(tzinfo=dt.UTC)).timestamp()
    if seconds < 0 or seconds % 3600:
        raise BadSettings(f"{name} is {given!r}; a line covers a full hour of UTC, so it must begin one, such as 2026-11-01T06")
    return seconds


def _print_lines(lines: Iterable[Line], version: Version) -> None:
    try:
        _write(sys.stdout, lines, version)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has seen enough; what is still in the buffer must not be written at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise BadSettings(f"cannot write to standard output: {error.strerror}; the export is not whole") from None


def _write_whole(path: Path, lines: Iterable[Line], version: Version) -> None:
    """The file appears when it is whole and on disk; what was there before stays until then."""
    with whole_file(path, "nothing of the export is kept") as file:
        _write(file, lines, version)


def _write(file: TextIO, lines: Iterable[Line], version: Version) -> None:
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(COLUMNS[version])
    rows.writerows(cells(line, version) for line in lines)


@contextmanager
def _bar(bill: Bill) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, where that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes, disable=not notes.is_terminal, transient=True) as bar:
        task = bar.add_task("requests", total=bill.entries() if notes.is_terminal else None)
        yield lambda read: bar.update(task, completed=read)


def _tell(totals: BillTotals, output: Path | None) -> None:
    def note(text: str) -> None:
        notes.print(text, soft_wrap=True, highlight=False, markup=False)

    if not totals.lines:
        note("There is nothing to export of that time; only the header was written.")
    elif output is not None:
        costs = (("rented", totals.rented_nanousd), ("owned", totals.owned_nanousd), ("imported", totals.imported_nanousd))
        note(f"{output}: {totals.lines:,} lines; {', '.join(f'{name} {show(cost, 4)}' for name, cost in costs if cost)}")
    if totals.lab_attempts_left_out or totals.lab_machine_hours_left_out:
        note(
            f"Left out: {totals.lab_attempts_left_out:,} attempts and {totals.lab_machine_hours_left_out:,} machine hours "
            "of lab stand-ins; --with-lab adds them."
        )
    if totals.unpriced:
        note(f"{totals.unpriced:,} lines of rented use have no unit price, because the ledger has no price card for them.")
    if totals.imported_without_cost:
        note(f"Left out: {totals.imported_without_cost:,} imported rows whose source did not say what they cost.")
