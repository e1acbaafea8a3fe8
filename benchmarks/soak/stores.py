"""Where the ledger of a soak is: a file of SQLite, or a PostgreSQL server of its own that ends with it."""

import contextlib
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

sys.path.append(str(Path(__file__).parents[2] / "tests"))  # the server is the tests' own

from postgres_cluster import Cluster
from services import NotHere

__all__ = ["Kind", "Ledger", "NotHere", "ledger"]
Kind: TypeAlias = Literal["sqlite", "postgres"]


class Ledger(NamedTuple):
    """`setting`: what the configuration says of it; `rows`: what a statement finds there, read as any other program would."""

    setting: str
    rows: Callable[[str], list[dict[str, Any]]]


@contextlib.contextmanager
def ledger(kind: Kind, folder: Path) -> Iterator[Ledger]:
    """An empty one. Raises NotHere where there is no PostgreSQL."""
    if kind == "sqlite":
        yield Ledger("sqlite:///ledger.db", lambda sql: _of_file(folder / "ledger.db", sql))
        return
    with Cluster() as cluster:
        url, place = cluster.fresh(), folder / "ledger.url"
        place.write_text(url, encoding="utf-8")
        yield Ledger(f"postgresql+file:{place}", lambda sql: cluster.rows(sql, url))


def _of_file(path: Path, sql: str) -> list[dict[str, Any]]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(sql)]
