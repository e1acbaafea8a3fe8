"""A soak: the gateway with everything on, two lab providers that fail at 5 % of requests in every way, an owned engine, callers
of every manner; and meanwhile a migration, a switch of releases and a reload.

It ends with exit code 1 where memory grows, anything stays open, or the ledger differs from what providers, engine and callers
counted. Run: `make bench-soak` (MINUTES=20), or python -m benchmarks.soak --minutes 4 --store postgres. Its figures:
docs/explain/performance.md.
"""

import argparse
import asyncio
import contextlib
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.soak import engine
from benchmarks.soak.callers import Callers
from benchmarks.soak.changes import make_changes, migration
from benchmarks.soak.comparison import Books
from benchmarks.soak.engine import OWN, Engine
from benchmarks.soak.house import Looks, Watched
from benchmarks.soak.processes import QUIET_S, Seen, Series, quietest, series_of
from benchmarks.soak.providers import Provider, settings_of, targets_of
from benchmarks.soak.reconcile import reconcile
from benchmarks.soak.stores import NotHere, ledger
from benchmarks.soak.verdict import Rest, Use, Verdict, judge, show
from freehold import __version__
from freehold.app.cli.output import emit_json, notes
from freehold.core.errors import BadSettings
from freehold.lab.asgi import Receive, Scope, Send, read_body, respond
from freehold.lab.server import serving

FAULT_SHARE, CALLERS, WORKERS, SEED = 0.05, 24, 2, 20261121
_FIRST_S, _REST_S = 10.0, 15.0  # pools, caches and databases are open once all of it was used
_SETTLE_S, _LOOK_S = 60.0, 5.0


def main() -> int:
    """Soak, judge, print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--minutes", type=float, default=20.0)
    options.add_argument("--callers", type=int, default=CALLERS)
    options.add_argument("--workers", type=int, default=WORKERS)
    options.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    options.add_argument("--seed", type=int, default=SEED)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    if not 2 <= given.minutes <= 24 * 60:
        options.error(f"--minutes is {given.minutes:g}; use 2 to {24 * 60}: less shows no slope")
    if not 1 <= given.callers <= 1000:
        options.error(f"--callers is {given.callers}; use 1 to 1000")
    if not 1 <= given.workers <= 16:
        options.error(f"--workers is {given.workers}; use 1 to 16")
    with tempfile.TemporaryDirectory(prefix="freehold-soak-") as folder:
        try:
            verdict = uvloop.run(soak(Path(folder), given))
        except asyncio.CancelledError:
            notes.print("The soak was broken off; its processes have ended.")
            return 130
        except (BadSettings, NotHere) as problem:  # no llama.cpp, no PostgreSQL
            options.error(str(problem))
    if given.json:
        emit_json(verdict)
    else:
        show(verdict)
    return 1 if verdict.violations else 0


async def soak(folder: Path, given: argparse.Namespace) -> Verdict:
    """Everything started, used, brought to rest and compared."""
    providers = [Provider(settings_of(number, FAULT_SHARE)) for number in range(2)]
    async with contextlib.AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(serving(provider)) for provider in providers]
        collector = await stack.enter_async_context(serving(_collect))
        await asyncio.sleep(0)  # a server takes the signals when it first runs
        _end_when_told()
        own = await stack.enter_async_context(engine.running(folder, given.seed))
        house = Watched(folder, stack.enter_context(ledger(given.store, folder)), given.workers)
        stack.enter_context(house.running(_targets(folder, urls, own), collector))
        callers = Callers(house.url, given.seed, given.callers, own.tickets)
        await _used(house, callers, _FIRST_S)
        await asyncio.sleep(_REST_S)
        fresh = {name: quietest(samples, max) for name, samples in house.samples().items()}
        before, began_at = callers.finished, time.time()
        changing = asyncio.create_task(make_changes(house, given.minutes * 60))
        looks = await _used(house, callers, given.minutes * 60)
        ended_at, calls = time.time(), callers.finished - before
        changes = await changing
        rest = await _at_rest(house, own, {name: sample.sockets for name, sample in fresh.items()}, looks)
        entries = house.ledger.rows("SELECT * FROM entries ORDER BY id")
        attempts = house.ledger.rows("SELECT * FROM attempts ORDER BY entry_id, n")
    books = Books(callers.calls, [work for provider in providers for work in provider.books.works], entries, attempts)
    under = {name: [one for one in found if began_at <= one.at <= ended_at] for name, found in house.samples().items()}
    series = series_of(under, Series(looks.at, looks.series))
    seen = {name: Seen(found, fresh[name], rest.samples[name], series[name]) for name, found in under.items()}
    where = (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, freehold {__version__}, "
        f"{given.store}, {given.workers} workers"
    )
    return judge(reconcile(books, changes), Use(ended_at - began_at, calls, looks.series, seen), changes, rest, where)


def _targets(folder: Path, urls: list[str], own: Engine) -> dict[str, Any]:
    """The engine, and then of both providers an account by turns."""
    key = folder / "provider.key"
    key.write_text("not looked at", encoding="utf-8")
    offered = [targets_of(number, url, key) for number, url in enumerate(urls)]
    return {OWN: own.target} | {
        name: target for pair in zip(*(one.items() for one in offered), strict=True) for name, target in pair
    }


def _end_when_told() -> None:
    """A signal ends the soak, and not only the servers inside it."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)


