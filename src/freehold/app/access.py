"""From the settings to keys, budgets and limits, and the door that the gateway lets its callers through."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

from limits.aio.storage import MemoryStorage, RedisStorage
from limits.errors import ConfigurationError

from freehold.app.access_settings import BudgetSettings, LimitSettings
from freehold.app.config_file import ConfigFile, Location
from freehold.app.credentials import read_secret
from freehold.app.settings import KeySettings
from freehold.core.data import Handling
from freehold.core.money import nanousd
from freehold.core.target import Target, Workload
from freehold.rules.budget import Budget
from freehold.serve.access.admission import Admission, Limited
from freehold.serve.access.keys import Key
from freehold.serve.access.limits import Limit, Limiter
from freehold.serve.access.purse import BEAT_S, Purse
from freehold.serve.access.stored_keys import EVERY_S, StoredKeys
from freehold.serve.access.windows import Storage, Windows
from freehold.serve.gateway.classify import names_of
from freehold.serve.gateway.heartbeat import beating
from freehold.serve.stores.budget_leases import BudgetLeases
from freehold.serve.stores.key_records import FollowedKeys
from freehold.serve.stores.place import LedgerPlace


def configured_key(spec: KeySettings, handling: Handling) -> Key:
    """One key of the file."""
    expires_at = None if spec.expires is None else _utc(spec.expires).timestamp()
    return Key(
        spec.name, spec.sha256, _set(spec.workloads), handling, targets=_set(spec.targets), models=_set(spec.models),
        up_to=spec.classes, team=spec.team, user=spec.user, role=spec.role, expires_at=expires_at,
        replays=spec.replays,
    )  # fmt: skip


def check_keys(file: ConfigFile, targets: Mapping[str, Target], workloads: Mapping[str, Workload]) -> None:
    """Raises BadSettings where two keys could not be told apart, or one names what is not there."""
    keys = file.settings.keys
    models = {name for target in targets.values() for name in names_of(target)}
    for n, key in enumerate(keys):
        if any(other.name == key.name for other in keys[:n]):
            raise file.refuse(("keys", n, "name"), f"another key above is called {key.name!r}; entries could not tell them apart")
        if any(other.sha256 == key.sha256 for other in keys[:n]):
            raise file.refuse(("keys", n, "sha256"), "another key above has the same hash; which would count?")
        check_names(file, ("keys", n, "workloads"), key.workloads, workloads)
        check_names(file, ("keys", n, "targets"), key.targets, targets)
        check_names(file, ("keys", n, "models"), key.models, models)


def check_names(file: ConfigFile, place: Location, named: Collection[str] | None, known: Collection[str]) -> None:
    """Raises BadSettings at the first name that is none of these."""
    for unknown in sorted(set(named or ()) - set(known)):
        what = str(place[-1]).removesuffix("s")
        raise file.refuse(place, f"unknown {what} {unknown!r}; there are {', '.join(sorted(known))}")


def configured_budgets(file: ConfigFile) -> tuple[Budget, ...]:
    """Raises BadSettings where one could never count."""
    _check_rules(file, ("budgets",), file.settings.budgets)
    return tuple(
        Budget(
            name=spec.name, scope=spec.scope, match=None if spec.match == "each" else spec.match, period=spec.period,
            limit_nanousd=nanousd(spec.usd), hard=spec.mode == "hard",
        )
        for spec in file.settings.budgets
    )  # fmt: skip


def configured_limits(file: ConfigFile) -> tuple[Limit, ...]:
    """Raises BadSettings where one could never count."""
    _check_rules(file, ("limits", "rules"), file.settings.limits.rules)
    return tuple(
        Limit(
            name=spec.name, scope=spec.scope, match=None if spec.match == "each" else spec.match,
            requests_per_minute=spec.requests_per_minute, tokens_per_minute=spec.tokens_per_minute, concurrent=spec.concurrent,
        )
        for spec in file.settings.limits.rules
    )  # fmt: skip


@asynccontextmanager
async def admission(file: ConfigFile, ledger: LedgerPlace, on_limited: Limited) -> AsyncIterator[Admission]:
    """Open while inside: keys of the ledger are known and followed, slices of budgets kept, and given back at the end."""
    followed = FollowedKeys(ledger)
    stored = StoredKeys(followed, time.monotonic)
    purse = Purse(BudgetLeases(ledger), time.monotonic, time.time)
    windows = Windows(limit_storage(file), time.time)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, followed.close)  # in a thread: one that still reads is waited for
        stack.push_async_callback(purse.close)
        stack.push_async_callback(windows.close)
        await stored.refresh()
        await stack.enter_async_context(beating(purse.beat, BEAT_S))
        await stack.enter_async_context(beating(stored.refresh, EVERY_S))
        yield Admission(stored, purse, Limiter(windows), on_limited)


def _check_rules(file: ConfigFile, place: Location, specs: Sequence[BudgetSettings | LimitSettings]) -> None:
    for n, spec in enumerate(specs):
        if any(other.name == spec.name for other in specs[:n]):
            raise file.refuse((*place, n, "name"), f"another one above is called {spec.name!r}")
        if spec.scope == "workload" and spec.match != "each":
            check_names(file, (*place, n, "match"), [spec.match], file.settings.workloads)


def limit_storage(file: ConfigFile) -> Storage:
    """Where limits are counted; nothing is asked there yet. Raises BadSettings where the file names no such place."""
    store = file.settings.limits.store
    if store == "memory://":
        return MemoryStorage()
    url = store
    if store.startswith("redis+"):
        url = read_secret(file, ("limits", "store"), store.removeprefix("redis+")).reveal()
    try:
        parts = urlsplit(url)
        named = parts.scheme in {"redis", "rediss"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    if not named:
        raise file.refuse(("limits", "store"), "that is no address of Redis; use redis://host:6379/0")
    try:
        return RedisStorage(f"async+{url}", implementation="redispy")
    except ConfigurationError:
        raise file.refuse(("limits", "store"), "limits in Redis need a driver: pip install 'freehold[redis]'") from None


def _set(names: Sequence[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
