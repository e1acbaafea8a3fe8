"""One connection to a PostgreSQL ledger. All that knows the driver, which is an optional extra, is here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

from freehold.core.errors import BadSettings
from freehold.serve.stores.connection import Row, Values
from freehold.serve.stores.place import PostgresPlace, StoreError
from freehold.serve.stores.postgres_sql import to_postgres

# A server that is gone without a word is noticed in some ten seconds; what the URL says counts more.
_CONNECTING = {
    "application_name": "freehold", "connect_timeout": "5", "keepalives_idle": "5", "keepalives_interval": "2",
    "keepalives_count": "3", "tcp_user_timeout": "10000",
}  # fmt: skip
# A lock is waited for as long as SQLite's; a commit is on disk before it is told of; a cursor is read to its end.
_SETTINGS = """SELECT set_config('lock_timeout', '10s', false), set_config('cursor_tuple_fraction', '1', false),
    set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
    ELSE current_setting('synchronous_commit') END, false)"""
_HAS = "SELECT to_regclass(quote_ident(current_schema()) || '.' || quote_ident(?)) IS NOT NULL"
_COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = ?"
_NUL = str.maketrans({"\0": "\ufffd"})


class PostgresSession:
    """Every method raises StoreError. A transaction begins with the first statement."""

    def __init__(self, place: PostgresPlace, *, read_only: bool) -> None:
        """Connect. `read_only`: every statement sees the same state of the database. Raises BadSettings without the driver."""
        self._place = place
        self._driver = _driver()
        with self._told():
            given = self._driver.conninfo.conninfo_to_dict(place.url.reveal())
            if not read_only:  # of several hosts the one that can be written, also after a failover
                given.setdefault("target_session_attrs", "read-write")
            self._db: Any = self._driver.connect(**(_CONNECTING | given))
            self._db.adapters.register_loader("numeric", _Number)
            self.run(_SETTINGS)
            self._db.commit()
            if read_only:
                self._db.isolation_level = self._driver.IsolationLevel.REPEATABLE_READ
                self._db.read_only = True

    @property
    def lost(self) -> bool:
        """Whether it is of no more use."""
        return bool(self._db.closed)

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """All rows of a query."""
        with self._told(), self._db.cursor() as cursor:
            found: list[Row] = cursor.execute(to_postgres(sql), _stored(values)).fetchall()
            return found

    def stream(self, sql: str, values: Values = ()) -> Iterator[Row]:
        """The rows of a query, a few thousand at a time."""
        with self._told(), self._db.cursor(name="ledger") as cursor:
            cursor.itersize = 5_000
            yield from cursor.execute(to_postgres(sql), _stored(values))

    def run(self, sql: str, values: Values = ()) -> None:
        """One statement."""
        with self._told():
            self._db.execute(to_postgres(sql), _stored(values))

    def run_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """One statement for each row."""
        with self._told(), self._db.cursor() as cursor:
            cursor.executemany(to_postgres(sql), [_stored(row) for row in rows])

    def copy_in(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """New rows of a table, by the fastest way there is."""
        names = ", ".join(columns)
        with self._told(), self._db.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN".encode()) as copy:
            for row in rows:
                copy.write_row(_stored(row))

    def copy_out(self, sql: str, values: Values = ()) -> Iterator[bytes]:
        """A query's rows in PostgreSQL's binary format, in pieces."""
        statement = b"COPY (" + to_postgres(sql) + b") TO STDOUT (FORMAT BINARY)"
        with self._told(), self._db.cursor() as cursor, cursor.copy(statement, _stored(values)) as copy:
            yield from copy

    def has(self, table: str) -> bool:
        """Whether the schema has that table; an older version's may not."""
        return bool(self.rows(_HAS, (table,))[0][0])

    def columns(self, table: str) -> frozenset[str]:
        """The names of the table's columns."""
        return frozenset(name for (name,) in self.rows(_COLUMNS, (table,)))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is done inside is committed behind it, or none of it is."""
        try:
            yield
            self.commit()
        except BaseException:  # a transaction left open would take the next one with it
            self.roll_back()
            raise

    def commit(self) -> None:
        """It is on disk when this returns. Where the connection breaks meanwhile, nobody knows."""
        with self._told():
            self._db.commit()

    def roll_back(self) -> None:
        """Leave nothing of the transaction; a connection that is lost left nothing already."""
        with suppress(self._driver.Error):
            self._db.rollback()

    def close(self) -> None:
        """What was not committed is gone."""
        self._db.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (self._driver.Error, UnicodeEncodeError) as error:
            diagnosis = getattr(error, "diag", None)
            said = (diagnosis and diagnosis.message_primary) or str(error) or type(error).__name__
            duplicate = isinstance(error, self._driver.errors.UniqueViolation)
            raise StoreError(self._place.masked(said), duplicate=duplicate) from None


class _Number:
    """Reads NUMERIC, which sums and means of whole numbers are: whole ones as int, others as float."""

    format = 0  # as text

    def __init__(self, oid: int, context: object = None) -> None:
        pass

    def load(self, data: bytes) -> int | float:
        """One value."""
        text = bytes(data).decode()
        return float(text) if "." in text else int(text)


def _stored(values: Values) -> Values:
    """As columns take them: flags are numbers, as in SQLite, and PostgreSQL has no NUL in a text."""
    if isinstance(values, Mapping):
        return {name: _one(value) for name, value in values.items()}
    return [_one(value) for value in values]


def _one(value: object) -> object:
    if isinstance(value, str):
        return value.translate(_NUL) if "\0" in value else value
    return int(value) if isinstance(value, bool) else value


def _driver() -> ModuleType:
    try:
        import psycopg  # noqa: PLC0415  an optional extra
    except ImportError:
        raise BadSettings("a ledger in PostgreSQL needs a driver: pip install 'freehold[postgres]'") from None
    return psycopg
