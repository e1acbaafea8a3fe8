"""What is changed while the gateway is in use: a workload begins to move, a release is switched, the file is read again."""

import asyncio
import time
from typing import Any

import msgspec

from benchmarks.soak.config import MOVED, VERSIONED
from benchmarks.soak.engine import OWN
from benchmarks.soak.house import Watched
from freehold.app import config_file, migrating
from freehold.app.ledgers import configured_ledger
from freehold.app.migrating import Wish
from freehold.app.release_switch import Switched, switch_prompt
from freehold.move.migration.machine import MigrationSettings
from freehold.serve.stores.place import LedgerPlace

_MOVE_AT, _SWITCH_AT, _RELOAD_AT = 0.1, 0.25, 0.4  # of the time; memory is judged in its second half
_SETTINGS = MigrationSettings(steps=(0.25, 0.5), dwell=40)
_TAKEN_S = 20.0


class Changes(msgspec.Struct):
    """When the release `before` was told to go (Unix seconds), and from when on all processes ask in `after`. `problems`: what
    did not take effect."""

    told_at: float = float("inf")
    held_at: float = float("inf")
    before: str = ""
    after: str = ""
    problems: list[str] = []

    def releases(self, received_at: float) -> set[str]:
        """Those that a request may be asked in which came then."""
        old, new = received_at <= self.held_at, received_at >= self.told_at
        return ({self.before} if old else set()) | ({self.after} if new else set())


async def make_changes(house: Watched, seconds: float) -> Changes:
    """All of them, in a use of so many seconds. Raises BadSettings where one is refused."""
    began, changes = time.monotonic(), Changes()
    await _at(began + _MOVE_AT * seconds)
    await asyncio.to_thread(migrating.start, _ledger(house), Wish(MOVED, OWN, "the soak"), _SETTINGS)
    await _at(began + _SWITCH_AT * seconds)
    times = await _loaded(house)
    changes.told_at = time.time()
    switched: Switched = await asyncio.to_thread(switch_prompt, house.config, VERSIONED, "v2")
    changes.before, changes.after = switched.before, switched.after
    if await _all_loaded(house, times):
        changes.held_at = time.time()
    else:
        changes.problems.append(f"the release was switched, and not all processes asked in it after {_TAKEN_S:g} s")
    await _at(began + _RELOAD_AT * seconds)
    times = await _loaded(house)
    house.reload()
    if not await _all_loaded(house, times):
        changes.problems.append(f"SIGHUP, and not all processes had read the file {_TAKEN_S:g} s later")
    return changes


def migration(house: Watched) -> list[dict[str, Any]]:
    """What has become of the one that was begun: each event, the stage behind it, and why."""
    place = _ledger(house)
    told = migrating.history(place, migrating.found(place, Wish(MOVED, OWN)))
    return [{"kind": event.kind, "at": event.at, "stage": state.stage, "why": event.why} for event, state in told]


def _ledger(house: Watched) -> LedgerPlace:
    return configured_ledger(config_file.load(house.config))


async def _at(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))


async def _loaded(house: Watched) -> float:
    metrics = await asyncio.to_thread(house.metrics)
    return metrics.get(("freehold_config_reloads_total", (("result", "loaded"),)), 0.0)


async def _all_loaded(house: Watched, times: float) -> bool:
    deadline = time.monotonic() + _TAKEN_S
    while await _loaded(house) < times + house.workers:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.2)
    return True
