"""Money set aside before a call: in memory where that suffices, in every account or in none, and free again afterwards."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_entries import entry

from freehold.core.errors import BudgetSpent, LedgerUnavailable
from freehold.rules.budget import Account, Budget
from freehold.serve.access.purse import LEASE_S, Held, Purse
from freehold.serve.access.slices import Slice
from freehold.serve.stores.budget_leases import BudgetLeases, Granted
from freehold.serve.stores.opening import open_store

LIMIT = 16_000
NOW = 4_070_000_000.0  # in December 2098


def account(owner: str = "shared", limit: int = LIMIT, *, hard: bool = True) -> Account:
    budget = Budget(name=owner, scope="team", match=owner, period="month", limit_nanousd=limit, hard=hard)
    return Account(budget, owner, "2099-01")


class Counted(BudgetLeases):
    """The real accounts, asked how often; out of reach while `away`."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.place = place
        self.asked = 0
        self.away = False

    def lease(self, account: Account, held: str | None, need_nanousd: int, now: float, until: float) -> Granted:
        self.asked += 1
        if self.away:
            raise LedgerUnavailable("away")
        return super().lease(account, held, need_nanousd, now, until)

    def renew(self, leases: Sequence[str], now: float, until: float) -> set[str]:  # type: ignore[override]
        if self.away:
            raise LedgerUnavailable("away")
        return super().renew(leases, now, until)

    def reserved(self, now: float = NOW) -> dict[str, int]:
        with closing(BudgetLeases(self.place)) as leases:
            return {total.owner: total.reserved_nanousd for total in leases.totals(now, ("2099-01", "2099-01"))}


