"""What migrations make of one request, for `freehold explain`: which stage, whose turn it may be, and what stays as it is."""

from collections.abc import Callable, Sequence

import msgspec

from freehold.app.migrating import all_of
from freehold.app.migration_log import assigned, state_of
from freehold.core.assignment import Assignment, Stage
from freehold.core.decision import Decision
from freehold.core.request import Ask
from freehold.move.migration.machine import assignment
from freehold.serve.gateway.policy import Policy
from freehold.serve.stores.migrations import MigrationStore
from freehold.serve.stores.opening import existing
from freehold.serve.stores.place import LedgerPlace


class Moving(msgspec.Struct, frozen=True, kw_only=True):
    """A migration of the request's workload. `share`, 0-1, of the requests go to its target first, and all of those of
    `offline_keys`; of the others `copied` are asked there once more, for `day_nanousd` a day at most. `drawn`: the order for a
    request that is among that share or those keys'; empty where none is. `barred`: why the target is not sent this request,
    whatever the share; None: it may be."""

    migration: str
    target: str
    stage: Stage
    share: float
    copied: float
    day_nanousd: int
    offline_keys: tuple[str, ...]
    drawn: tuple[str, ...]
    barred: str | None


def moves_on_record(ledger: LedgerPlace) -> dict[str, tuple[Assignment, ...]]:
    """By workload, the migrations that are not over, newest first, down to the last that is live. Raises BadSettings."""
    store = MigrationStore(existing(ledger))
    known = [(one, state_of(store, one)) for one in all_of(ledger)]
    found = assigned(known)
    for one, state in known:
        if state.stage in {"draft", "paused"}:  # asks nothing of the request line, and is under way all the same
            waiting = assignment(one.id, one.workload, one.target, state, one.settings)
            found[one.workload] = (waiting, *found.get(one.workload, ()))
    return found


def always(moving: Sequence[Assignment]) -> tuple[Assignment, ...]:
    """Those that every request is drawn for."""
    return tuple(one for one in moving if one.share >= 1)


def moves_of(moving: Sequence[Assignment], ask: Ask, policy: Policy, decide: Callable[[Ask], Decision]) -> tuple[Moving, ...]:
    """Each of them for this question under this policy, as `decide` decides it."""
    found = []
    for place, one in enumerate(moving):
        # Who is drawn for it is drawn for the older ones that are live too.
        there = decide(msgspec.structs.replace(ask, assigned=(one, *always(moving[place + 1 :]))))
        barred = next((f"by {gone.constraint}: {gone.detail}" for gone in there.removed if gone.target == one.target), None)
        if one.target not in policy.targets:
            barred = "since this configuration has no such target"
        drawn = tuple(choice.target.name for choice in there.candidates) if one.share > 0 or one.offline_keys else ()
        found.append(Moving(
            migration=one.migration, target=one.target, stage=one.stage, share=one.share, copied=one.copied,
            day_nanousd=one.day_nanousd, offline_keys=tuple(sorted(one.offline_keys)), drawn=drawn, barred=barred,
        ))  # fmt: skip
    return tuple(found)
