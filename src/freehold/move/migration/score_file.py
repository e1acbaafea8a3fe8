"""Paired scores in a file, one JSON object a line, as `freehold gate` reads them."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from freehold.core.errors import BadSettings
from freehold.move.migration.pair import Pair

_LINE = '{"owned": 0.9, "rented": 1}'


def read_pairs(path: Path) -> Iterator[tuple[int, Pair]]:
    """Line numbers from 1 with their pairs; empty lines are passed over, fields that are none of a pair's are ignored.

    Raises BadSettings naming the line that is no pair, and the file where it cannot be read or has none.
    """
    decoder = msgspec.json.Decoder(Pair)
    found = False
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    found = True
                    yield number, _pair(decoder, line, f"{path} line {number}")
    except OSError as error:
        raise BadSettings(
            f"cannot read {path}: {error.strerror}; give a file with a line like {_LINE} for each request"
        ) from None
    if not found:
        raise BadSettings(f"{path} has no pairs; give a line like {_LINE} for each request")


def _pair(decoder: msgspec.json.Decoder[Pair], line: bytes, where: str) -> Pair:
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{where} is no pair of scores: {error}; use a line like {_LINE}, values from 0 to 1") from None