class House:
    """A purse over a ledger, and the clock of both."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"
        open_store(self.path).close()
        self.now = NOW
        self.leases = Counted(self.path)
        self.purse = Purse(self.leases, lambda: self.now, lambda: self.now)

    def book(self, held: Held, cost: int) -> None:
        """As the gateway does: the entry, then the purse."""
        with closing(open_store(self.path)) as store:
            store.write([entry(f"fh-{self.now}-{id(held)}", cost_nanousd=cost, charges=held.charges())])
        self.purse.settle(held, cost)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path)
    yield made
    made.leases.away = False
    await made.purse.close()


async def test_most_requests_wait_for_no_database(house: House) -> None:
    for _ in range(100):
        house.purse.settle(await house.purse.hold([account()], 100), 0)
    assert house.leases.asked == 1
    assert house.leases.reserved() == {"shared": LIMIT // 16}, "a share of what is left, not all of it"


async def test_a_request_beyond_what_is_left_is_refused_and_a_smaller_one_is_not(house: House) -> None:
    await house.purse.hold([account()], LIMIT - 500)
    with pytest.raises(BudgetSpent, match=r"budget 'shared' of \$0.00 a month has \$0.000000 left"):
        await house.purse.hold([account()], 501)
    held = await house.purse.hold([account()], 500)
    assert [charge.owner for charge in held.charges()] == ["shared"]


async def test_refusals_do_not_all_ask_the_database(house: House) -> None:
    await house.purse.hold([account()], LIMIT)
    for _ in range(50):
        with pytest.raises(BudgetSpent):
            await house.purse.hold([account()], 10)
    assert house.leases.asked == 2
    house.now += 0.3
    with pytest.raises(BudgetSpent):
        await house.purse.hold([account()], 10)
    assert house.leases.asked == 3


async def test_in_every_account_or_in_none(house: House) -> None:
    wide, narrow = account("a"), account("b", 100)
    with pytest.raises(BudgetSpent):
        await house.purse.hold([wide, narrow], 200)
    assert len((await house.purse.hold([wide, narrow], 100)).parts) == 2
    with pytest.raises(BudgetSpent):
        await house.purse.hold([wide, narrow], 1)
    await house.purse.hold([wide], LIMIT - 100)


async def test_what_it_did_not_cost_is_free_again(house: House) -> None:
    for _ in range(20):
        house.now += 1
        house.book(await house.purse.hold([account()], LIMIT // 2), 100)
    with closing(BudgetLeases(house.path)) as leases:
        (total,) = leases.totals(house.now, ("2099-01", "2099-01"))
    assert total.spent_nanousd == 2_000
    assert total.spent_nanousd + total.reserved_nanousd <= LIMIT


async def test_a_budget_that_warns_refuses_nobody(house: House) -> None:
    soft = account(hard=False)
    assert (await house.purse.hold([soft], LIMIT)).over == ()
    held = await house.purse.hold([soft], 10)
    assert held.over == ("shared",)
    house.book(held, 10)
    with closing(BudgetLeases(house.path)) as leases:
        assert leases.totals(NOW, ("2099-01", "2099-01"))[0].spent_nanousd == 10
    house.leases.away = True
    house.now += LEASE_S
    assert (await house.purse.hold([soft], 10)).over == ("shared",)


async def test_money_fails_closed(house: House) -> None:
    house.leases.away = True
    with pytest.raises(LedgerUnavailable):
        await house.purse.hold([account()], 10)
    house.leases.away = False
    await house.purse.hold([account()], 10)


async def test_a_slice_that_is_not_kept_alive_is_given_up_before_it_expires(house: House) -> None:
    await house.purse.hold([account()], 10)
    house.leases.away = True
    house.now += LEASE_S / 2
    await house.purse.beat()
    await house.purse.hold([account()], 10)
    house.now += LEASE_S / 2 - 5
    with pytest.raises(LedgerUnavailable):
        await house.purse.hold([account()], 10)


async def test_a_long_request_keeps_its_lease(house: House) -> None:
    held = await house.purse.hold([account()], 700)
    for _ in range(30):
        house.now += 10
        await house.purse.beat()
    assert house.leases.reserved(house.now)["shared"] == 700, "what is idle was given back, what is in flight was not"
    house.book(held, 700)
    assert house.leases.reserved(house.now)["shared"] == 0


async def test_a_cost_beyond_the_bound_is_counted(house: House) -> None:
    house.book(await house.purse.hold([account()], 100), 5_000)
    assert (house.purse.overruns, house.purse.overrun_nanousd) == (1, 4_900)
    left = LIMIT - 5_000
    await house.purse.hold([account()], left)
    with pytest.raises(BudgetSpent):
        await house.purse.hold([account()], 1)


async def test_a_caller_that_leaves_while_it_waits_holds_nothing(house: House) -> None:
    waiting = [asyncio.create_task(house.purse.hold([account()], 600)) for _ in range(20)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    assert all(isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*waiting, return_exceptions=True))
    await house.purse.hold([account()], LIMIT)


async def test_a_period_that_is_over_is_forgotten(house: House) -> None:
    old = msgspec.structs.replace(account(), period="2098-11")
    await house.purse.hold([account()], 100)
    house.purse.settle(await house.purse.hold([old], 100), 0)
    assert set(house.purse.remaining()) == {"shared"}
    await house.purse.beat()
    await house.purse.hold([old], 100)
    assert house.leases.asked == 3


async def test_an_ordered_end_gives_everything_back(tmp_path: Path) -> None:
    house = House(tmp_path)
    await house.purse.hold([account()], 100)
    await house.purse.close()
    assert house.leases.reserved() == {"shared": 0}


@settings(max_examples=2 * settings().max_examples)
@given(st.lists(st.tuples(st.integers(1, 100), st.floats(0, 1)), max_size=30), st.integers(0, 2_000))
def test_a_slice_spends_no_more_than_it_has(steps: list[tuple[int, float]], amount: int) -> None:
    piece = Slice("one")
    piece.free_nanousd, piece.deadline = amount, 1.0
    spent, waiting = 0, []
    for bound, share in steps:
        if piece.take(bound, 0.0):
            waiting.append((bound, int(bound * share)))
        if len(waiting) > 2:
            held, cost = waiting.pop(0)
            piece.put(held, cost)
            spent += cost
        assert piece.free_nanousd >= 0
        assert piece.held_nanousd == amount - spent
        assert piece.open_nanousd == sum(bound for bound, _ in waiting)
    assert not piece.take(1, 1.0), "its time is over"
