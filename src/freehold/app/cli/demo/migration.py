"""`freehold demo --migration`: three moves of a workload of tickets: to a good candidate, a worse one, and one that fails as
soon as callers are sent to it. The engine is real. Each move is to end where it should, and no caller is to notice.
"""

import asyncio
import random
import shutil
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from rich.table import Table

from freehold.app import migrating
from freehold.app.cli.demo.children import Children, free_port
from freehold.app.cli.migration_picture import moment
from freehold.app.cli.output import notes, out
from freehold.app.migrating import Wish
from freehold.core.assignment import Stage
from freehold.core.errors import BadSettings
from freehold.core.money import dollars
from freehold.lab.tickets import ticket
from freehold.move.migration.machine import MigrationSettings
from freehold.serve.access.keys import digest, new_key
from freehold.serve.stores.reader import LedgerReader

# Where each move should end, and at which of its own stages.
MOVES: dict[str, tuple[str, Stage]] = {
    "good": ("tickets-llamacpp", "live"),
    "worse": ("tickets-confused", "rolled_back"),
    "failing": ("tickets-failing", "rolled_back"),
}
_SETTINGS = MigrationSettings(steps=(0.05, 0.25, 0.5), dwell=40)
_AT_ONCE, _ROUND = 6, 60
_LONGEST_S, _READY_S = 300.0, 60.0

_CONFIG = """\
# Written by `freehold demo --migration`. Targets marked lab are stand-ins and say so; the ticket engine is real.
version: 1
listen: 127.0.0.1:{gateway}
store: sqlite:///freehold.db
admin: {{listen: "127.0.0.1:{admin}", key_sha256: {admin_sha256}}}
keys:
  - {{name: demo, sha256: {key_sha256}}}
targets:
  rented-api:                # lab: stands in for a hosted API that knows every ticket
    provider: lab
    url: http://127.0.0.1:{provider}
    model: lab-triage
    regions: [us]
    clearance: internal
    max_output_tokens: 64
    price: &price {{input: 0.15, output: 0.6, valid_from: "2026-11-01", source: "a made-up price"}}
  tickets-llamacpp: &engine  # llama.cpp on this machine with a tiny model that knows support tickets and nothing else
    engine: llamacpp
    url: http://127.0.0.1:{tickets}
    model: tiny-tickets
    regions: [home]
    clearance: restricted
    concurrency: 4
  tickets-confused: *engine  # the same, asked in a prompt that it was not trained on
  tickets-failing:           # lab: as good as the API, and broken once its canary begins
    provider: lab
    url: http://127.0.0.1:{failing}
    model: lab-triage
    regions: [us]
    clearance: internal
    max_output_tokens: 64
    price: *price
workloads:
  good: {{targets: [rented-api], data: internal}}
  worse:
    targets: [rented-api, tickets-confused]
    data: internal
    prompts: {{odd: {{system: You sort letters.}}}}
    prompt: {{tickets-confused: odd}}
  failing: {{targets: [rented-api], data: internal}}
"""


class _World(msgspec.Struct, frozen=True):
    folder: Path
    gateway: int
    admin: int
    tickets: int
    provider: int
    failing: int
    key: str

    @property
    def ledger(self) -> Path:
        return self.folder / "freehold.db"


async def run_migrations(*, json: bool) -> dict[str, Any]:
    """The moves with their histories, once all ended, and how callers fared. Raises BadSettings when something cannot start."""
    world = _build()
    async with Children(world.folder) as children:
        notes.print("Starting the engine, two lab providers and the gateway ...")
        await asyncio.gather(
            children.start("tickets", ["engines", "run", "tiny-tickets", "--port", str(world.tickets)], world.tickets),
            *(
                children.start(name, ["lab", "provider", "--port", str(port), "--ttft-ms", "1", "--tokens-per-s", "100000"], port)
                for name, port in (("rented-api", world.provider), ("tickets-failing", world.failing))
            ),
        )
        await children.start("gateway", ["serve", "-c", str(world.folder / "freehold.yaml")], world.gateway)
        await _serving(world)
        for workload, (target, _) in MOVES.items():
            migrating.start(world.ledger, Wish(workload, target, "the demo"), _SETTINGS)
        statuses = await _drive(world)
    figures = _figures(world, statuses)
    if not json:
        _show(figures)
    return figures


