"""A ledger as the lines of a FOCUS export: rented use, owned machine hours, imported bills, and what all of them add up to."""

from collections import defaultdict
from collections.abc import Callable, Iterator

import msgspec

from freehold.rules.allocation import HOUR_S, OwnedShare
from freehold.rules.charges import Billed, charges
from freehold.serve.sinks.focus import Line, imported_line, machine_lines, rented_line
from freehold.serve.stores.allocation import AllocationReader
from freehold.serve.stores.charges import ChargesReader
from freehold.serve.stores.place import LedgerPlace

_WEEK_S = 7 * 24 * HOUR_S  # machine hours are allocated a week at a time, so that a year of them takes no more memory
_TOLD_EVERY = 1000


class BillTotals(msgspec.Struct, kw_only=True):
    """What was written and what was left out; money in nano-dollars.

    `unpriced` lines are of rented use whose price is not in the ledger; `imported_without_cost` rows stand in no line.
    """

    lines: int = 0
    rented_nanousd: int = 0
    owned_nanousd: int = 0
    imported_nanousd: int = 0
    unpriced: int = 0
    lab_attempts_left_out: int = 0
    lab_machine_hours_left_out: int = 0
    imported_without_cost: int = 0


class Bill:
    """The lines of a time. `totals` are whole once all lines were taken."""

    def __init__(self, ledger: LedgerPlace, since: float | None, until: float | None, account: str) -> None:
        """Unix seconds, both full hours; None: no limit. Raises BadSettings when there is no ledger at that place."""
        self._charges = ChargesReader(ledger, since, until)
        self._machines = AllocationReader(ledger)
        self._account = account
        self.totals = BillTotals()

    def entries(self) -> int:
        """How many entries will be read."""
        return self._charges.entries()

    def lines(self, *, lab: bool, imported: bool, progress: Callable[[int], None]) -> Iterator[Line]:
        """All lines, with those of stand-ins and of imported bills if asked. `progress` is told how many attempts were read."""
        for line in self._lines(lab, imported, progress):
            self.totals.lines += 1
            yield line

    def _lines(self, lab: bool, imported: bool, progress: Callable[[int], None]) -> Iterator[Line]:
        for charge in charges(self._attempts(lab, progress)):
            self.totals.rented_nanousd += charge.cost_nanousd
            self.totals.unpriced += charge.unit_nanousd is None
            yield rented_line(charge, self._account)
        yield from self._machine_hours(lab)
        if imported:
            self.totals.imported_without_cost = self._charges.imported_without_cost()
            for use in self._charges.imported():
                self.totals.imported_nanousd += use.cost_nanousd
                yield imported_line(use, self._account)

    def _attempts(self, lab: bool, progress: Callable[[int], None]) -> Iterator[Billed]:
        for n, attempt in enumerate(self._charges.attempts(), 1):
            if n % _TOLD_EVERY == 0:
                progress(n)
            if attempt.lab and not lab:
                self.totals.lab_attempts_left_out += 1
            else:
                yield attempt

    def _machine_hours(self, lab: bool) -> Iterator[Line]:
        seen = self._charges.machines_seen()
        start, end = seen or (0.0, 0.0)
        while start < end:
            until = min(start + _WEEK_S, end)
            hours, shares = self._machines.hours_and_shares(start, until)
            of_hour: dict[tuple[int, str], list[OwnedShare]] = defaultdict(list)
            for share in shares:
                of_hour[share.hour, share.target].append(share)
            for hour in hours:
                if hour.machine.lab and not lab:
                    self.totals.lab_machine_hours_left_out += 1
                    continue
                self.totals.owned_nanousd += hour.cost_nanousd
                yield from machine_lines(hour, of_hour[hour.hour, hour.machine.target], self._account)
            start = until
