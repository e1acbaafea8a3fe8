"""The money for a request, set aside before its first attempt. Where a budget cannot pay, owned capacity may still serve."""

import msgspec

from freehold.core.decision import Decision, Removed
from freehold.core.errors import BadRequest, BudgetSpent
from freehold.core.request import Request
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.record import Record


async def paid(decision: Decision, request: Request, gateway: Gateway, record: Record) -> Decision:
    """The decision, as far as there is money for it. Where all candidates are rented, raises BudgetSpent, or BadRequest
    where nothing bounds what it may bill; LedgerUnavailable."""
    budgets = record.policy.budgets
    if not budgets:
        return decision
    tried = decision.candidates[: record.policy.bounds.attempts]
    day = record.day
    offers = [(candidate.target, record.policy.price(candidate.target, day)) for candidate in tried]
    try:
        await gateway.admission.pay(record.admitted, budgets, request, offers, record.received_at)
    except (BudgetSpent, BadRequest) as error:
        owned = tuple(candidate for candidate in decision.candidates if not candidate.target.rented)
        if not owned:
            raise
        removed = [Removed(c.target.name, "budget", error.message) for c in decision.candidates if c.target.rented]
        record.entry.removed = (*decision.removed, *removed)
        return msgspec.structs.replace(decision, candidates=owned, removed=record.entry.removed)
    record.entry.charges = record.admitted.held.charges()
    return msgspec.structs.replace(decision, candidates=tried)