async def _used(house: Watched, callers: Callers, seconds: float) -> Looks:
    """Until the time is over and every caller has its answer. What its metrics said meanwhile."""
    ended, looks = asyncio.Event(), Looks()
    calling = asyncio.create_task(callers.call_until(ended))
    until = time.monotonic() + seconds
    with _bar(seconds) as (bar, task):
        while (left := until - time.monotonic()) > 0 and not calling.done():
            await asyncio.sleep(min(_LOOK_S, left))
            looks.add(await asyncio.to_thread(house.metrics))
            size = house.size_bytes() / 2**20
            bar.update(task, completed=seconds - max(0.0, left - _LOOK_S), done=callers.finished, size=size)
    ended.set()
    await calling
    return looks


async def _at_rest(house: Watched, own: Engine, sockets: dict[str, int], looks: Looks) -> Rest:
    """The gateway once nobody calls any more, as soon as its connections are closed or after a minute; then it ends."""
    deadline = time.monotonic() + _SETTLE_S
    while True:
        await asyncio.sleep(1)
        metrics = await asyncio.to_thread(house.metrics)
        closed = all(samples[-1].sockets <= sockets[name] for name, samples in house.samples().items())
        if (metrics[("freehold_inflight", ())] == 0 and closed) or time.monotonic() > deadline:
            break
    summary: Any = await asyncio.to_thread(house.admin, "/admin/summary")
    budgets: Any = await asyncio.to_thread(house.admin, "/admin/budgets")
    moved = await asyncio.to_thread(migration, house)
    await asyncio.sleep(QUIET_S)
    metrics, counted = await asyncio.to_thread(house.metrics), await own.counted()
    looks.add(metrics)
    resting = {name: quietest(samples, min) for name, samples in house.samples().items()}
    exit_code = await asyncio.to_thread(house.stop)
    return Rest(resting, metrics, summary, budgets, moved, counted, sorted(looks.negative), exit_code, house.accidents())


@contextlib.contextmanager
def _bar(seconds: float) -> Iterator[tuple[Progress, Any]]:
    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[done]:,} requests · {task.fields[size]:.1f} MiB"))
    with Progress(*columns, console=notes, disable=not notes.is_terminal, transient=True) as bar:
        yield bar, bar.add_task("soak", total=seconds, done=0, size=0.0)


async def _collect(scope: Scope, receive: Receive, send: Send) -> None:
    """A collector of telemetry, and the end of a webhook: takes everything."""
    await read_body(receive)
    await respond(send, 200, b"", [("content-type", "application/x-protobuf")])


if __name__ == "__main__":
    sys.exit(main())
