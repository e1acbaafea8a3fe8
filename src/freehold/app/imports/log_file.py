"""A log on disk, plain or gzipped by content: who it is (its content's hash), its text, and how far it is read."""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from freehold.core.errors import BadSettings

_GZIP = b"\x1f\x8b"
_BLOCK = 1 << 20

Advance = Callable[[int], None]


class LogFile:
    """One file. Everything raises BadSettings naming it where it cannot be read."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise BadSettings(f"{path} is no file; give a log as CSV or JSON, plain or gzipped")
        self.path = path
        self.size = path.stat().st_size

    @property
    def stem(self) -> str:
        """The name without its endings: 'chat.csv.gz' -> 'chat'."""
        return self.path.name.split(".")[0] or self.path.name

    def sha256(self, advance: Advance = lambda _: None) -> str:
        """Of the content, so that a file and its gzipped copy are the same. `advance` is told the bytes read so far."""
        digest = hashlib.sha256()
        with self._opened() as (raw, content):
            while block := content.read(_BLOCK):
                digest.update(block)
                advance(raw.tell())
        return digest.hexdigest()

    @contextmanager
    def text(self) -> Iterator[tuple[TextIO, Callable[[], int]]]:
        """The text, seekable, with a function that says how many of the file's bytes are read."""
        with self._opened() as (raw, content):
            # A byte that is no UTF-8 is in some name; it must not stop ten million good lines.
            yield TextIOWrapper(cast("BufferedReader", content), encoding="utf-8-sig", errors="replace", newline=""), raw.tell

    @contextmanager
    def _opened(self) -> Iterator[tuple[BinaryIO, BinaryIO]]:
        try:
            with self.path.open("rb") as raw:
                packed = raw.peek(2)[:2] == _GZIP
                yield raw, cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if packed else raw
        except (OSError, EOFError, zlib.error) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise BadSettings(f"cannot read {self.path}: {reason}; give a whole, readable file") from None
