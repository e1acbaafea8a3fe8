"""A soak: the gateway with everything on, two lab providers that fail at 5 % of requests in every way, callers of every manner.

It ends with exit code 1 where memory grows, anything stays open, or the ledger differs from what providers and callers counted.
Run: `make bench-soak` (MINUTES=20), or python -m benchmarks.soak --minutes 3 --json. Its figures: docs/explain/performance.md.
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

from benchmarks.soak.callers import Callers
from benchmarks.soak.house import KEY, Watched
from benchmarks.soak.providers import Provider, Work, settings_of, targets_of
from benchmarks.soak.reconcile import reconcile
from benchmarks.soak.verdict import QUIET_S, Rest, Seen, Verdict, judge, quietest, show
from freehold import __version__
from freehold.app.cli.output import emit_json, notes
from freehold.lab.asgi import Receive, Scope, Send, read_body, respond
from freehold.lab.server import serving

FAULT_SHARE, CALLERS, SEED = 0.05, 24, 20261121
_FIRST_S, _REST_S = 10.0, 15.0  # pools, caches and databases are open once all of it was used
_SETTLE_S, _LOOK_S = 60.0, 5.0


def main() -> int:
    """Soak, judge, print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--minutes", type=float, default=20.0)
    options.add_argument("--callers", type=int, default=CALLERS)
    options.add_argument("--seed", type=int, default=SEED)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    if not 2 <= given.minutes <= 24 * 60:
        options.error(f"--minutes is {given.minutes:g}; use 2 to {24 * 60}: less shows no slope")
    if not 1 <= given.callers <= 1000:
        options.error(f"--callers is {given.callers}; use 1 to 1000")
    with tempfile.TemporaryDirectory(prefix="freehold-soak-") as folder:
        try:
            verdict = uvloop.run(soak(Path(folder), given))
        except asyncio.CancelledError:
            notes.print("The soak was broken off; its processes have ended.")
            return 130
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
        (folder / "provider.key").write_text("not looked at", encoding="utf-8")
        offered = [targets_of(number, url, folder / "provider.key") for number, url in enumerate(urls)]
        targets = {name: target for pair in zip(*(one.items() for one in offered), strict=True) for name, target in pair}
        house = stack.enter_context(Watched(folder, targets, collector).running())
        callers = Callers(house.url, KEY, given.seed, given.callers)
        await _used(house, callers, _FIRST_S)
        await asyncio.sleep(_REST_S)
        fresh = quietest(house.samples(), max)
        before, began_at = callers.finished, time.time()
        negative = await _used(house, callers, given.minutes * 60)
        ended_at, calls = time.time(), callers.finished - before
        rest = await _at_rest(house, fresh.sockets, negative)
    works: list[Work] = [work for provider in providers for work in provider.books.works]
    entries = house.rows("SELECT * FROM entries ORDER BY id")
    compared = reconcile(callers.calls, works, entries, house.rows("SELECT * FROM attempts ORDER BY entry_id, n"))
    where = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, freehold {__version__}"
    samples = [sample for sample in house.samples() if began_at <= sample.at <= ended_at]
    return judge(compared, calls, Seen(samples, fresh, rest), where)


def _end_when_told() -> None:
    """A signal ends the soak, and not only the servers inside it."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)


async def _used(house: Watched, callers: Callers, seconds: float) -> list[str]:
    """Until the time is over and every caller has its answer. What was below zero meanwhile."""
    ended, negative = asyncio.Event(), set[str]()
    calling = asyncio.create_task(callers.call_until(ended))
    until = time.monotonic() + seconds
    with _bar(seconds) as (bar, task):
        while (left := until - time.monotonic()) > 0 and not calling.done():
            await asyncio.sleep(min(_LOOK_S, left))
            negative |= _below_zero(await asyncio.to_thread(house.metrics))
            size = house.samples()[-1].rss_bytes / 2**20
            bar.update(task, completed=seconds - max(0.0, left - _LOOK_S), done=callers.finished, size=size)
    ended.set()
    await calling
    return sorted(negative)


async def _at_rest(house: Watched, sockets: int, negative: list[str]) -> Rest:
    """The gateway once nobody calls any more, as soon as its connections are closed or after a minute; then it ends."""
    deadline = time.monotonic() + _SETTLE_S
    while True:
        await asyncio.sleep(1)
        sample, metrics = house.samples()[-1], await asyncio.to_thread(house.metrics)
        quiet = metrics[("freehold_inflight", ())] == 0 and sample.sockets <= sockets
        if quiet or time.monotonic() > deadline:
            break
    summary: Any = await asyncio.to_thread(house.admin, "/admin/summary")
    budgets: Any = await asyncio.to_thread(house.admin, "/admin/budgets")
    await asyncio.sleep(QUIET_S)
    sample = quietest(house.samples(), min)
    exit_code = await asyncio.to_thread(house.stop)
    return Rest(sample, metrics, summary, budgets, [*negative, *sorted(_below_zero(metrics))], exit_code, house.accidents())


def _below_zero(metrics: dict[tuple[str, tuple[tuple[str, str], ...]], float]) -> set[str]:
    return {f"{name}{dict(labels) or ''}" for (name, labels), value in metrics.items() if value < 0}


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
