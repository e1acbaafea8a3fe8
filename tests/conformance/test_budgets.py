"""The contract of the budgets' accounts, held by every store: nothing is overspent, lost or counted twice, whoever dies."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from budget_worker import BOUND_NANOUSD, account, spend
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from ledger_entries import entry
from postgres_cluster import Cluster

from freehold.app.ledgers import named_ledger
from freehold.core.entry import Charge
from freehold.core.errors import LedgerUnavailable
from freehold.serve.access.purse import LEASE_S
from freehold.serve.stores.budget_leases import BudgetLeases, Total
from freehold.serve.stores.opening import open_store, reading

NOW = 4_000_000_000.0
AFFORDED = 50
LIMIT = AFFORDED * BOUND_NANOUSD


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty ledger's name, with its tables made."""
    if request.param == "sqlite":
        name = str(tmp_path / "ledger.db")
    else:
        cluster: Cluster = request.getfixturevalue("cluster")
        name = cluster.fresh()
    open_store(named_ledger(name)).close()
    return name


def total(ledger: str, now: float) -> Total:
    with closing(BudgetLeases(named_ledger(ledger))) as leases:
        (found,) = leases.totals(now, ("2099-01", "2099-01"))
    return found


def billed(ledger: str) -> int:
    """What the entries say, whatever the accounts do."""
    with reading(named_ledger(ledger)) as db:
        return int(db.rows("SELECT coalesce(sum(cost_nanousd), 0) FROM entries")[0][0])


def work(ledger: str, requests: int, names: Sequence[str], *flags: str) -> list[subprocess.Popen[bytes]]:
    """Worker processes, started together."""
    script = Path(__file__).parents[1] / "budget_worker.py"
    return [
        subprocess.Popen(
            [sys.executable, script, ledger, str(LIMIT), str(requests), name, *flags], stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(script.parent)},
        )
        for name in names
    ]  # fmt: skip


async def test_two_hundred_at_once_against_a_budget_for_fifty(ledger: str) -> None:
    assert await spend(ledger, LIMIT, 200, "one", False) == AFFORDED
    assert billed(ledger) == total(ledger, 0).spent_nanousd == LIMIT


def test_four_processes_and_one_budget(ledger: str) -> None:
    workers = work(ledger, 50, ("a", "b", "c", "d"))
    served = [int(worker.communicate(timeout=60)[0]) for worker in workers]
    assert billed(ledger) == sum(served) * BOUND_NANOUSD == total(ledger, 0).spent_nanousd
    assert AFFORDED // 2 <= sum(served) <= AFFORDED
    assert total(ledger, 0).reserved_nanousd == 0, "whoever ends in order gives everything back"


def test_a_killed_process_loses_its_leases_and_nothing_else(ledger: str) -> None:
    (worker,) = work(ledger, 20, ("a",), "die")
    worker.communicate(timeout=60)
    assert worker.returncode == -9
    left = total(ledger, 0)
    assert left.spent_nanousd == billed(ledger) == 10 * BOUND_NANOUSD
    assert left.reserved_nanousd >= 10 * BOUND_NANOUSD, "what was in flight is still set aside"
    with closing(BudgetLeases(named_ledger(ledger))) as leases:
        everything = LIMIT - left.spent_nanousd
        assert leases.lease(account(LIMIT), None, everything, NOW, NOW + LEASE_S).amount_nanousd == everything
    assert total(ledger, NOW).reserved_nanousd == everything


def test_an_entry_that_is_refused_is_not_booked(ledger: str) -> None:
    """The two are one transaction."""
    with closing(open_store(named_ledger(ledger))) as store, closing(BudgetLeases(named_ledger(ledger))) as leases:
        granted = leases.lease(account(LIMIT), None, 100, NOW, NOW + 30)
        one = entry("fh-1", cost_nanousd=60, charges=(Charge("shared", "2099-01", granted.lease),))
        store.write([one])
        with pytest.raises(LedgerUnavailable):
            store.write([one])
    assert total(ledger, NOW).spent_nanousd == 60
    assert total(ledger, NOW).reserved_nanousd == granted.amount_nanousd - 60


