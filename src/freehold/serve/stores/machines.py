"""The owned machines in a ledger: since when each was there, and until when it was last seen."""

from collections.abc import Iterable
from contextlib import closing

from freehold.core.errors import LedgerUnavailable
from freehold.core.machine import OwnedMachine
from freehold.serve.stores.connection import Connection
from freehold.serve.stores.opening import connected
from freehold.serve.stores.place import LedgerPlace, StoreError

_COLUMNS = OwnedMachine.__struct_fields__
_OPEN = (
    f"INSERT INTO machine_spans (began_at, seen_until, {', '.join(_COLUMNS)}) "  # noqa: S608 (fixed names)
    f"VALUES ({', '.join('?' * (len(_COLUMNS) + 2))}) RETURNING id"
)
_SEEN = "UPDATE machine_spans SET seen_until = ? WHERE id = ? AND seen_until < ?"


class MachineRecord:
    """The writing side of one gateway, beside its journal: a short transaction of its own each time machines are seen."""

    def __init__(self, place: LedgerPlace) -> None:
        self._place = place
        self._spans: dict[OwnedMachine, int] = {}

    def seen(self, machines: Iterable[OwnedMachine], now: float) -> None:
        """These machines are there now (Unix seconds), and those of the last time were until now. Raises LedgerUnavailable.

        What could not be written is made up for by the next time that works: a span only ever moves on.
        """
        there = set(machines)
        if not there and not self._spans:
            return
        try:
            with closing(connected(self._place, read_only=False)) as db, db.transaction():
                db.run_many(_SEEN, [(now, span, now) for span in self._spans.values()])
                fresh = {machine: _opened(db, machine, now) for machine in there - self._spans.keys()}
        except StoreError as error:
            raise LedgerUnavailable(f"the machines cannot be written: {error}") from None
        self._spans = {machine: span for machine, span in (self._spans | fresh).items() if machine in there}


def _opened(db: Connection, machine: OwnedMachine, now: float) -> int:
    ((span,),) = db.rows(_OPEN, (now, now, *(getattr(machine, name) for name in _COLUMNS)))
    return int(span)
