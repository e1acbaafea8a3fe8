"""The records of a text, one after the other and in constant memory: CSV, JSON lines, or JSON arrays and pages of any length.

A JSON page is an object with a list `data`; a bucket in it is an object with a list `results`, each of which gets the bucket's
own fields too. (OpenAI's and Anthropic's usage pages and LiteLLM's log pages have these shapes.)
"""

import csv
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, TextIO

import msgspec

from freehold.core.errors import BadSettings
from freehold.plan.logs.usage import Record

_HEAD = 1 << 16
_CHUNK = 1 << 20
_MOST = 1 << 26
_FIELD_MOST = 1 << 20
_TABLE_DELIMITERS = ",\t;|"
_GAP = re.compile(r"[\s,]*")
_STRING = r'"(?:[^"\\]|\\.)*"'
_PAGE = re.compile(rf'\{{\s*(?:{_STRING}\s*:\s*(?:{_STRING}|[\w.+-]+)\s*,\s*)*"data"\s*:\s*\[')
_MEMBER = re.compile(rf"{_STRING}\s*:\s*")
_decoder = json.JSONDecoder()


class Piece(NamedTuple):
    """What stands at a line of a table or of JSON lines, or at an element of a JSON document; both count from 1.

    `part` tells apart the results of one bucket. `record` is a text where there is no record: the reason.
    """

    line: int
    part: int
    record: Record | str


class Records(NamedTuple):
    """A text's pieces in order; `unit` is what they count by. A table knows its columns at once."""

    unit: str
    columns: tuple[str, ...] | None
    pieces: Iterator[Piece]


def records(text: TextIO) -> Records:
    """The records of a seekable text, opened with newline=''. Raises BadSettings where it is empty or no text at all."""
    head = text.read(_HEAD)
    text.seek(0)
    start = head.lstrip("\ufeff \t\r\n")
    if not start:
        raise BadSettings("is empty; give a log with at least one record")
    if "\0" in head:
        raise BadSettings("is not text in UTF-8; give CSV or JSON, plain or gzipped")
    if start[0] == "[" or _PAGE.match(start):
        return Records("record", None, _document(text))
    if start[0] == "{":
        first, newline, _ = start.partition("\n")
        by_line = not newline or first.rstrip().endswith("}")
        return Records("line", None, _lines(text)) if by_line else Records("record", None, _document(text))
    return _table(text, start.partition("\n")[0])


def _table(text: TextIO, header: str) -> Records:
    # The default of 128 kB is less than a logged prompt may have; no limit would let a stray quote swallow the rest of the file.
    csv.field_size_limit(_FIELD_MOST)
    reader = csv.reader(text, delimiter=max(_TABLE_DELIMITERS, key=header.count), strict=True)
    try:
        columns = tuple(name.strip("\ufeff \t") for name in next(row for row in reader if row))
    except csv.Error as error:
        raise BadSettings(f"has no CSV header in its first line: {error}") from None
    return Records("line", columns, _rows(reader, columns))


def _rows(reader: Any, columns: tuple[str, ...]) -> Iterator[Piece]:
    named = [name for name in columns if name]
    all_named = len(named) == len(columns)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Piece(line, 0, f"is no CSV up to line {reader.line_num}: {error}")
            continue
        if not row:
            continue
        if len(row) != len(columns):
            yield Piece(line, 0, f"has {len(row)} fields where the header has {len(columns)}")
        elif all_named:
            yield Piece(line, 0, dict(zip(columns, row, strict=True)))
        else:
            yield Piece(line, 0, {name: value for name, value in zip(columns, row, strict=True) if name})


def _lines(text: TextIO) -> Iterator[Piece]:
    for number, line in enumerate(text, 1):
        if not (written := line.strip("\ufeff \t\r\n")):
            continue
        try:
            value = msgspec.json.decode(written)
        except msgspec.DecodeError as error:
            yield Piece(number, 0, f"is no JSON: {error}")
            continue
        for part, record in enumerate(_unfolded(value)):
            yield Piece(number, part, record)


def _document(text: TextIO) -> Iterator[Piece]:
    """Elements of arrays and of pages' data, whatever surrounds them. A broken one ends it: what follows has no known start."""
    buffer, at, depth, number, ended = "", 0, 0, 0, False
    plain = -1  # the depth at which records were met; none of their neighbours needs to be tried as a page
    while True:
        found = _GAP.match(buffer, at)
        at = found.end() if found else at
        # Far more ahead than any page's beginning, so that one is never met in halves.
        if not ended and len(buffer) - at < _HEAD:
            chunk = text.read(_CHUNK)
            buffer, at, ended = buffer[at:].lstrip("\ufeff") + chunk, 0, not chunk
            continue
        if at == len(buffer):
            break
        if depth != plain and (page := _PAGE.match(buffer, at)):
            depth, at = depth + 2, page.end()
        elif buffer[at] == "[":
            depth, at = depth + 1, at + 1
        elif depth and buffer[at] in "]}":
            depth, at = depth - 1, at + 1
        else:
            member = _MEMBER.match(buffer, at) if depth else None
            try:
                value, at = _decoder.raw_decode(buffer, member.end() if member else at)
            except json.JSONDecodeError as error:
                if not ended and _cut_short(error, buffer) and len(buffer) - at < _MOST:
                    buffer, at = buffer[at:], 0
                    chunk = text.read(_CHUNK)
                    buffer, ended = buffer + chunk, not chunk
                    continue
                yield Piece(number + 1, 0, f"is no JSON ({error.msg}); nothing after it could be read")
                return
            if not member:
                number, plain = number + 1, depth
                for part, record in enumerate(_unfolded(value)):
                    yield Piece(number, part, record)
    if depth:
        yield Piece(number + 1, 0, "is missing: the file breaks off")


def _cut_short(error: json.JSONDecodeError, buffer: str) -> bool:
    """Whether more text could mend it: the decoder stopped at the buffer's end, or inside a text that reaches there."""
    return error.msg.startswith("Unterminated string") or error.pos >= len(buffer) - len("\\u0000")


def _unfolded(value: Any) -> Iterator[Record | str]:
    if not isinstance(value, dict):
        yield "is no object"
        return
    match value:
        case {"data": [*elements]}:
            for element in elements:
                yield from _unfolded(element)
        case {"results": [*results]}:
            bucket = {name: field for name, field in value.items() if name != "results"}
            for result in results:
                yield {**bucket, **result} if isinstance(result, dict) else "has a result that is no object"
        case _:
            yield value
