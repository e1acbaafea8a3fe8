"""A process that spends from one budget as a gateway does: reserve, wait a little, write the entry, settle.

`python budget_worker.py LEDGER LIMIT REQUESTS NAME [die]`; with `die` it is killed while half of its requests are in flight.
"""

import asyncio
import os
import signal
import sys
import time
from contextlib import closing

from ledger_entries import entry

from freehold.app.ledgers import named_ledger
from freehold.core.errors import BudgetSpent
from freehold.core.ids import request_id
from freehold.rules.budget import Account, Budget
from freehold.serve.access.purse import Purse
from freehold.serve.ledger.journal import Journal
from freehold.serve.stores.budget_leases import BudgetLeases
from freehold.serve.stores.opening import open_store

BOUND_NANOUSD = 1_000


def account(limit_nanousd: int) -> Account:
    """The one that all of them spend from, in a period of its own."""
    budget = Budget(name="shared", scope="team", match="red", period="month", limit_nanousd=limit_nanousd)
    return Account(budget, "shared", "2099-01")


async def spend(ledger: str, limit_nanousd: int, requests: int, name: str, die: bool) -> int:
    """How many were served."""
    place = named_ledger(ledger)
    with closing(open_store(place)) as store, closing(Journal(store)) as journal:
        purse = Purse(BudgetLeases(place), time.monotonic, time.time)

        async def one(n: int) -> bool:
            try:
                held = await purse.hold([account(limit_nanousd)], BOUND_NANOUSD)
            except BudgetSpent:
                return False
            if die and n % 2:
                await asyncio.sleep(60)
            await asyncio.sleep(0.005)
            written = entry(f"{request_id(time.time())}-{name}-{n}", cost_nanousd=BOUND_NANOUSD, charges=held.charges())
            await journal.append(written)
            purse.settle(held, written.cost_nanousd)
            return True

        served = asyncio.gather(*(one(n) for n in range(requests)))
        if die:
            await asyncio.sleep(1.0)
            os.kill(os.getpid(), signal.SIGKILL)
        count = sum(await served)
        await purse.close()
    return count


if __name__ == "__main__":
    _, ledger, limit, requests, name, *rest = sys.argv
    sys.stdout.write(str(asyncio.run(spend(ledger, int(limit), int(requests), name, bool(rest)))))
