"""Rows of a ledger packed into one text by SQLite and unpacked by numpy, without a Python object for each row.

`char` writes a code point above 65,535 as four bytes of UTF-8, which carry 20 bits. A number that is out of that range comes out
shorter, and so does a name that was not met before: the length tells whether all of a text's rows fitted.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from freehold.core.usage import Bucket
from freehold.plan.demand.traffic import Floats, Requests

_BITS = 20
_FIELDS = 7  # before those of further kinds of token
# From here on, January 2004, doubles are whole multiples of 2**-22 s, so that three fields hold a time exactly.
_EXACT_FROM_S = 2**30
_TICKS_PER_S = 2**22
_MOST_WORKLOADS, _MOST_CLASSES = 64, 16


class Table(msgspec.Struct, frozen=True):
    """A table of requests, in SQL: what each column of a request is, and which rows are requests. `kinds`: further kinds of token
    that it may tell apart."""

    name: str
    time: str
    input_tokens: str
    cache_read: str
    output_tokens: str
    rows: str
    kinds: Mapping[Bucket, str] = {}


class Names:
    """Workloads and data classes met so far, the more the fewer rows are read one by one. Beyond a certain number comparing
    costs more than it saves, and further ones are not kept."""

    def __init__(self) -> None:
        self.workloads: list[str] = []
        self.classes: list[str] = []

    def learn(self, found: dict[str, Requests]) -> None:
        """The names of what was read otherwise."""
        classes = dict.fromkeys([*self.classes, *(name for requests in found.values() for name in requests.classes)])
        self.workloads = list(dict.fromkeys([*self.workloads, *found]))[:_MOST_WORKLOADS]
        self.classes = list(classes)[:_MOST_CLASSES]


def packed(table: Table, names: Names, kinds: Sequence[Bucket] = ()) -> tuple[str, list[str]]:
    """Two SQL columns, the number of rows and their text with these kinds, and the values for them: what `unpacked` takes."""
    fields = (
        table.input_tokens,
        table.cache_read,
        table.output_tokens,
        # `char` and % cut off what is behind the point: the time in ticks, from its highest 20 bits to its lowest.
        f"{table.time} / {2 ** (2 * _BITS) // _TICKS_PER_S}",
        f"{table.time} * {_TICKS_PER_S // 2**_BITS} % {2**_BITS}",
        f"{table.time} * {_TICKS_PER_S} % {2**_BITS}",
        f"{_place('workload', names.workloads)} * {_MOST_CLASSES} + {_place('data_class', names.classes)}",
        *(table.kinds[kind] for kind in kinds),
    )
    points = ", ".join(f"65536 + ({number})" for number in fields)
    return f"count(*), CAST(group_concat(char({points}), '') AS BLOB)", [*names.workloads, *names.classes]


def unpacked(count: int, text: bytes | None, names: Names, kinds: Sequence[Bucket] = ()) -> dict[str, Requests] | None:
    """The requests by workload, each in the order of their rows; None: not all of them could be packed."""
    fields = _FIELDS + len(kinds)
    if text is None or len(text) != 4 * fields * count:
        return None if count else {}
    # Four bytes of UTF-8 carry 3, 6, 6 and 6 bits below the marks that make them one character.
    point = np.frombuffer(text, dtype=">u4").astype(np.int32).reshape(count, fields).T
    number: NDArray[np.int32] = (point >> 6 & 0x1C0000 | point >> 4 & 0x3F000 | point >> 2 & 0xFC0 | point & 0x3F) - 0x10000
    high, middle, low = number[3:6].astype(np.int64)
    unix_s = (high << 2 * _BITS | middle << _BITS | low) / _TICKS_PER_S
    if unix_s.min() < _EXACT_FROM_S:
        return None
    return _apart(unix_s, number, names, kinds)


def _apart(unix_s: Floats, number: NDArray[np.int32], names: Names, kinds: Sequence[Bucket]) -> dict[str, Requests]:
    workload, data_class = np.divmod(number[6].astype(np.uint16), np.uint16(_MOST_CLASSES))
    order = np.argsort(workload, kind="stable")
    ends = np.searchsorted(workload[order], np.arange(1, len(names.workloads) + 1))
    classes = tuple(names.classes)
    codes = data_class[order].astype(np.uint8)
    input_tokens, cache_read, output_tokens = number[:3, order]
    told = {kind: column for kind, column in zip(kinds, number[_FIELDS:, order], strict=True) if column.any()}
    unix_s = unix_s[order]
    found: dict[str, Requests] = {}
    start = 0
    for name, end in zip(names.workloads, ends.tolist(), strict=True):
        if end > start:
            part = slice(start, end)
            own = {kind: column[part] for kind, column in told.items()}
            counts = (input_tokens[part], cache_read[part], output_tokens[part])
            found[name] = Requests(unix_s[part], codes[part], classes, *counts, own)
        start = end
    return found


def _place(column: str, names: list[str]) -> str:
    """A name's place in the list, NULL where it is not in it."""
    cases = " ".join(f"WHEN ? THEN {place}" for place in range(len(names)))
    return f"CASE {column} {cases} END" if names else "NULL"
