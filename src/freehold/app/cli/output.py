"""What commands print with: tables for people on stdout, JSON for machines, notes and progress on stderr."""

import sys
from typing import Any

import msgspec
from rich.console import Console

out = Console()
notes = Console(stderr=True)


def emit_json(value: Any) -> None:
    """One JSON document, alone on stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
    sys.stdout.flush()
