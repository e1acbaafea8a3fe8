"""Who may come in, how often, and for how much: one door, which every route goes through.

`caller` for every route; `enter` and `pay` before a request may cost anything, `settle` when it is over, whatever became of it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from freehold.core.errors import BadRequest, BudgetSpent, Forbidden, LedgerUnavailable, RateLimited
from freehold.core.request import Request
from freehold.core.usage import estimate_tokens
from freehold.rules.budget import Account, Budget, Caller, Offers, Unbounded, accounts_of, bound_nanousd
from freehold.serve.access.keys import Key, Keyring, Role, admit, known
from freehold.serve.access.limits import Entered, Limit, Limiter
from freehold.serve.access.purse import Held, Purse

Limited: TypeAlias = Callable[[str, str], None]

_DAY_S = 86_400
_MOST_CALLERS = 4096


class Pass:
    """What one admitted request was counted as, and what it may spend."""

    def __init__(self, caller: Caller | None = None, entered: Entered | None = None) -> None:
        self.caller = caller or {}
        self.entered = entered or Entered()
        self.held = Held()


class Admission:
    """The live part: keys of the ledger, limits, money. Parts that are not there admit nobody who would need them."""

    def __init__(
        self,
        stored: Keyring | None = None,
        purse: Purse | None = None,
        limiter: Limiter | None = None,
        on_limited: Limited = lambda scope, reason: None,
    ) -> None:
        self._stored = stored if stored is not None else Keyring(())
        self.purse = purse
        self.limiter = limiter
        self._on_limited = on_limited
        self._accounts = _Accounts()

    def caller(self, headers: Mapping[str, str], configured: Keyring, now: float) -> Key:
        """Whose request it is, on any route of the data plane. Raises Unauthenticated; Forbidden for a key of the admin API."""
        key = admit(headers, (configured, self._stored), now)
        if key.role is not None:
            raise Forbidden(f"the key {key.name!r} opens the admin API, not the models; use another key")
        return key

    def role(self, seen: str, configured: Keyring, now: float) -> Role | None:
        """What the key with this digest may do on the admin plane; None: nothing. Raises Unauthenticated."""
        return known(seen, (configured, self._stored), now).role

    async def enter(self, key: Key, workload: str, request: Request, limits: Sequence[Limit], now: float) -> Pass:
        """Count the request against its limits. Raises RateLimited."""
        who: Caller = {"key": key.name, "team": key.team, "user": key.user, "workload": workload}
        if not limits or self.limiter is None:
            return Pass(who)
        tokens = estimate_tokens(request.input_bytes) + request.choices * (request.most_output_tokens or 0)
        try:
            return Pass(who, await self.limiter.enter(limits, who, tokens, now))
        except RateLimited as error:
            self._on_limited(error.scope, error.kind)
            raise

    async def pay(self, admitted: Pass, budgets: Sequence[Budget], request: Request, offers: Offers, now: float) -> None:
        """Set aside the most that these attempts may bill. Raises BudgetSpent, BadRequest where nothing
        bounds that for a hard budget, LedgerUnavailable where nobody knows what is left."""
        accounts = self._accounts.of(budgets, admitted.caller, now)
        if not accounts or request.dialect == "anthropic_count_tokens" or all(price is None for _, price in offers):
            return
        if self.purse is None:
            raise LedgerUnavailable("budgets are set, and nothing here keeps them")
        try:
            bound = bound_nanousd(request, offers)
        except Unbounded as error:
            hard = next((account.budget for account in accounts if account.budget.hard), None)
            if hard is not None:
                raise BadRequest(_unbounded(error, hard), param="max_completion_tokens") from None
            bound = 0
        try:
            admitted.held = await self.purse.hold(accounts, bound)
        except BudgetSpent as error:
            self._on_limited(error.scope, "budget")
            raise

    def settle(self, admitted: Pass, cost_nanousd: int) -> None:
        """Its entry is durable, or was not confirmed in time and is written once the ledger comes back, or nobody will ever write
        it: what was set aside is free again, and its place."""
        held, admitted.held = admitted.held, Held(over=admitted.held.over)
        if self.purse is not None:
            self.purse.settle(held, cost_nanousd)
        if self.limiter is not None:
            self.limiter.leave(admitted.entered)

    async def correct(self, admitted: Pass, tokens: int) -> None:
        """It took so many tokens, whatever it was counted as."""
        if self.limiter is not None:
            await self.limiter.correct(admitted.entered, tokens)

    def remaining(self) -> Mapping[str, float]:
        """By budget, the least share of its limit that an owner has left."""
        return {} if self.purse is None else self.purse.remaining()

    def overrun_nanousd(self) -> int:
        """What requests cost beyond what was set aside."""
        return 0 if self.purse is None else self.purse.overrun_nanousd

    def limit_failures(self) -> int:
        """Times limits could not be counted."""
        return 0 if self.limiter is None else self.limiter.failures


class _Accounts:
    """Each caller's accounts, looked up once a day: no period of a budget is shorter, and all begin at midnight in UTC."""

    def __init__(self) -> None:
        self._budgets: Sequence[Budget] = ()
        self._day = -1
        self._known: dict[tuple[str | None, ...], tuple[Account, ...]] = {}

    def of(self, budgets: Sequence[Budget], caller: Caller, now: float) -> tuple[Account, ...]:
        """As `accounts_of` finds them."""
        day = int(now // _DAY_S)
        if budgets is not self._budgets or day != self._day or len(self._known) >= _MOST_CALLERS:
            self._budgets, self._day, self._known = budgets, day, {}
        who = (caller.get("key"), caller.get("team"), caller.get("user"), caller.get("workload"))
        found = self._known.get(who)
        if found is None:
            found = self._known[who] = accounts_of(budgets, caller, now)
        return found


def _unbounded(error: Unbounded, budget: Budget) -> str:
    cap = "max_completion_tokens, or the operator max_output_tokens for that target" if error.what == "output" else ""
    mend = f"give {cap}" if cap else "the operator gives context_tokens for that target, or you leave the media out"
    return f"budget {budget.name!r} is hard, and nothing bounds the {error.what} that {error.target} may bill; {mend}"
