"""Budgets in the ledger's database: what each account has spent, and leases on what is left of it, each until it expires.

What is reserved is the sum of the open leases, never a number of its own. One account is changed by one transaction at a time,
because each locks its row first.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from freehold.core.errors import LedgerUnavailable
from freehold.core.ids import request_id
from freehold.rules.budget import Account
from freehold.serve.stores.connection import Connection
from freehold.serve.stores.opening import connected
from freehold.serve.stores.place import LedgerPlace, StoreError

SHARES = 16  # a lease is at most this part of what is left, or the one request it is for

_ACCOUNT = "INSERT INTO budget_spent (owner, period, spent_nanousd) VALUES (?, ?, 0) ON CONFLICT DO NOTHING"
_LOCK = "UPDATE budget_spent SET spent_nanousd = spent_nanousd WHERE owner = ? AND period = ? RETURNING spent_nanousd"
_REAP = "DELETE FROM budget_leases WHERE owner = ? AND expires_at <= ?"
_RESERVED = "SELECT coalesce(sum(amount_nanousd), 0) FROM budget_leases WHERE owner = ? AND period = ?"
_MORE = "UPDATE budget_leases SET amount_nanousd = amount_nanousd + ?, expires_at = ? WHERE id = ? RETURNING id"
_OPEN = "INSERT INTO budget_leases (id, owner, period, amount_nanousd, expires_at) VALUES (?, ?, ?, ?, ?)"
_RENEW = "UPDATE budget_leases SET expires_at = ? WHERE id = ? AND expires_at > ? RETURNING id"
_LESS = """UPDATE budget_leases SET amount_nanousd = CASE WHEN amount_nanousd > ? THEN amount_nanousd - ? ELSE 0 END
    WHERE id = ?"""
_CLOSE = "DELETE FROM budget_leases WHERE id = ?"
_TOTALS = """SELECT s.owner, s.period, s.spent_nanousd, coalesce((SELECT sum(l.amount_nanousd) FROM budget_leases l
    WHERE l.owner = s.owner AND l.period = s.period AND l.expires_at > ?), 0) FROM budget_spent s
    WHERE s.period IN (?, ?) ORDER BY s.owner, s.period"""
_T = TypeVar("_T")


class Granted(msgspec.Struct, frozen=True):
    """`lease` holds `amount_nanousd` more now; None: refused. `left_nanousd` is what the account still had before."""

    lease: str | None
    amount_nanousd: int
    left_nanousd: int


class Total(msgspec.Struct, frozen=True):
    """One account as the database has it."""

    owner: str
    period: str
    spent_nanousd: int
    reserved_nanousd: int


class BudgetLeases:
    """One gateway's way to the accounts; used from one thread. All raise LedgerUnavailable and change nothing then."""

    def __init__(self, place: LedgerPlace) -> None:
        self._place = place
        self._db: Connection | None = None

    def lease(self, account: Account, held: str | None, need_nanousd: int, now: float, until: float) -> Granted:
        """At least `need_nanousd` of what is left, and up to a share of it, added to the lease that is held already where that
        is still open, else as a new one. Times in Unix seconds."""
        where = (account.owner, account.period)

        def take(db: Connection) -> Granted:
            db.run(_ACCOUNT, where)
            ((spent,),) = db.rows(_LOCK, where)
            db.run(_REAP, (account.owner, now))
            ((reserved,),) = db.rows(_RESERVED, where)
            left = account.budget.limit_nanousd - spent - reserved
            if left < need_nanousd:
                return Granted(None, 0, left)
            amount = max(need_nanousd, left // SHARES)
            if held is not None and db.rows(_MORE, (amount, until, held)):
                return Granted(held, amount, left)
            fresh = request_id(now)
            db.run(_OPEN, (fresh, *where, amount, until))
            return Granted(fresh, amount, left)

        return self._done(take)

    def renew(self, leases: Iterable[str], now: float, until: float) -> set[str]:
        """Those that were still open; they are open until then."""
        return self._done(lambda db: {lease for lease in sorted(leases) if db.rows(_RENEW, (until, lease, now))})

    def give_back(self, unused: Sequence[tuple[str, int]], closed: Sequence[str] = ()) -> None:
        """So much of each of these leases, and those that are done for altogether."""

        def give(db: Connection) -> None:
            db.run_many(_LESS, [(amount, amount, lease) for lease, amount in sorted(unused)])
            db.run_many(_CLOSE, [(lease,) for lease in sorted(closed)])

        self._done(give)

    def totals(self, now: float, periods: tuple[str, str]) -> list[Total]:
        """Every account of these periods, by owner."""
        return self._done(lambda db: [Total(*row) for row in db.rows(_TOTALS, (now, *periods))])

    def close(self) -> None:
        """Let go of the database."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _done(self, step: Callable[[Connection], _T]) -> _T:
        """In one transaction; over a new connection where the old one turns out to be lost."""
        for first in (self._db is not None, False):
            try:
                if self._db is None:
                    self._db = connected(self._place, read_only=False)
                with self._db.transaction():
                    return step(self._db)
            except StoreError as error:
                self.close()
                if not first:
                    raise LedgerUnavailable(f"the budgets cannot be read: {error}", retry_after_s=1) from None
        raise AssertionError("the second try answers or raises")
