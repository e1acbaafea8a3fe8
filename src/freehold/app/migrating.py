"""What people ask of migrations: start, pause, promote, roll back; and where each stands. Over the ledger, beside any gateway.

Every wish is an event in the migration's log. Running gateways read it within a second; nothing else tells them.
"""

import secrets
import time

import msgspec

from freehold.app.migration_log import events_of, follow, read_migration, state_of, write_event, write_migration
from freehold.app.migration_sources import require_judge
from freehold.core.errors import BadSettings
from freehold.move.migration.machine import Event, Kind, MigrationSettings, State, after, allowed
from freehold.move.migration.progress import Migration, Progress
from freehold.serve.stores.migrations import MigrationStore
from freehold.serve.stores.opening import reading
from freehold.serve.stores.place import LedgerPlace
from freehold.serve.stores.policies import kept_policies, kept_releases, kept_spans

_TRIES = 20  # while gateways write events of their own


class Wish(msgspec.Struct, frozen=True):
    """Whose migration, where to, and who wishes it. `target` None: the newest of the workload."""

    workload: str
    target: str | None = None
    by: str = "a person"


def start(ledger: LedgerPlace, wish: Wish, settings: MigrationSettings | None, *, draft: bool = False) -> Migration:
    """A new migration in stage shadow, or `draft`; one that is paused goes on, with the settings it has. Raises BadSettings."""
    store, target = MigrationStore(ledger), wish.target
    known = [one for one in all_of(ledger) if one.workload == wish.workload]
    under_way = [(one, state) for one in known if not (state := state_of(store, one)).over]
    for one, state in under_way:
        if one.target != target:
            raise BadSettings(f"{one.workload} is on its way to {one.target} already; roll that back first, or move it there")
        kind: Kind = "resume" if state.stage == "paused" else "start"
        if not allowed(state, kind):
            raise BadSettings(f"the migration of {one.workload} to {one.target} is under way in stage {state.stage}")
        if settings is not None:
            raise BadSettings(f"the migration of {one.workload} to {one.target} keeps its settings; leave them out")
        _wished(store, one, kind, wish.by)
        return one
    if target is None:
        raise BadSettings("--to is missing; name the target that the workload is to move to")
    settings = settings or MigrationSettings()
    _require_known(ledger, wish.workload, target, settings, _live_at(store, known))
    one = Migration(
        id=f"mig-{secrets.token_hex(5)}", workload=wish.workload, target=target, settings=settings, made_at=time.time()
    )  # fmt: skip
    first = [] if draft else [write_event(_event(one, "start", one.made_at, wish.by))]
    store.make(write_migration(one), first)
    return one


def pause(ledger: LedgerPlace, wish: Wish) -> Migration:
    """Nothing of the workload goes to the candidate until it is started again. Raises BadSettings."""
    return _changed(ledger, wish, "pause")


def roll_back(ledger: LedgerPlace, wish: Wish) -> Migration:
    """From now on as before the migration, for good; requests under way finish. Raises BadSettings."""
    return _changed(ledger, wish, "roll_back")


def promote(ledger: LedgerPlace, wish: Wish) -> Migration:
    """One step further than the evidence has come: from draft to shadow, in the canary to the next share, then live.

    Out of the shadow only the gate promotes. Raises BadSettings.
    """
    store, one = MigrationStore(ledger), found(ledger, wish)
    state = state_of(store, one)
    if state.stage == "shadow":
        raise BadSettings("out of the shadow only the gate promotes; give it pairs, or start anew with a wider --margin")
    kind: Kind = "start" if state.stage == "draft" else "advance"
    _wished(store, one, kind, wish.by)
    return one


def all_of(ledger: LedgerPlace) -> list[Migration]:
    """Every migration, oldest first. Raises BadSettings."""
    return [read_migration(stored) for stored in MigrationStore(ledger).all()]


def found(ledger: LedgerPlace, wish: Wish) -> Migration:
    """The newest of that workload to that target. Raises BadSettings where there is none."""
    of_it = [one for one in all_of(ledger) if one.workload == wish.workload and wish.target in (None, one.target)]
    if not of_it:
        to = f" to {wish.target}" if wish.target else ""
        raise BadSettings(f"no migration of {wish.workload!r}{to}; 'freehold migrate status' lists all there are")
    return of_it[-1]


def history(ledger: LedgerPlace, migration: Migration) -> list[tuple[Event, State]]:
    """Its events in order, each with the state behind it. Raises BadSettings."""
    state, told = State(), []
    for _, event in events_of(MigrationStore(ledger), migration.id):
        state = after(state, event.kind, migration.settings)
        told.append((event, state))
    return told


def progress_of(ledger: LedgerPlace, migration: Migration) -> Progress:
    """The fold of its whole log, as it is now. Raises BadSettings."""
    fold = Progress(migration)
    follow(fold, MigrationStore(ledger))
    return fold


def _changed(ledger: LedgerPlace, wish: Wish, kind: Kind) -> Migration:
    one = found(ledger, wish)
    _wished(MigrationStore(ledger), one, kind, wish.by)
    return one


def _wished(store: MigrationStore, one: Migration, kind: Kind, by: str) -> None:
    """Append the event behind those that led to where it is possible. Raises BadSettings, LedgerUnavailable."""
    for _ in range(_TRIES):
        events = [event for _, event in events_of(store, one.id)]
        state = State()
        for event in events:
            state = after(state, event.kind, one.settings)
        after(state, kind, one.settings)  # raises where it is not possible
        if store.append(one.id, write_event(_event(one, kind, time.time(), by)), len(events)):
            return
    raise BadSettings(f"migration {one.id} keeps changing; try again")


def _event(one: Migration, kind: Kind, at: float, by: str) -> Event:
    """A person's wish; with the first one stands what pairs will be graded by."""
    suite = one.settings.suite if kind == "start" else None
    return Event(kind=kind, at=at, by=by, evidence=msgspec.Raw(msgspec.json.encode(suite)))


def _live_at(store: MigrationStore, known: list[Migration]) -> str | None:
    """The target that the newest finished migration has moved the workload to."""
    live = [one.target for one in known if state_of(store, one).stage == "live"]
    return live[-1] if live else None


def _require_known(ledger: LedgerPlace, workload: str, target: str, settings: MigrationSettings, live: str | None) -> None:
    """What the gateways last served under knows them. Raises BadSettings."""
    with reading(ledger) as db:
        spans, policies, releases = kept_spans(db), kept_policies(db), kept_releases(db)
    if not spans:
        raise BadSettings(f"no policy is on record in {ledger}; start the gateway on it first")
    newest = max(spans, key=lambda span: span.began_at).version
    workloads = list(dict.fromkeys(release.workload for release in releases.get(newest, ())))
    targets = sorted(policies[newest].targets) if newest in policies else []
    if workload not in workloads:
        raise BadSettings(f"no workload {workload!r} in the policy in force; there are {', '.join(workloads)}")
    if target not in targets:
        raise BadSettings(f"--to is {target!r}, and the policy in force has no such target; there are {', '.join(targets)}")
    if settings.suite is not None and settings.suite.judge is not None:
        serving = [release.target for release in releases[newest] if release.workload == workload]
        require_judge(settings.suite.judge[0], policies[newest], [target, *serving, *([live] if live in targets else [])])
    if target == live:
        raise BadSettings(f"{workload} has moved to {target} already")
