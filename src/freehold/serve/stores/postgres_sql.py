"""The readers' SQL as PostgreSQL takes it. They are written for SQLite, in what both understand; what differs is all here.

To be the same in both, a query names every column it groups by, has no function but the usual ones, and casts to INTEGER only
to cut off what is behind the point.
"""

import re
from functools import lru_cache

# In this order: literal % before placeholders, which bring a % of their own.
_REWRITES = (
    (re.compile(r"%"), "%%"),
    (re.compile(r"\?"), "%s"),
    (re.compile(r"(?<![:\w]):([a-z_]+)"), r"%(\1)s"),
    (re.compile(r"SELECT value FROM json_each\(([^)]*\)s|%s)\)"), r"SELECT json_array_elements_text(\1::json)"),
    # A cast rounds here; SQLite's cuts off.
    (re.compile(r"\bCAST\("), "trunc("),
    (re.compile(r" AS INTEGER\)"), ")::bigint"),
    # And rounding takes halves to the even neighbour; SQLite's takes them up.
    (re.compile(r"\bround\("), "floor(0.5 + "),
)


@lru_cache(maxsize=256)
def to_postgres(sql: str) -> bytes:
    """The statement with the driver's placeholders, for whatever values: `?` in order, or `:name`."""
    for pattern, there in _REWRITES:
        sql = pattern.sub(there, sql)
    return sql.encode()
