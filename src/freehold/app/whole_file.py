"""Files that are whole or not there: written beside their place, made durable, and put in it at once."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from freehold.core.errors import BadSettings


def write_whole(path: Path, text: str, mend: str = "give a file in an existing folder with room") -> None:
    """Replace a file by this text; what was there stays until then. Raises BadSettings where it cannot be written."""
    with whole_file(path, mend) as file:
        file.write(text)


@contextmanager
def whole_file(path: Path, mend: str = "give a file in an existing folder with room") -> Iterator[TextIO]:
    """The same for text that comes bit by bit. Behind a link it is the file that the link leads to; its rights stay."""
    if path.exists() and not path.is_file():
        raise BadSettings(f"cannot write {path}: it is no regular file; name a file")
    place = path.resolve()
    part: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="", dir=place.parent, prefix=f".{place.name}.", suffix=".part", delete=False
        ) as file:
            part = Path(file.name)
            yield file  # type: ignore[misc]  # a wrapper that does all a TextIO does
            file.flush()
            os.fsync(file.fileno())
        part.chmod(place.stat().st_mode & 0o777 if place.exists() else 0o666 & ~_umask())
        part.replace(place)
        part = None
    except OSError as error:
        raise BadSettings(f"cannot write {path}: {error.strerror}; {mend}") from None
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def _umask() -> int:
    """What the process takes away from new files. It can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
