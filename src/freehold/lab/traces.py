"""Traces on disk: plain or gzipped by content, cut to a window of time."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path

from freehold.core.errors import BadSettings
from freehold.core.trace import TracedRequest
from freehold.plan.demand.traces import parse

_GZIP = b"\x1f\x8b"


def open_trace(path: Path) -> Iterator[TracedRequest]:
    """The requests of a trace file, read as they are asked for. Raises BadSettings naming the file on anything unreadable."""
    try:
        with path.open("rb") as raw:
            compressed = raw.peek(2)[:2] == _GZIP
            with TextIOWrapper(gzip.open(raw) if compressed else raw, encoding="utf-8") as lines:
                yield from parse(lines)
    except BadSettings as error:
        raise BadSettings(f"{path}: {error.message}") from None
    except UnicodeDecodeError:
        raise BadSettings(f"{path} is not text; give a trace as CSV or JSONL, plain or gzipped") from None
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BadSettings(f"cannot read the trace {path}: {reason}; give a readable CSV or JSONL file") from None


def window(trace: Iterable[TracedRequest], start_s: float = 0.0, duration_s: float | None = None) -> Iterator[TracedRequest]:
    """The requests from `start_s` after the trace's first one, for `duration_s` or to the end.

    Stops reading at the window's end. Raises BadSettings where nothing lies in it.
    """
    origin: float | None = None
    empty = True
    for request in trace:
        if origin is None:
            origin = request.at
        offset_s = request.at - origin
        if duration_s is not None and offset_s >= start_s + duration_s:
            break
        if offset_s >= start_s:
            empty = False
            yield request
    if empty:
        end = "the end" if duration_s is None else f"{start_s + duration_s:g} s"
        raise BadSettings(f"the trace has no request from {start_s:g} s to {end}; choose an earlier or longer window")
