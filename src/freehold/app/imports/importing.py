"""Import one file: recognise it, read its records in order, keep them in batches, and say what became of every one."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

import msgspec

from freehold.app.imports.log_file import LogFile
from freehold.core.data import DataClass
from freehold.core.errors import BadSettings
from freehold.plan.logs.documents import Piece, Records, records
from freehold.plan.logs.fields import shown
from freehold.plan.logs.formats import log_format
from freehold.plan.logs.usage import LogFormat, Record
from freehold.serve.stores.imported import ImportedRow, ImportStore, Source

_BATCH = 2_000
_LOOKED_AT = 50
_BAD_SHOWN = 5
_UNNAMED = "unassigned"

Progress = Callable[[int], None]


class ImportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody says about the files. `columns` maps meanings to columns; a workload column may be a path 'metadata.team'."""

    format: str = "auto"
    workload: str | None = None
    workload_column: str | None = None
    data_class: DataClass = DataClass.internal
    columns: Mapping[str, str] | None = None


class BadLine(msgspec.Struct, frozen=True):
    """A line (or a JSON document's record) that was not imported, and why."""

    line: int
    reason: str


class FileReport(msgspec.Struct, kw_only=True):
    """What became of a file. Counts are of the whole file over all runs; `added` rows are this run's.

    `left_out`: records that are no use of tokens, such as failed requests. `bad_lines`: the first few this run met. `counts_by`:
    what a line number counts.
    """

    file: str
    format: str
    workload: str
    data_class: str
    counts_by: str
    records: int = 0
    rows: int = 0
    added: int = 0
    left_out: int = 0
    bad: int = 0
    bad_lines: list[BadLine] = []
    resumed_after: int = 0
    overlaps: list[str] = []

    @property
    def worthless(self) -> bool:
        """Whether all that could be use of tokens was unreadable."""
        return self.bad > 0 and self.rows == 0


class LogImport:
    """A file with its format recognised. Nothing is written before `run`."""

    def __init__(self, file: LogFile, options: ImportOptions) -> None:
        """Raises BadSettings naming the file where it cannot be read or has no known format."""
        self.file, self.options = file, options
        with self._records() as (found, _):
            first = [piece.record for piece in islice(found.pieces, _LOOKED_AT) if not isinstance(piece.record, str)]
            self.format: LogFormat = log_format(options.format, options.columns, first)
            column = options.workload_column
            if column and first and all(_at_path(record, column) is _ABSENT for record in first):
                raise BadSettings(f"has no column {column!r} to take workloads from; it has {', '.join(list(first[0])[:12])}")

    @property
    def workload(self) -> str:
        """What its rows are called, unless a column says."""
        return self.options.workload or self.format.workload or self.file.stem

    def run(self, store: ImportStore, sha256: str, progress: Progress) -> FileReport:
        """Import what is not imported yet. `progress` is told the file's bytes read so far. Raises BadSettings."""
        source = store.begin(sha256, self.file.path.name, self._settings())
        if source.settings != self._settings() and source.rows == 0:  # a wrong guess that left nothing binds nobody
            store.forget(sha256)
            source = store.begin(sha256, self.file.path.name, self._settings())
        if source.settings != self._settings():
            raise BadSettings(
                f"{self.file.path} is already imported, as {_told(source.settings)}; add --replace to import it as "
                f"{_told(self._settings())}"
            )
        report = FileReport(
            file=str(self.file.path),
            format=self.format.name,
            workload=f"by {self.options.workload_column}" if self.options.workload_column else self.workload,
            data_class=self.options.data_class.name,
            counts_by="line",
            resumed_after=source.records if source.finished_at is None else 0,
        )
        before = source.rows
        if source.finished_at is None:
            with self._records() as (found, position):
                report.counts_by = found.unit
                pieces = islice(found.pieces, source.records, None)
                while batch := list(islice(pieces, _BATCH)):
                    source, rows = self._sorted_out(batch, source, report)
                    store.add(source, rows)
                    progress(position())
            source = store.add(source, (), finished=True)
        report.records, report.rows, report.added = source.records, source.rows, source.rows - before
        report.left_out, report.bad = source.left_out, source.bad
        report.overlaps = store.overlapping(source) if report.added else []
        return report

    def _sorted_out(self, batch: list[Piece], source: Source, report: FileReport) -> tuple[Source, list[ImportedRow]]:
        rows: list[ImportedRow] = []
        bad = left_out = 0
        for piece in batch:
            try:
                row = self._row(piece)
            except ValueError as error:
                bad += 1
                if len(report.bad_lines) < _BAD_SHOWN:
                    report.bad_lines.append(BadLine(piece.line, str(error)))
                continue
            if row is None:
                left_out += 1
            else:
                rows.append(row)
        counted = msgspec.structs.replace(
            source,
            records=source.records + len(batch),
            rows=source.rows + len(rows),
            left_out=source.left_out + left_out,
            bad=source.bad + bad,
        )
        return counted, rows

    def _row(self, piece: Piece) -> ImportedRow | None:
        if isinstance(piece.record, str):
            raise ValueError(piece.record)
        usage = self.format.read(piece.record)
        if usage is None:
            return None
        column = self.options.workload_column
        workload = _named(piece.record, column) if column else self.workload
        return ImportedRow(piece.line, piece.part, workload, self.options.data_class.name, usage)

    def _settings(self) -> str:
        asked = self.options
        workload = {"workload_column": asked.workload_column} if asked.workload_column else {"workload": self.workload}
        settings = {"format": self.format.name, **workload, "data": asked.data_class.name, "map": asked.columns}
        return msgspec.json.encode({name: value for name, value in settings.items() if value}).decode()

    @contextmanager
    def _records(self) -> Iterator[tuple[Records, Callable[[], int]]]:
        try:
            with self.file.text() as (text, position):
                yield records(text), position
        except BadSettings as error:
            name = str(self.file.path)
            raise error if name in error.message else BadSettings(f"{name} {error.message}") from None


_ABSENT = object()


def _at_path(record: Record, path: str) -> Any:
    """The field, or what lies at the path; _ABSENT where there is no such thing."""
    if path in record:
        return record[path]
    value: Any = record
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return _ABSENT
        value = value[name]
    return value


def _named(record: Record, column: str) -> str:
    value = _at_path(record, column)
    if value is _ABSENT:
        raise ValueError(f"there is no field {column!r}")
    if value in (None, ""):
        return _UNNAMED
    if isinstance(value, dict | list):
        raise ValueError(f"{column} is {shown(value)}; expected a name")
    return str(value).strip()


def _told(settings: str) -> str:
    return ", ".join(f"{name} {value}" for name, value in msgspec.json.decode(settings).items())
