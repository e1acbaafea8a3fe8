"""Predict a CSV table with the columns of throughput_truth.csv and write it back with the answers beside the questions."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import msgspec

from freehold.catalog.efficiency import Fitted
from freehold.catalog.facts import Facts
from freehold.core.errors import BadSettings
from freehold.plan.capacity.table import ANSWERED, ASKED, answer


class Answered(msgspec.Struct, frozen=True):
    """The table as CSV text, and a line for each row whose answer stays empty."""

    text: str
    refused: tuple[str, ...]


def read_table(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file. Raises BadSettings naming what is missing."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"cannot read the table {file}: {error}") from None
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [column for column in ASKED if column not in (reader.fieldnames or ())]
    if missing:
        raise BadSettings(f"{file} has no column {', '.join(missing)}; it needs {', '.join(ASKED)}")
    try:
        rows = list(reader)
    except csv.Error as error:
        raise BadSettings(f"{file}, line {reader.line_num}: {error}") from None
    for n, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise BadSettings(f"{file}, row {n}: it has another number of cells than the heading; give one for each column")
    return rows


def answer_table(rows: list[dict[str, str]], facts: Facts, fitted: Fitted, done: Callable[[], None]) -> Answered:
    """Every row with its answers. One that cannot be predicted keeps empty cells and is named with the reason."""
    target, refused = io.StringIO(newline=""), []
    asked = [column for column in (rows[0] if rows else dict.fromkeys(ASKED, "")) if column not in ANSWERED]
    writer = csv.DictWriter(target, [*asked, *ANSWERED], extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for n, row in enumerate(rows, start=1):
        made = dict.fromkeys(ANSWERED, "")
        try:
            made = answer(row, facts, fitted)
        except BadSettings as error:
            refused.append(f"row {n}{' (' + row['id'] + ')' if row.get('id') else ''}: {error.message}")
        writer.writerow(row | made)
        done()
    return Answered(target.getvalue(), tuple(refused))
