"""A connection to a ledger file as its readers and small writers use it."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from freehold.serve.stores.connection import Row, Values
from freehold.serve.stores.place import StoreError

_BUSY_S = 10.0


class SqliteConnection:
    """Every method raises StoreError. `read_only`: all queries see the same state of the file."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self._read_only = read_only
        with _told():
            address = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
            self._db = sqlite3.connect(address, uri=True, isolation_level=None, timeout=_BUSY_S)

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """All rows of a query."""
        with _told():
            self._begin()
            return self._db.execute(sql, values).fetchall()

    def stream(self, sql: str, values: Values = ()) -> Iterator[Row]:
        """The rows of a query one by one."""
        with _told():
            self._begin()
            yield from self._db.execute(sql, values)

    def run(self, sql: str, values: Values = ()) -> None:
        """One statement."""
        with _told():
            self._db.execute(sql, values)

    def run_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """One statement for each row."""
        with _told():
            self._db.executemany(sql, rows)

    def has(self, table: str) -> bool:
        """Whether the file has that table."""
        return bool(self.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)))

    def columns(self, table: str) -> frozenset[str]:
        """The names of the table's columns."""
        return frozenset(name for (name,) in self.rows("SELECT name FROM pragma_table_info(?)", (table,)))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is done inside is committed behind it, or none of it is."""
        self.run("BEGIN IMMEDIATE")
        try:
            yield
            self.run("COMMIT")
        except BaseException:  # a transaction left open would take the next one with it
            if self._db.in_transaction:
                self._db.rollback()
            raise

    def close(self) -> None:
        """The last connection folds the WAL back into the file."""
        self._db.close()

    def _begin(self) -> None:
        if self._read_only and not self._db.in_transaction:
            self._db.execute("BEGIN")


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OverflowError) as error:  # SQLite's integers end at 2**63
        raise StoreError(str(error), duplicate=isinstance(error, sqlite3.IntegrityError)) from None
