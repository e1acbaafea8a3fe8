"""Money set aside before a call: reserved in memory from slices that this process has leased from each budget's account.

A slice is a bounded part of what is left, so that most requests wait for no database; when little is left, each goes there. A
process that dies leaves its slices to expire. What a reservation cost is booked with its entry, not here.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import msgspec
import structlog

from freehold.core.entry import Charge
from freehold.core.errors import BudgetSpent, LedgerUnavailable
from freehold.core.money import show
from freehold.rules.budget import Account, period_end
from freehold.serve.access.slices import Slice
from freehold.serve.stores.budget_leases import Granted

LEASE_S = 30.0
BEAT_S = 2.0
_MARGIN_S = 10.0  # a slice is given up here before it expires there, by clocks that may differ by so much
_REFUSED_S = 0.25  # how long an account is taken to have no more than it had when it refused
_log = structlog.get_logger("freehold.budgets")
_T = TypeVar("_T")


class LeaseStore(Protocol):
    """The accounts. All raise LedgerUnavailable."""

    def lease(self, account: Account, held: str | None, need_nanousd: int, now: float, until: float) -> Granted:
        """At least so much more, on the lease that is held or on a new one, until then."""
        ...

    def renew(self, leases: Sequence[str], now: float, until: float) -> set[str]:
        """Those that are still open stay so until then."""
        ...

    def give_back(self, unused: Sequence[tuple[str, int]], closed: Sequence[str] = ()) -> None:
        """So much of these leases, and all of those."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


class Held(msgspec.Struct, frozen=True):
    """What one request may spend. `over` names budgets that only warn and are spent."""

    amount_nanousd: int = 0
    parts: tuple[tuple[Account, Slice | None], ...] = ()
    over: tuple[str, ...] = ()

    def charges(self) -> tuple[Charge, ...]:
        """Where the entry's cost is to be booked."""
        return tuple(Charge(a.owner, a.period, None if s is None else s.lease) for a, s in self.parts)


