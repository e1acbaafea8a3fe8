"""What counts a request, and how busy its targets are, as lines for people."""

from collections.abc import Iterator

from freehold.app.counting import CountedBudget, CountedLimit, Counts
from freehold.app.explaining import Explanation
from freehold.core.money import show


def counted_words(said: Explanation, unread: str) -> Iterator[str]:
    """Limits, budgets and load. `unread`: why what budgets have left is not known; empty: it is."""
    yield "\nWhat counts it"
    counts = said.counts
    for limit in counts.limits:
        yield f"  limit {limit.name}, as {limit.owner}: {_allowed(limit, counts.tokens)}"
    if counts.limits:
        yield "  what is left of a limit only the running gateway knows"
    for budget in counts.budgets:
        yield f"  budget {budget.name} ({budget.mode}), as {budget.owner} in {budget.period}: {_money(budget, counts)}"
    if not counts.limits and not counts.budgets:
        yield "  no limit and no budget"
    if counts.budgets and unread:
        yield f"  what budgets have left is not known here: {unread}"
    if counts.refused is not None:
        yield f"  refused: {counts.refused}, and no owned target may serve it"
    elif counts.unpaid is not None:
        yield f"  only owned targets may serve it: {counts.unpaid}"
    yield "\nHow busy"
    yield from _busy(said)


def _allowed(limit: CountedLimit, tokens: int) -> str:
    parts = []
    if limit.requests_per_minute is not None:
        parts.append(f"1 of {limit.requests_per_minute} requests a minute")
    if limit.tokens_per_minute is not None:
        over = ", more than it ever allows: refused" if tokens > limit.tokens_per_minute else ""
        parts.append(f"{tokens} of {limit.tokens_per_minute} tokens a minute{over}")
    if limit.concurrent is not None:
        parts.append(f"1 of {limit.concurrent} at once")
    return ", ".join(parts)


def _money(budget: CountedBudget, counts: Counts) -> str:
    left = f"of {show(budget.limit_nanousd)}"
    if budget.left_nanousd is not None:
        held = f", {show(budget.held_nanousd, 6)} of it held by gateways" if budget.held_nanousd else ""
        left = f"{show(budget.left_nanousd, 6)} left of {show(budget.limit_nanousd)}{held}"
    if counts.reserve_nanousd is None:
        return f"nothing bounds what the request may bill; {left}"
    if counts.reserve_nanousd == 0:
        return f"nothing is set aside, since nothing would be billed; {left}"
    return f"sets aside {show(counts.reserve_nanousd, 6)}; {left}"


def _busy(said: Explanation) -> Iterator[str]:
    if said.busy is None:
        yield "  not known here; give --gateway with the URL of a gateway's admin API"
        return
    if said.busy.policy != said.policy:
        yield f"  the gateway serves policy {said.busy.policy}, and this file is {said.policy}"
    for name in dict.fromkeys(choice.target for choice in said.choices):
        state = said.busy.states.get(name)
        if state is None:
            yield f"  {name}: that gateway does not know it"
        else:
            cooling = f", cooling down for {state.cooling_s:.1f} s" if state.cooling_s > 0 else ""
            yield f"  {name}: {state.in_flight} under way{cooling}"