def _build() -> _World:
    folder = Path(".demo-migration").absolute()
    gateway, admin, tickets, provider, failing = (free_port(wished) for wished in (8400, 8401, 8411, 8413, 8414))
    world = _World(folder, gateway, admin, tickets, provider, failing, new_key())
    text = _CONFIG.format(
        gateway=gateway, admin=admin, tickets=tickets, provider=provider, failing=failing, key_sha256=digest(world.key),
        admin_sha256=digest(new_key()),
    )  # fmt: skip
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
        (folder / "freehold.yaml").write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadSettings(f"cannot write the demo's folder {folder}: {error.strerror}") from None
    return world


async def _serving(world: _World) -> None:
    """Its port takes connections before its ledger is there."""
    async with asyncio.timeout(_READY_S), aiohttp.ClientSession() as session:
        while True:
            with suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{world.gateway}/livez") as reply:
                    if reply.status == 200:
                        return
            await asyncio.sleep(0.05)


async def _drive(world: _World) -> Counter[int]:
    """Tickets for each workload that is still on its way, until none is; by status, how callers were answered."""
    statuses: Counter[int] = Counter()
    few, source, broken = asyncio.Semaphore(_AT_ONCE), random.Random(7), False
    headers = {"authorization": f"Bearer {world.key}"}
    async with asyncio.timeout(_LONGEST_S), aiohttp.ClientSession(headers=headers) as session:

        async def one(workload: str, text: str) -> None:
            body = {"model": workload, "messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 16}
            async with few, session.post(f"http://127.0.0.1:{world.gateway}/v1/chat/completions", json=body) as reply:
                await reply.read()
                statuses[reply.status] += 1

        while left := await asyncio.to_thread(_under_way, world):
            if left.get("failing") == "canary" and not broken:
                broken = True
                async with session.post(f"http://127.0.0.1:{world.failing}/lab/faults", json={"error_500": 0.5}) as reply:
                    reply.raise_for_status()
            await asyncio.gather(*(one(workload, ticket(source)[0]) for workload in left for _ in range(_ROUND)))
    return statuses


def _under_way(world: _World) -> dict[str, Stage]:
    found = {one.workload: migrating.history(world.ledger, one)[-1][1] for one in migrating.all_of(world.ledger)}
    return {workload: state.stage for workload, state in found.items() if not state.over}


def _figures(world: _World, statuses: Counter[int]) -> dict[str, Any]:
    moves = []
    for one in migrating.all_of(world.ledger):
        told, expected = migrating.history(world.ledger, one), MOVES[one.workload][1]
        last = told[-1][1]
        moves.append({
            "workload": one.workload, "target": one.target, "stage": last.stage, "as_expected": last.stage == expected,
            "pairs": migrating.progress_of(world.ledger, one).pairs,
            "history": [{"at": e.at, "kind": e.kind, "by": e.by, "why": e.why, "stage": state.stage} for e, state in told],
        })  # fmt: skip
    slices = LedgerReader(world.ledger).slices()
    return {
        "moves": moves,
        "callers": {str(status): count for status, count in sorted(statuses.items())},
        "unanswered": sum(count for status, count in statuses.items() if status != 200),
        "served": {f"{one.workload} at {one.target}": one.requests for one in slices},
        "copies_cost_usd": float(dollars(sum(one.cost_nanousd for one in slices if one.workload not in MOVES))),
    }


def _show(figures: dict[str, Any]) -> None:
    table = Table("workload", "when", "what", "by", "then", "why")
    for move in figures["moves"]:
        for event in move["history"]:
            table.add_row(move["workload"], moment(event["at"]), event["kind"], event["by"], event["stage"], event["why"])
    out.print(table)
    out.print(f"Callers: {sum(figures['callers'].values()):,} requests, {figures['unanswered']} without an answer.")
