"""Secrets enter from where a setting points: an environment variable or a file. They are read once, at the start."""

import os
from pathlib import Path

from freehold.app.config_file import ConfigFile, Location
from freehold.core.target import Secret


def secret_at(reference: str) -> Secret:
    """The secret that `env:NAME` or `file:PATH` points to. Raises ValueError with the reason where there is none."""
    kind, _, where = reference.partition(":")
    if kind == "env":
        value = os.environ.get(where, "")
    else:
        try:
            value = Path(where).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"cannot read it: {error}") from None
    if not value.strip():
        raise ValueError(f"{reference} is not set or empty")
    return Secret(value.strip())


def read_secret(file: ConfigFile, loc: Location, reference: str) -> Secret:
    """The secret that the reference at that place of the file points to. Raises BadSettings where there is none."""
    try:
        return secret_at(reference)
    except ValueError as error:
        raise file.refuse(loc, str(error)) from None
