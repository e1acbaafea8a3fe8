"""The options of `freehold explain` about what is known beside the request: budgets on record, and how busy targets are."""

import asyncio
import time
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from freehold.app.budget_states import BudgetState, budget_states
from freehold.app.cli.ledger_flag import LedgerFlag
from freehold.app.config_file import ConfigFile
from freehold.app.counting import Moment
from freehold.app.ledgers import configured_ledger
from freehold.app.running import Running, read_running
from freehold.core.errors import BadSettings, FreeholdError
from freehold.serve.gateway.policy import Policy
from freehold.serve.stores.opening import existing
from freehold.serve.stores.place import LedgerPlace


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Known:
    """Where more is known. What is not said is not asked."""

    ledger: LedgerFlag | None = None
    "Where budgets and migrations are on record; unset: the ledger of the configuration, where it can be read."
    gateway: str | None = None
    "The admin API of a running gateway, such as http://127.0.0.1:8401, which says how busy targets are."
    admin_key: Annotated[str | None, Parameter(env_var="FREEHOLD_ADMIN_KEY")] = None
    "The admin key of that gateway, or a key with role viewer."

    def moment(self, file: ConfigFile, policy: Policy) -> tuple[Moment, str]:
        """What is known now, and why budgets are not; empty: they are. Raises BadSettings where a gateway cannot be asked."""
        now = time.time()
        states, unread = _on_record(policy, self.ledger or configured_ledger(file), now)
        return Moment(now, self._busy(), states), unread

    def _busy(self) -> Running | None:
        if self.gateway is None:
            return None
        if not self.admin_key:
            raise BadSettings("--gateway needs --admin-key (or FREEHOLD_ADMIN_KEY): the admin key, or a key with role viewer")
        return asyncio.run(read_running(self.gateway, self.admin_key))


def _on_record(policy: Policy, ledger: LedgerPlace, now: float) -> tuple[list[BudgetState] | None, str]:
    if not policy.budgets:
        return [], ""
    try:
        return budget_states(policy.budgets, existing(ledger), now), ""
    except FreeholdError as error:
        return None, error.message