def test_a_late_bill_is_counted_though_its_lease_has_expired(ledger: str) -> None:
    with closing(open_store(named_ledger(ledger))) as store, closing(BudgetLeases(named_ledger(ledger))) as leases:
        late = leases.lease(account(LIMIT), None, LIMIT, NOW, NOW + 30)
        again = leases.lease(account(LIMIT), late.lease, LIMIT, NOW + 31, NOW + 60)
        assert again.lease != late.lease
        store.write([entry("fh-1", cost_nanousd=70, charges=(Charge("shared", "2099-01", late.lease),))])
        assert leases.renew([late.lease or "", again.lease or ""], NOW + 32, NOW + 90) == {again.lease}
    after = total(ledger, NOW + 32)
    assert (after.spent_nanousd, after.reserved_nanousd) == (70, LIMIT), "beyond the limit, and said so"


class Accounts(RuleBasedStateMachine):
    """Two gateways' worth of steps in any order, against a model that is a dictionary."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger.db"
        self.store, self.leases = open_store(self.path), BudgetLeases(self.path)
        self.now, self.written, self.spent, self.beyond = NOW, 0, 0, 0
        self.open: dict[str, list[float]] = {}  # lease -> amount, expiry

    def _expire(self) -> None:
        self.open = {lease: state for lease, state in self.open.items() if state[1] > self.now}

    @rule(need=st.integers(1, LIMIT), pick=st.integers(0, 9), seconds=st.floats(1, 60))
    def lease(self, need: int, pick: int, seconds: float) -> None:
        self._expire()
        held = sorted(self.open)[pick] if pick < len(self.open) else None
        left = LIMIT - self.spent - sum(amount for amount, _ in self.open.values())
        granted = self.leases.lease(account(LIMIT), held, need, self.now, self.now + seconds)
        assert granted.left_nanousd == left
        assert (granted.lease is None) == (need > left)
        if granted.lease is not None:
            assert need <= granted.amount_nanousd <= max(need, left // 16)
            assert (granted.lease == held) == (held is not None)
            before = self.open.get(granted.lease, [0, 0.0])[0]
            self.open[granted.lease] = [before + granted.amount_nanousd, self.now + seconds]

    @rule(pick=st.integers(0, 3), cost=st.integers(1, LIMIT // 4), gone=st.booleans())
    def bill(self, pick: int, cost: int, gone: bool) -> None:
        """A request under one of the leases, of what it was given or more; or under one that is long gone."""
        lease = "gone" if gone or pick >= len(self.open) else sorted(self.open)[pick]
        state = self.open.get(lease, [0, 0.0])
        self.written += 1
        charges = (Charge("shared", "2099-01", lease),)
        self.store.write([entry(f"fh-{self.written}", cost_nanousd=cost, charges=charges)])
        self.spent += cost
        taken = min(cost, int(state[0])) if state[1] > self.now else 0
        state[0] -= min(cost, int(state[0]))
        self.beyond += cost - taken

    @rule(pick=st.integers(0, 3), amount=st.integers(0, LIMIT), close=st.booleans())
    def give_back(self, pick: int, amount: int, close: bool) -> None:
        if pick < len(self.open):
            lease = sorted(self.open)[pick]
            self.leases.give_back([(lease, amount)], [lease] if close else [])
            self.open[lease][0] = max(0, self.open[lease][0] - amount)
            if close:
                del self.open[lease]

    @rule(seconds=st.floats(1, 60))
    def renew(self, seconds: float) -> None:
        self._expire()
        assert self.leases.renew([*self.open, "gone"], self.now, self.now + seconds) == set(self.open)
        for state in self.open.values():
            state[1] = self.now + seconds

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def reserved_is_the_sum_of_the_open_leases(self) -> None:
        found = self.leases.totals(self.now, ("2099-01", "2099-01"))
        spent, reserved = (found[0].spent_nanousd, found[0].reserved_nanousd) if found else (0, 0)
        assert spent == self.spent == billed(str(self.path))
        assert reserved == sum(amount for amount, expiry in self.open.values() if expiry > self.now) >= 0
        assert spent + reserved <= LIMIT + self.beyond, "only what was billed beyond a lease is beyond the limit"

    def teardown(self) -> None:
        self.leases.close()
        self.store.close()
        self.folder.cleanup()


TestAccounts = Accounts.TestCase
TestAccounts.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