class Purse:
    """All slices of one process. Used from one event loop; the store from one thread of its own."""

    def __init__(self, store: LeaseStore, monotonic: Callable[[], float], now: Callable[[], float]) -> None:
        self._store = store
        self._monotonic = monotonic
        self._now = now
        self._pockets: dict[tuple[str, str], _Pocket] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="freehold-budgets")
        self._running: set[asyncio.Task[bool]] = set()
        self.overruns = 0
        self.overrun_nanousd = 0

    async def hold(self, accounts: Sequence[Account], amount_nanousd: int) -> Held:
        """Set the amount aside in every account, or in none.

        Raises BudgetSpent where a hard budget has less left, LedgerUnavailable where nobody can say whether it has.
        """
        parts: list[tuple[Account, Slice | None]] = []
        over: list[str] = []
        try:
            for account in accounts:
                piece = self._take(account, amount_nanousd) or await self._wait_for(account, amount_nanousd)
                if piece is None and account.budget.hard:
                    raise self._spent(account, amount_nanousd)
                if piece is None:
                    over.append(account.budget.name)
                parts.append((account, piece))
        except BaseException:  # a refusal, or the caller's hang-up: what was set aside already is free again
            self.settle(Held(amount_nanousd, tuple(parts)), 0)
            raise
        return Held(amount_nanousd, tuple(parts), tuple(over))

    def settle(self, held: Held, cost_nanousd: int) -> None:
        """The request is over and its entry, which books the cost, durable: what it did not cost is free again."""
        for account, piece in held.parts:
            if piece is not None:
                piece.put(held.amount_nanousd, cost_nanousd)
                if account.budget.hard and cost_nanousd > held.amount_nanousd:
                    self.overruns += 1
                    self.overrun_nanousd += cost_nanousd - held.amount_nanousd
                    excess = cost_nanousd - held.amount_nanousd
                    _log.warning("a request cost more than was set aside", budget=account.budget.name, excess_nanousd=excess)

    def remaining(self) -> Mapping[str, float]:
        """By budget, the least share of its limit that any owner has left, as this process last heard."""
        least: dict[str, float] = {}
        for pocket in self._pockets.values():
            budget = pocket.account.budget
            left = pocket.left_nanousd + (pocket.slice.held_nanousd if pocket.slice else 0)
            share = max(0.0, left / budget.limit_nanousd) if budget.limit_nanousd else 0.0
            least[budget.name] = min(share, least.get(budget.name, 1.0))
        return least

    async def beat(self) -> None:
        """Keep slices that are in use, give back those that are not, forget periods that are over."""
        now, at = self._now(), self._monotonic()
        for key, pocket in list(self._pockets.items()):
            if period_end(pocket.account) + LEASE_S < now and (pocket.slice is None or pocket.slice.open == 0):
                del self._pockets[key]  # what is left of its lease expires
        slices = [pocket.slice for pocket in self._pockets.values() if pocket.slice is not None and pocket.slice.deadline > at]
        idle = [(piece.lease, piece.take_idle()) for piece in slices]
        back = [(lease, amount) for lease, amount in idle if amount > 0]
        try:
            if back:
                await self._in_thread(lambda: self._store.give_back(back))
                back = []
            aging = [piece for piece in slices if piece.deadline - at < LEASE_S / 2 and piece.held_nanousd > 0]
            if aging:
                open_ = await self._in_thread(lambda: self._store.renew([p.lease for p in aging], now, now + LEASE_S))
                for piece in aging:
                    piece.deadline = at + LEASE_S - _MARGIN_S if piece.lease in open_ else at
        except LedgerUnavailable as error:
            _log.warning("budgets not renewed", problem=error.message)
            unreturned = dict(back)
            for piece in slices:
                piece.free_nanousd += unreturned.get(piece.lease, 0)

    async def close(self) -> None:
        """Give everything back and let go of the store."""
        leases = [pocket.slice.lease for pocket in self._pockets.values() if pocket.slice is not None]
        self._pockets.clear()
        try:
            if leases:
                await self._in_thread(lambda: self._store.give_back([], leases))
        except LedgerUnavailable as error:
            _log.warning("budgets not given back; they expire", problem=error.message)
        await self._in_thread(self._store.close)
        self._thread.shutdown(wait=False)

    def _take(self, account: Account, amount_nanousd: int) -> Slice | None:
        """From memory, where it suffices."""
        pocket = self._pockets.get((account.owner, account.period))
        if pocket is None or pocket.slice is None or not pocket.slice.take(amount_nanousd, self._monotonic()):
            return None
        return pocket.slice

    async def _wait_for(self, account: Account, amount_nanousd: int) -> Slice | None:
        """From memory after the store has been asked for more, as often as others were faster; None: refused."""
        pocket = self._pockets.setdefault((account.owner, account.period), _Pocket(account))
        while (piece := self._take(account, amount_nanousd)) is None:
            # Not ended with its caller: what it leases would be lost until it expires.
            task = asyncio.ensure_future(self._more(pocket, account, amount_nanousd))
            self._running.add(task)
            task.add_done_callback(self._done)
            try:
                if not await asyncio.shield(task):
                    return None
            except LedgerUnavailable:
                if account.budget.hard:
                    raise
                return None
        return piece

    async def _more(self, pocket: "_Pocket", account: Account, need_nanousd: int) -> bool:
        """Lease more; False where the account has less left than is needed."""
        async with pocket.lock:
            at, now = self._monotonic(), self._now()
            held = pocket.slice if pocket.slice is not None and pocket.slice.deadline > at else None
            short = need_nanousd - (0 if held is None else held.free_nanousd)
            if short <= 0:
                return True
            if at < pocket.refused_until and short > pocket.left_nanousd:
                return False
            lease = None if held is None else held.lease
            granted = await self._in_thread(lambda: self._store.lease(account, lease, short, now, now + LEASE_S))
            pocket.account, pocket.left_nanousd = account, granted.left_nanousd - granted.amount_nanousd
            if granted.lease is None:
                pocket.refused_until = self._monotonic() + _REFUSED_S
                return False
            if held is None or held.lease != granted.lease:
                pocket.slice = held = Slice(granted.lease)
            held.free_nanousd += granted.amount_nanousd
            held.deadline = at + LEASE_S - _MARGIN_S
            return True

    def _spent(self, account: Account, amount_nanousd: int) -> BudgetSpent:
        left = self._pockets[account.owner, account.period].left_nanousd
        budget = account.budget
        return BudgetSpent(
            f"budget {budget.name!r} of {show(budget.limit_nanousd)} a {budget.period} has {show(max(0, left), 6)} left, and "
            f"this request may cost {show(amount_nanousd, 6)}; ask for fewer tokens, or wait for the next {budget.period}",
            scope=budget.scope,
        )

    def _done(self, task: "asyncio.Task[bool]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever still waits; nobody may

    def _in_thread(self, step: Callable[[], _T]) -> "asyncio.Future[_T]":
        return asyncio.get_running_loop().run_in_executor(self._thread, step)


class _Pocket:
    """One account as this process knows it."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.slice: Slice | None = None
        self.left_nanousd = account.budget.limit_nanousd
        self.refused_until = 0.0
        self.lock = asyncio.Lock()
