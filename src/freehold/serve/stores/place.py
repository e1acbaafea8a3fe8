"""Where a ledger is: a file of SQLite's, or a schema of a PostgreSQL database; and what a database can say against it."""

from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from freehold.core.errors import BadSettings
from freehold.core.target import Secret

SCHEMES = ("postgresql://", "postgres://")


class StoreError(Exception):
    """What the database said, in one line. `duplicate`: a row with that key is there already."""

    def __init__(self, message: str, *, duplicate: bool = False) -> None:
        super().__init__(message)
        self.duplicate = duplicate


class PostgresPlace(msgspec.Struct, frozen=True):
    """A database, by a URL as libpq takes it. As text it is shown without its password."""

    url: Secret

    def __str__(self) -> str:
        parts = urlsplit(self.url.reveal())
        user, at, hosts = parts.netloc.rpartition("@")
        return f"{parts.scheme}://{user.partition(':')[0]}{at}{hosts}{parts.path}"

    def masked(self, text: str) -> str:
        """A message in one line that does not hold the password, whoever wrote it."""
        parts = urlsplit(self.url.reveal())
        password = parts.netloc.rpartition("@")[0].partition(":")[2]
        stated = {value for name, value in parse_qsl(parts.query) if "password" in name}
        for secret in ({self.url.reveal(), password, unquote(password)} | stated) - {""}:
            text = text.replace(secret, "***")
        return " ".join(text.split())


LedgerPlace: TypeAlias = Path | PostgresPlace


def postgres_place(url: Secret) -> PostgresPlace:
    """Raises BadSettings where that is no URL; it is not repeated, because it may hold a password."""
    wrong = BadSettings("that is no address of PostgreSQL; use postgresql://user@host:5432/database")
    if not url.reveal().startswith(SCHEMES):
        raise wrong
    try:
        parts = urlsplit(url.reveal())
    except ValueError:
        raise wrong from None
    # A sign of the password that is not escaped would put the rest of it elsewhere.
    if "@" in parts.path or parts.fragment or any(character.isspace() for character in url.reveal()):
        raise wrong
    return PostgresPlace(url)
