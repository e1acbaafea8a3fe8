"""`freehold import`: last month's logs and usage exports into the ledger, so that `freehold plan` can answer from them."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cyclopts import App, Parameter
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from freehold.app.cli.import_litellm import litellm
from freehold.app.cli.ledger_flag import LedgerFlag
from freehold.app.cli.output import emit_json, notes, out
from freehold.app.imports.importing import FileReport, ImportOptions, LogImport
from freehold.app.imports.log_file import LogFile
from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.plan.logs.columns import parse_map
from freehold.serve.stores.imported import ImportStore
from freehold.serve.stores.place import LedgerPlace
from freehold.serve.stores.reader import LedgerReader

app = App(name="import", help="Import logs, usage exports, bills and traces into the ledger; or another gateway's configuration.")
app.command(litellm)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Told:
    """What the files are and what their traffic is."""

    format: Literal["auto", "litellm", "openai", "anthropic", "focus", "azure", "mooncake", "burstgpt", "csv"] = "auto"
    "What the files are; auto looks at their fields."
    workload: str | None = None
    "The workload it belongs to. Default: the format's name for logs and exports, the file's name for traces and other CSV."
    workload_column: str | None = None
    "Take the workload from this column or field of each record, e.g. model_group or metadata.team."
    data: DataClass = DataClass.internal
    "How sensitive the data is."
    map: str | None = None
    "What a CSV's columns mean: time=COLUMN,input=COLUMN,output=COLUMN, and maybe cached, model, provider, cost, requests, end."

    def options(self) -> ImportOptions:
        """The same, checked. Raises BadSettings."""
        if self.workload is not None and self.workload_column is not None:
            raise BadSettings("--workload and --workload-column are both given; choose one")
        if self.workload is not None and not self.workload.strip():
            raise BadSettings("workload is empty; give it a name")
        if self.map is not None and self.format not in ("auto", "csv"):
            raise BadSettings(f"--map is given with --format {self.format}; a map is for --format csv")
        columns = None if self.map is None else parse_map(self.map)
        return ImportOptions(
            format=self.format,
            workload=self.workload,
            workload_column=self.workload_column,
            data_class=self.data,
            columns=columns,
        )


_NOTHING = Told()


@app.default
def run(
    *files: Path, told: Told = _NOTHING, ledger: LedgerFlag = Path("freehold.db"), replace: bool = False, json: bool = False
) -> int:
    """Import files of use into the ledger. A file is imported once, however often it is given; one that broke off goes on.

    Exit code 1 if nothing of a file could be read.

    Parameters
    ----------
    files
        CSV or JSON, plain or gzipped.
    ledger
        The ledger, made where there is none: a file, postgresql://user@host/database, or postgresql+env:NAME.
    replace
        Forget what was imported of these files before, and import them anew.
    json
        Print one JSON list.
    """
    if not files:
        raise BadSettings("no file is given; name at least one log, export, bill or trace")
    options = told.options()
    # Every file is recognised before the first one is imported.
    imports = [LogImport(LogFile(path), options) for path in files]
    with closing(ImportStore(ledger)) as store:
        reports = [_import(each, store, replace) for each in imports]
    if json:
        emit_json(reports)
    else:
        out.print(_summary(reports))
        _tell(reports, ledger)
    return 1 if any(report.worthless for report in reports) else 0


def _import(each: LogImport, store: ImportStore, replace: bool) -> FileReport:
    with _bar(each.file) as (checked, read):
        sha256 = each.file.sha256(checked)
        if replace:
            store.forget(sha256)
        try:
            return each.run(store, sha256, read)
        except KeyboardInterrupt:
            notes.print(f"{each.file.path}: broken off; run the same command again to go on.", soft_wrap=True, highlight=False)
            raise


@contextmanager
def _bar(file: LogFile) -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
    """A bar on stderr, where that is a terminal, of both readings of the file: to know it, and to import it."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes, disable=not notes.is_terminal, transient=True) as bar:
        task = bar.add_task(file.path.name, total=2 * file.size)
        yield (
            lambda position: bar.update(task, completed=position),
            lambda position: bar.update(task, completed=file.size + position),
        )


def _summary(reports: list[FileReport]) -> Table:
    table = Table("file", "format", "workload", "data")
    for name in ("records", "imported", "new", "left out", "bad"):
        table.add_column(name, justify="right")
    for r in reports:
        counts = (r.records, r.rows, r.added, r.left_out, r.bad)
        table.add_row(Path(r.file).name, r.format, r.workload, r.data_class, *(f"{n:,}" for n in counts))
    return table


def _tell(reports: list[FileReport], ledger: LedgerPlace) -> None:
    def note(text: str) -> None:
        notes.print(text, soft_wrap=True, highlight=False, markup=False)

    for report in reports:
        for bad in report.bad_lines:
            note(f"{report.file}: {report.counts_by} {bad.line:,}: {bad.reason}")
        if report.bad > len(report.bad_lines):
            note(f"{report.file}: {report.bad - len(report.bad_lines):,} more bad {report.counts_by}s")
        if report.resumed_after:
            note(f"{report.file}: went on after {report.resumed_after:,} records that were imported before")
        elif not report.added and report.rows:
            note(f"{report.file}: already imported, nothing added")
        if report.overlaps:
            others = ", ".join(report.overlaps)
            note(f"{report.file}: same workload and time as {others}; if it is the same use, it counts twice")
    for bucketed in LedgerReader(ledger).bucketed_workloads():
        note(f"{bucketed.workload}: {bucketed.doubt()}")
    if any(report.added for report in reports):
        note(f"Next: freehold plan --ledger {ledger}")
