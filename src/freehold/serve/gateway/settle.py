"""Usage to cost to one durable ledger entry. Runs for every admitted request, however it ended."""

from datetime import UTC, datetime

from freehold.core.entry import Attempt
from freehold.rules.price import cost_nanousd
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.record import Record


async def settle(record: Record, gateway: Gateway) -> None:
    """Price every attempt, sum them into the entry, and wait until it is durable. Raises LedgerUnavailable."""
    if not record.opened:
        return
    entry = record.entry
    for attempt in entry.attempts:
        _price(attempt, record, gateway)
    entry.cost_nanousd = sum(attempt.cost_nanousd for attempt in entry.attempts)
    if entry.attempts:
        entry.usage = entry.attempts[-1].usage
    record.priced = True
    await gateway.ledger.append(entry)


def _price(attempt: Attempt, record: Record, gateway: Gateway) -> None:
    """What the bill will say for one attempt.

    A target that began to answer, or whose caller left while it worked, bills even where no usage came: that is counted
    here and marked estimated.
    """
    if attempt.usage is None and (attempt.status == 200 or attempt.outcome == "cancelled"):
        attempt.usage = record.estimated_usage(attempt)
    if attempt.usage is None:
        return
    day = datetime.fromtimestamp(record.received_at, UTC).date()
    attempt.price = gateway.policy.price(gateway.policy.targets[attempt.target], day)
    if attempt.price is not None:
        attempt.cost_nanousd = cost_nanousd(attempt.price, attempt.usage)
