"""Which limits and budgets would count a request, what they would count, and what is left of the budgets where that is known."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from freehold.app.budget_states import BudgetState
from freehold.app.running import Running
from freehold.core.assignment import Assignment
from freehold.core.decision import Candidate
from freehold.core.request import Request
from freehold.core.usage import estimate_tokens
from freehold.rules.budget import Account, Caller, Unbounded, accounts_of, bound_nanousd
from freehold.serve.gateway.policy import Policy


class Moment(msgspec.Struct, frozen=True):
    """What is known beside a request: when it is (Unix seconds), how busy a gateway says that targets are, the accounts of
    budgets on record, and by workload the migrations that are not over. None: nobody here knows."""

    now: float
    busy: Running | None = None
    budgets: Sequence[BudgetState] | None = None
    moving: Mapping[str, tuple[Assignment, ...]] | None = None


class CountedLimit(msgspec.Struct, frozen=True, kw_only=True):
    """One limit that counts it, for whom; None: not limited. What is left of it only the running gateway knows."""

    name: str
    owner: str
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrent: int | None


class CountedBudget(msgspec.Struct, frozen=True, kw_only=True):
    """One account that pays for it, in nano-dollars. `left_nanousd` is the limit less what is spent, `held_nanousd` the part of
    it that gateways hold at this moment, for requests under way and to come; None: not known here."""

    name: str
    owner: str
    period: str
    mode: str
    limit_nanousd: int
    left_nanousd: int | None
    held_nanousd: int | None


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """`tokens`: what token limits count before the call. `reserve_nanousd`: what every budget sets aside, 0 where nothing would
    be billed, None where nothing bounds it. `unpaid`: why no rented target may be paid for; None: they may, or nobody here knows.
    `refused`: the same where no owned target is left, so that the caller would be refused."""

    tokens: int
    limits: tuple[CountedLimit, ...]
    budgets: tuple[CountedBudget, ...]
    reserve_nanousd: int | None
    unpaid: str | None
    refused: str | None


def counts(request: Request, tried: Sequence[Candidate], caller: Caller, policy: Policy, moment: Moment) -> Counts:
    """What would count a request with these candidates."""
    day = datetime.fromtimestamp(moment.now, UTC).date()
    accounts = accounts_of(policy.budgets, caller, moment.now)
    budgets = tuple(_budget(account, moment.budgets) for account in accounts)
    reserve: int | None = None
    unpaid: str | None = None
    free = request.dialect == "anthropic_count_tokens"
    try:
        reserve = 0 if free else bound_nanousd(request, [(c.target, policy.price(c.target, day)) for c in tried])
    except Unbounded as error:
        hard = next((budget for budget in budgets if budget.mode == "hard"), None)
        if hard is not None:
            unpaid = f"nothing bounds the {error.what} that {error.target} may bill, and budget {hard.name!r} is hard"
    for budget in budgets:
        if reserve and budget.mode == "hard" and budget.left_nanousd is not None and budget.left_nanousd < reserve:
            unpaid = unpaid or f"budget {budget.name!r} has less left than is to be set aside"
    owned = any(not candidate.target.rented for candidate in tried)
    return Counts(
        tokens=estimate_tokens(request.input_bytes) + request.choices * (request.most_output_tokens or 0),
        limits=_limits(policy, caller), budgets=budgets, reserve_nanousd=reserve, unpaid=unpaid,
        refused=None if owned or not tried else unpaid,
    )  # fmt: skip


def _limits(policy: Policy, caller: Caller) -> tuple[CountedLimit, ...]:
    return tuple(
        CountedLimit(
            name=limit.name, owner=owner, requests_per_minute=limit.requests_per_minute,
            tokens_per_minute=limit.tokens_per_minute, concurrent=limit.concurrent,
        )
        for limit in policy.limits
        if (owner := limit.owner(caller)) is not None
    )  # fmt: skip


def _budget(account: Account, states: Sequence[BudgetState] | None) -> CountedBudget:
    """An owner of whom nothing is on record has spent nothing yet."""
    budget, left, held = account.budget, None, None
    if states is not None:
        state = next((s for s in states if (s.owner, s.period) == (account.owner, account.period)), None)
        left = budget.limit_nanousd - (0 if state is None else state.spent_nanousd)
        held = 0 if state is None else state.reserved_nanousd
    return CountedBudget(
        name=budget.name, owner=account.owner, period=account.period, mode="hard" if budget.hard else "warn",
        limit_nanousd=budget.limit_nanousd, left_nanousd=left, held_nanousd=held,
    )  # fmt: skip
