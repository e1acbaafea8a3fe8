"""Budgets as arithmetic: whose money a request spends, in which period, and the most that it can cost.

The bound holds because a token of text is at least one byte of the body: the input is charged byte by byte (media, whose bytes
say little, up to the target's context), the answer up to the least cap of request and target, for every attempt that could bill.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, TypeAlias

import msgspec

from freehold.core.money import MILLION
from freehold.core.price import PriceCard, Rate, Rates
from freehold.core.request import Request
from freehold.core.target import Target
from freehold.core.usage import BUCKETS, INPUT_BUCKETS

Scope: TypeAlias = Literal["key", "team", "user", "workload"]
SCOPES: tuple[Scope, ...] = ("key", "team", "user", "workload")
Caller: TypeAlias = Mapping[Scope, str | None]
Offers: TypeAlias = Sequence[tuple[Target, PriceCard | None]]

# A chat template adds a few tokens for the whole and each message; a message's own JSON is far longer than those of its template.
TEMPLATE_TOKENS = 64
_MEDIA = frozenset({"vision", "audio"})
_OUTPUT_BUCKETS = tuple(bucket for bucket in BUCKETS if bucket not in INPUT_BUCKETS)


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """So many nano-dollars in each period (UTC), for one named key, team, user or workload; `match` None: for each of them."""

    name: str
    scope: Scope
    match: str | None
    period: Literal["day", "month"]
    limit_nanousd: int
    hard: bool = True

    def account(self, caller: Caller, now: float) -> "Account | None":
        """Whose share of it this caller spends at that time (Unix seconds); None where it is not about this caller."""
        value = caller.get(self.scope)
        if value is None or (self.match is not None and self.match != value):
            return None
        owner = self.name if self.match is not None else f"{self.name}/{value}"
        day = datetime.fromtimestamp(now, UTC)
        return Account(self, owner, day.strftime("%Y-%m-%d" if self.period == "day" else "%Y-%m"))


class Account(msgspec.Struct, frozen=True):
    """One budget of one owner in one period: what is spent and reserved together."""

    budget: Budget
    owner: str
    period: str


class Unbounded(Exception):
    """Nothing says how much of `what`, input or output, that target may bill."""

    def __init__(self, target: str, what: str) -> None:
        super().__init__(f"nothing bounds the {what} of {target}")
        self.target = target
        self.what = what


def accounts_of(budgets: Iterable[Budget], caller: Caller, now: float) -> tuple[Account, ...]:
    """Every account that a request of this caller spends from, always in the same order."""
    found = [account for budget in budgets if (account := budget.account(caller, now)) is not None]
    return tuple(sorted(found, key=lambda account: (account.owner, account.period)))


def period_end(account: Account) -> float:
    """When its period is over, in Unix seconds."""
    if account.budget.period == "day":
        begin = datetime.strptime(account.period, "%Y-%m-%d").replace(tzinfo=UTC)
        return (begin + timedelta(days=1)).timestamp()
    begin = datetime.strptime(account.period, "%Y-%m").replace(tzinfo=UTC)
    return (begin + timedelta(days=32)).replace(day=1).timestamp()


def bound_nanousd(request: Request, offers: Offers) -> int:
    """The most that attempts at all of these can bill together; owned ones, without a price, bill nothing. Raises Unbounded."""
    body = TEMPLATE_TOKENS + sum(len(memoryview(raw)) for raw in request.fields.values())
    media = not request.needs.isdisjoint(_MEDIA)
    total = 0
    for target, card in offers:
        if card is None:
            continue
        inputs = _least(None if media else body, target.context_tokens)
        answer = _least(request.most_output_tokens, target.max_output_tokens, target.context_tokens)
        if inputs is None or answer is None:
            raise Unbounded(target.name, "input" if inputs is None else "output")
        total += _most_nanousd(card, inputs, request.choices * (answer + request.predicted_bytes))
    return total


def _least(*caps: int | None) -> int | None:
    return min((cap for cap in caps if cap is not None), default=None)


def _most_nanousd(card: PriceCard, input_tokens: int, output_tokens: int) -> int:
    inputs, outputs = next((dear for above, *dear in _dearest(card) if above < input_tokens), (0, 0))
    amount = input_tokens * inputs + output_tokens * outputs
    return -(-amount // MILLION) + card.nanousd_per_request


@lru_cache(maxsize=4096)
def _dearest(card: PriceCard) -> tuple[tuple[int, int, int], ...]:
    """By input above which it holds, the highest first: the dearest input and output rate of any service in a tier up to it."""
    # In which service it is answered is for the seller to say.
    services: list[Rates] = [card, *(rates for _, rates in card.services)]
    inputs = [rates.of(bucket) for rates in services for bucket in INPUT_BUCKETS]
    outputs = [rates.of(bucket) for rates in services for bucket in _OUTPUT_BUCKETS]
    steps = sorted({-1, *(above for rate in (*inputs, *outputs) for above, _ in rate.tiers)}, reverse=True)
    return tuple((step, _up_to(step, inputs), _up_to(step, outputs)) for step in steps)


def _up_to(step: int, rates: Sequence[Rate]) -> int:
    tiers = (price for rate in rates for above, price in rate.tiers if above <= step)
    return max(0, *(rate.nanousd_per_mtok for rate in rates), *tiers)
