"""The ledger in one schema of a PostgreSQL database, for several gateways at once: one committed transaction for each batch."""

import random
import time
from collections.abc import Callable, Sequence

import structlog

from freehold.core.entry import Entry
from freehold.core.errors import BadSettings, LedgerUnavailable
from freehold.serve.stores.bookings import SPEND, TAKE, lease_rows, spent_rows
from freehold.serve.stores.entry_rows import ATTEMPT_COLUMNS, ENTRY_COLUMNS, attempt_row, entry_row, price_id, price_row
from freehold.serve.stores.place import PostgresPlace, StoreError
from freehold.serve.stores.postgres_schema import check, prepare
from freehold.serve.stores.postgres_session import PostgresSession

_INSERT_PRICE = "INSERT INTO prices VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING"
_PROBE = "INSERT INTO probe VALUES (1, now()) ON CONFLICT (id) DO UPDATE SET at = excluded.at"
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 8.0
_UNREACHABLE = "the ledger cannot be written: its database cannot be reached"
_log = structlog.get_logger("freehold.ledger")


class PostgresStore:
    """An EntryStore. Used from the journal's one thread; readers have connections of their own."""

    def __init__(self, place: PostgresPlace) -> None:
        """Connect, and make the tables where there are none. Raises BadSettings when that cannot be a ledger of ours."""
        self._place = place
        try:
            self._session = _session(place, prepare)
        except StoreError as error:
            raise BadSettings(f"ledger {place}: {error}") from None
        self._known_prices: set[str] = set()
        self._wait_s, self._not_before = 0.0, 0.0

    def write(self, entries: Sequence[Entry]) -> None:
        """All entries in one committed, fsynced transaction, or none. Raises LedgerUnavailable.

        Where the connection breaks while it commits, the entries may stand there all the same.
        """
        cards = {price_id(a.price): a.price for e in entries for a in e.attempts if a.price is not None}
        tables = (
            ("entries", ENTRY_COLUMNS, [entry_row(e) for e in entries]),
            ("attempts", ATTEMPT_COLUMNS, [attempt_row(e.id, n, a) for e in entries for n, a in enumerate(e.attempts)]),
        )

        def put(session: PostgresSession) -> None:
            # In one order, or else two gateways could wait for each other.
            if fresh := sorted(cards.keys() - self._known_prices):
                session.run_many(_INSERT_PRICE, [price_row(ident, cards[ident]) for ident in fresh])
            for table, columns, rows in tables:
                session.copy_in(table, columns, rows)
            for statement, values in ((SPEND, spent_rows(entries)), (TAKE, lease_rows(entries))):
                if values:
                    session.run_many(statement, values)

        self._commit(put)
        self._known_prices.update(cards)

    def probe(self) -> None:
        """A committed write of nothing that matters. Raises LedgerUnavailable."""
        self._commit(lambda session: session.run(_PROBE))

    def close(self) -> None:
        """What was not committed is gone."""
        self._session.close()

    def _commit(self, put: Callable[[PostgresSession], None]) -> None:
        """Where the connection turns out to be lost before anything can be committed, as after a restart of the server, once
        more over a new one."""
        for first in (True, False):
            session = self._connected()
            try:
                put(session)
            except StoreError as error:
                session.roll_back()
                if first and session.lost:
                    continue
                raise self._unwritable(error) from None
            except BaseException:  # a transaction left open would take the next one with it
                session.roll_back()
                raise
            try:
                session.commit()
            except StoreError as error:
                session.roll_back()
                raise self._unwritable(error) from None
            return

    def _connected(self) -> PostgresSession:
        """The connection, or a new one in place of a lost one; not more often than is good for a server that comes back."""
        if not self._session.lost:
            return self._session
        if time.monotonic() < self._not_before:
            raise LedgerUnavailable(_UNREACHABLE)
        try:
            session = _session(self._place, check)
        except StoreError as error:
            # Gateways that lost their server together do not come back together.
            self._wait_s = min(_LONGEST_WAIT_S, 2 * self._wait_s or _FIRST_WAIT_S)
            self._not_before = time.monotonic() + self._wait_s * random.uniform(0.5, 1.0)
            _log.warning("the ledger cannot be reached", problem=str(error))
            raise LedgerUnavailable(_UNREACHABLE) from None
        self._wait_s, self._session = 0.0, session
        self._known_prices.clear()  # it may be another server, that took over without the last of them
        _log.info("the ledger is reached again")
        return session

    def _unwritable(self, error: StoreError) -> LedgerUnavailable:
        """What callers are told: nothing of the server and its address, which the log has."""
        if self._session.lost:
            _log.warning("the ledger's connection is lost", problem=str(error))
            return LedgerUnavailable(_UNREACHABLE)
        return LedgerUnavailable(f"the ledger cannot be written: {error}")


def _session(place: PostgresPlace, ready: Callable[[PostgresSession], None]) -> PostgresSession:
    session = PostgresSession(place, read_only=False)
    try:
        ready(session)
    except StoreError:
        session.close()
        raise
    return session
