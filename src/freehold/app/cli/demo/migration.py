"""`freehold demo --migration`: three moves of a workload of tickets: to a good candidate, a worse one, and one that fails as
soon as callers are sent to it. The engines are real. Each move is to end where it should, and no caller is to notice.
"""

import asyncio
from contextlib import suppress
from typing import Any

import aiohttp

from freehold.app import migrating
from freehold.app.cli.demo.callers import Callers, Rate, alone_s
from freehold.app.cli.demo.children import Children
from freehold.app.cli.demo.moved import BY, Moved, figures_of, show_moved
from freehold.app.cli.demo.moves import MOVES, Move, MovingWorld, build_moves, settings
from freehold.app.cli.demo.proof import Proof, proof
from freehold.app.cli.output import notes
from freehold.app.migrating import Wish
from freehold.app.migrations import EVERY_S
from freehold.core.errors import BadSettings
from freehold.move.migration.progress import Migration

_LONGEST_S, _READY_S = 75.0, 60.0  # for one move, and for the gateway to begin
_LOOK_S, _LOOKS = 0.25, 6
_AFTERWARDS = 20
_USUAL = Rate(per_s=100.0, at_once=6)
# Callers come at six times what the narrow engine's slot carries: 5 % of them leave it idle two thirds of the time, 25 % are half
# as many again as it can serve. An answer is late after 15 times what it takes alone.
_TOO_MANY, _LATE = 6.0, 15.0
_LATE_S = 30.0


async def run_migrations(*, json: bool) -> dict[str, Any]:
    """The moves with their histories, once all ended, and how callers fared. Raises BadSettings when something cannot start."""
    world = build_moves()
    async with Children(world.folder) as children:
        notes.print("Starting three engines, a lab provider and the gateway ...")
        await _start(world, children)
        moved = []
        for move in MOVES:
            moved.append(await _moved(world, move))
            if not json:
                show_moved(moved[-1])
    return figures_of(moved)


async def _start(world: MovingWorld, children: Children) -> None:
    provider = ["lab", "provider", "--port", str(world.provider), "--ttft-ms", "1", "--tokens-per-s", "100000"]
    narrow = MOVES[-1].target
    await asyncio.gather(
        children.start("rented-api", provider, world.provider),
        *(
            children.start(
                name,
                ["engines", "run", str(world.models[name]), "--port", str(port), "--parallel", "1" if name == narrow else "4"],
                port,
            )
            for name, port in world.engines.items()
        ),
    )
    await children.start("gateway", ["serve", "-c", str(world.config)], world.gateway)
    await _serving(world)


async def _serving(world: MovingWorld) -> None:
    """Its port takes connections before its ledger is there. Raises BadSettings where it does not begin."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_READY_S), aiohttp.ClientSession() as session:
            while True:
                with suppress(aiohttp.ClientError):
                    async with session.get(f"http://127.0.0.1:{world.gateway}/livez") as reply:
                        if reply.status == 200:
                            return
                await asyncio.sleep(0.05)
    raise BadSettings(f"the gateway did not begin to serve within {_READY_S:g} s; see gateway.log in {world.folder}")


async def _moved(world: MovingWorld, move: Move) -> Moved:
    """One move from its start to its end. Raises BadSettings where it comes to none."""
    notes.print(f"\nworkload {move.workload!r} to {move.target}: {move.story}", soft_wrap=True, highlight=False, markup=False)
    rate, late_s = _USUAL, _LATE_S
    if move is MOVES[-1]:
        rate, late_s = await _too_many(world, move)
    callers, judged = Callers(world, move.workload), settings(late_s)
    one = migrating.start(world.ledger, Wish(move.workload, move.target, BY), judged)
    enough = asyncio.Event()
    try:
        async with asyncio.timeout(_LONGEST_S), asyncio.TaskGroup() as group:
            group.create_task(callers.come(rate, enough))
            await _over(world, one)
            enough.set()
    except TimeoutError:
        raise BadSettings(
            f"{move.workload} came to no end within {_LONGEST_S:g} s; see {world.folder}, or try again on a machine less busy"
        ) from None
    found = await _settled(world, one)
    afterwards = await callers.once_more(_AFTERWARDS)
    return Moved(move=move, settings=judged, callers=callers, afterwards=afterwards, proof=found)


async def _settled(world: MovingWorld, one: Migration) -> Proof:
    """What the ledger says once the last scores are written, and what was decided is gone by."""
    for _ in range(_LOOKS):
        await asyncio.sleep(2 * EVERY_S)
        found = await asyncio.to_thread(proof, world.ledger, one)
        if found.holds:
            break
    return found


async def _too_many(world: MovingWorld, move: Move) -> tuple[Rate, float]:
    """The callers for an engine that is too small, and when its answers are late: by how fast it is on this machine."""
    alone = await alone_s(world.engines[move.target])
    rate = Rate(per_s=_TOO_MANY / alone, at_once=64)
    notes.print(
        f"  alone it answers a ticket in {alone * 1e3:.0f} ms, so its one slot carries {1 / alone:.0f} a second; callers bring "
        f"{rate.per_s:.0f}: it can carry 5 % of them, and not 25 %. An answer is late after {_LATE * alone:.1f} s.",
        soft_wrap=True, highlight=False,
    )  # fmt: skip
    return rate, _LATE * alone


async def _over(world: MovingWorld, one: Migration) -> None:
    """Tell of each decision as it comes, until the last."""
    told = 0
    while True:
        history = await asyncio.to_thread(migrating.history, world.ledger, one)
        for event, state in history[told:]:
            share = f" {one.settings.steps[state.step]:.0%}" if state.stage == "canary" else ""
            notes.print(f"  {state.stage.replace('_', ' ')}{share}, by {event.by}", highlight=False, markup=False)
        told = len(history)
        if history[-1][1].over:
            return
        await asyncio.sleep(_LOOK_S)
