"""What one attempt will cost on the bill: its usage, or a local count where none came, times the price of the day.

And, beside the bill, what the answer would have cost elsewhere.
"""

from datetime import date

from freehold.core.entry import Attempt, Entry
from freehold.core.price import PriceCard
from freehold.core.usage import Usage, estimate_tokens
from freehold.rules.price import cost_nanousd
from freehold.serve.gateway.policy import Policy

_MOST_NANOUSD = 2**63 - 1  # what a ledger's column holds; an engine that reports absurd usage must not cost the entry


def bill(attempt: Attempt, input_bytes: int, text_bytes: int, content_events: int) -> None:
    """Fill in usage and cost.

    A target that began to answer, or whose caller left while it worked, bills even where no usage came: that is counted here,
    four bytes a token and at least one token per content event, and marked estimated.
    """
    if attempt.usage is None and (attempt.status == 200 or attempt.outcome == "cancelled"):
        output = max(content_events, estimate_tokens(text_bytes))
        attempt.usage = Usage(input_tokens=estimate_tokens(input_bytes), output_tokens=output, source="estimated")
    if attempt.usage is not None and attempt.price is not None:
        attempt.cost_nanousd = cost_nanousd(attempt.price, attempt.usage)


def compare(entry: Entry, policy: Policy, day: date) -> None:
    """Fill in the shadow price: the answer's usage at the workload's first other rented target that has a price.

    Whether that target may see the data does not matter, nothing is sent there; the price is part of no cost. Without such a
    target, or without usage, there is none.
    """
    workload = policy.workloads.get(entry.workload)
    if entry.usage is None or workload is None:
        return
    for name in workload.targets:
        card = None if name == entry.target else _price_at(name, policy, day)
        if card is not None:
            amount = cost_nanousd(card, entry.usage)
            if amount <= _MOST_NANOUSD:
                entry.shadow_nanousd, entry.shadow_at = amount, name
            return


def _price_at(name: str, policy: Policy, day: date) -> PriceCard | None:
    try:
        return policy.price(policy.targets[name], day)
    except LookupError:  # none is known for today: a comparison is not worth a request
        return None
