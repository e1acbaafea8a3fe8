"""What commands print with: tables for people on stdout, JSON for machines, notes and progress on stderr."""

import sys
from typing import Any

import msgspec
from rich.console import Console

_PIPED_WIDTH = 140

out = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
notes = Console(stderr=True, width=None if sys.stderr.isatty() else _PIPED_WIDTH)


def emit_json(value: Any) -> None:
    """One JSON document, alone on stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
    sys.stdout.flush()
