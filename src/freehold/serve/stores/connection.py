"""The one way from the ledger's readers and small writers to a database: the same SQL, on SQLite and on PostgreSQL."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

Row: TypeAlias = tuple[Any, ...]
Values: TypeAlias = Sequence[object] | Mapping[str, object]


class Connection(Protocol):
    """Statements with `?` or `:name` for values, as `postgres_sql` says they are written. All raise StoreError."""

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """All rows of a query."""
        ...

    def stream(self, sql: str, values: Values = ()) -> Iterator[Row]:
        """The rows of a query one by one, however many there are."""
        ...

    def run(self, sql: str, values: Values = ()) -> None:
        """One statement."""
        ...

    def run_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """One statement for each row."""
        ...

    def has(self, table: str) -> bool:
        """Whether there is that table. An older version's ledger may lack it, and a reader changes nothing about it."""
        ...

    def columns(self, table: str) -> frozenset[str]:
        """The names of its columns: an older version's table may have fewer."""
        ...

    def close(self) -> None:
        """What was not committed is gone."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """What is done inside is committed behind it, or none of it is."""
        ...
