"""A ledger opened to be read, or for a few rows that are no entries, wherever it is."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from freehold.core.errors import BadSettings
from freehold.serve.stores.connection import Connection
from freehold.serve.stores.place import LedgerPlace, StoreError
from freehold.serve.stores.postgres import PostgresStore
from freehold.serve.stores.postgres_session import PostgresSession
from freehold.serve.stores.sqlite import SqliteStore
from freehold.serve.stores.sqlite_connection import SqliteConnection


def existing(place: LedgerPlace) -> LedgerPlace:
    """The place again. Raises BadSettings when it is a file that is not there; a database is met at the first view."""
    if isinstance(place, Path) and not place.is_file():
        raise BadSettings(f"no ledger at {place}; 'freehold serve' writes one, or give --ledger")
    return place


def open_store(place: LedgerPlace) -> SqliteStore | PostgresStore:
    """The ledger for its entries: opened, made where there is none, brought up to date. Raises BadSettings."""
    return SqliteStore(place) if isinstance(place, Path) else PostgresStore(place)


@contextmanager
def reading(place: LedgerPlace) -> Iterator[Connection]:
    """One state of the ledger for several queries. Raises BadSettings when it cannot be read."""
    try:
        with closing(connected(existing(place), read_only=True)) as connection:
            if not connection.has("entries"):
                raise StoreError("there is no ledger in it; 'freehold serve' makes one")
            yield connection
    except StoreError as error:
        raise BadSettings(f"cannot read the ledger {place}: {error}") from None


def connected(place: LedgerPlace, *, read_only: bool) -> Connection:
    """A connection to a ledger that is there already. `read_only`: all queries see the same state of it. Raises StoreError."""
    if isinstance(place, Path):
        return SqliteConnection(place, read_only=read_only)
    return PostgresSession(place, read_only=read_only)
