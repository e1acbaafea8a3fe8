"""The parent of `freehold serve --workers N`: opens the sockets, starts the workers on them, and sees that there are always N.

It serves nothing itself, so that there is little in it that could end. A worker that ends is replaced, after a wait that grows
while its place stays unlucky; connections that nobody has taken wait at the one socket that all share.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog

from freehold.app import crew, server
from freehold.app.config_file import ConfigFile
from freehold.app.ledgers import configured_ledger
from freehold.app.policy import build_policy
from freehold.app.pooled_metrics import Pool, families_of
from freehold.app.worker import Orders
from freehold.core.errors import BadSettings
from freehold.serve.sinks.prometheus import PrometheusSink
from freehold.serve.stores.opening import open_store

MOST_WORKERS = 64
_LOOK_S = 1.0  # what a worker that is killed had counted since then is missing in the metrics; nothing is in the ledger
_WAITS_S = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_WELL_S = 60.0  # a worker that served so long had no bad start
END_S = server.DRAIN_S + server.SETTLE_S + 15.0  # for a worker to end before it is killed
_LONGEST_FOLDER = 90  # a Unix socket's whole path has at most 103 bytes on some systems
_PARENT = -1  # in the pool of metrics
_log = structlog.get_logger("freehold.workers")


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What all workers of a gateway have in common. `folder` is for their sockets."""

    admin_sha256: str
    data: socket.socket
    admin: socket.socket
    folder: Path
    as_json: bool


class _Place:
    """One of the N, whoever has it now."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: Process | None = None
        self.ready = self.stale = False
        self.began = 0.0
        self.unlucky = self.restarts = 0
        self.state: crew.WorkerState | None = None
        self.asking = asyncio.Lock()  # one at a time, or an older answer could come last, and a counter would fall

    def send(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)  # the library's own way may take its exit code from who waits for it


async def run_workers(file: ConfigFile, admin_sha256: str, count: int, on_ready: Callable[[], None], *, as_json: bool) -> int:
    """Serve with so many workers until SIGTERM or SIGINT, then drain them. The exit code: 0, or that of a worker that could not
    begin. Raises BadSettings before anything is started."""
    settings = file.settings
    build_policy(file, datetime.now(UTC).date())
    with contextlib.ExitStack() as stack:
        data = stack.enter_context(server.bind(file, ("listen",), settings.listen))
        admin = stack.enter_context(server.bind(file, ("admin", "listen"), settings.admin.listen))
        open_store(configured_ledger(file)).close()  # made and brought up to date once, before all open it
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="freehold-")))
        if len(str(folder)) > _LONGEST_FOLDER:
            raise BadSettings(f"sockets cannot be made in {folder.parent}: its name is too long; set TMPDIR to a shorter one")
        for line in counted_apart(file, count):
            _log.warning("each worker counts for itself", what=line)
        shared = Shared(admin_sha256=admin_sha256, data=data, admin=admin, folder=folder, as_json=as_json)
        return await Workers(file, shared, count).run(on_ready)


def counted_apart(file: ConfigFile, count: int) -> list[str]:
    """What several workers do not count together, and what comes of it, a line each."""
    settings = file.settings
    lines = []
    rules = settings.limits.rules
    if settings.limits.store == "memory://" and any(r.requests_per_minute or r.tokens_per_minute for r in rules):
        lines.append(
            f"limits by the minute are in memory, so up to {count} times as much passes; set limits.store to redis://..."
        )
    if any(rule.concurrent for rule in rules):
        lines.append(f"limits.rules.concurrent: up to {count} times as many requests at once pass")
    bounded = [n for n, t in settings.targets.items() if t.concurrency is not None or t.limits != type(t.limits)()]
    if bounded:
        names = ", ".join(bounded)
        lines.append(
            f"concurrency and limits of targets ({names}): each worker may use all of them, until the target says it is full"
        )
    return lines


class Workers:
    """All of them, on one configuration."""

    def __init__(self, file: ConfigFile, shared: Shared, count: int) -> None:
        self._file = file
        self._text = file.path.read_text(encoding="utf-8")
        self._shared = shared
        self._places = [_Place(number) for number in range(count)]
        self._pool = Pool()
        self._metrics = PrometheusSink()
        self._stopping = asyncio.Event()
        self._all_ready = asyncio.Event()
        self._failed = 0

    async def run(self, on_ready: Callable[[], None]) -> int:
        """Until told to stop and all have ended; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        async with crew.listening(self._shared.folder / crew.PARENT, self._answer):
            beside = [asyncio.create_task(step) for step in (self._look_on(), self._tell(on_ready))]
            await asyncio.gather(*(self._keep(place) for place in self._places))
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        return self._failed

    async def _keep(self, place: _Place) -> None:
        """Somebody in that place, until all stop."""
        while not self._stopping.is_set():
            code = await self._one(place)
            self._pool.bury(place.number)
            was_ready, place.ready, place.state = place.ready, False, None
            if self._stopping.is_set():
                return
            if not was_ready and not self._all_ready.is_set():  # it says why itself, and it would say so again
                self._failed = code if code > 0 else 1
                self._stop()
                return
            lived_s = time.monotonic() - place.began
            place.unlucky = 0 if lived_s > _WELL_S else place.unlucky + 1
            place.restarts += 1
            self._metrics.count_restart()
            wait_s = _WAITS_S[max(0, min(place.unlucky, len(_WAITS_S)) - 1)]
            _log.error("a worker ended; another takes its place", place=place.number, code=code, after_s=wait_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait_s)

    async def _one(self, place: _Place) -> int:
        """One worker from its start to its end; its exit code, below zero for the signal that ended it."""
        shared = self._shared
        sockets = [shared.data.fileno(), *([shared.admin.fileno()] if place.number == 0 else [])]
        orders = Orders(
            worker=place.number, path=str(self._file.path), text=self._text, admin_sha256=shared.admin_sha256,
            data_socket=sockets[0], admin_socket=sockets[1] if place.number == 0 else None, folder=str(shared.folder),
            as_json=shared.as_json, reborn=place.restarts > 0,
        )  # fmt: skip
        place.began = time.monotonic()
        try:  # in a session of its own, so that Ctrl-C reaches the parent alone: two signals would not drain but stop
            place.process = await create_subprocess_exec(
                sys.executable, "-m", "freehold.app.worker", stdin=PIPE, pass_fds=sockets, start_new_session=True
            )
        except OSError as error:
            _log.error("a worker cannot be started", place=place.number, problem=error.strerror)
            return 1
        assert place.process.stdin is not None
        place.process.stdin.write(msgspec.json.encode(orders) + b"\n")
        if self._stopping.is_set():
            place.send(signal.SIGTERM)
        return await place.process.wait()

    async def _answer(self, question: crew.Question) -> object:
        match question:
            case crew.HowAreAll():
                return await self._live()
            case crew.Ready(number):
                self._begun(self._places[number])
            case crew.Loaded(version):
                await self._remember(version)
            case crew.Reload():
                self._reload()
            case _:
                pass
        return True

    def _begun(self, place: _Place) -> None:
        place.ready = True
        if place.stale:
            place.stale = False
            place.send(signal.SIGHUP)
        if all(each.ready for each in self._places):
            self._all_ready.set()

    async def _remember(self, version: str) -> None:
        """The text that a new worker begins with is the last that was taken, whatever stands in the file by then."""
        with contextlib.suppress(OSError, UnicodeDecodeError, BadSettings):  # it changed meanwhile: that is told of in its turn
            text = await asyncio.to_thread(self._file.path.read_text, encoding="utf-8")
            if ConfigFile(self._file.path, text).version == version:
                self._text = text

    async def _live(self) -> crew.Live:
        """All of them now; one that does not answer, as it was last heard of."""
        await asyncio.gather(*(self._look(place) for place in self._places))
        self._pool.take(_PARENT, families_of(self._metrics.registry))
        states = {place.number: place.state for place in self._places if place.state is not None}
        in_flight, targets = crew.together(states)
        seen = [
            crew.Seen(p.number, p.process.pid if p.process else 0, p.ready, p.restarts, p.state.in_flight if p.state else 0)
            for p in self._places
        ]
        return crew.Live(in_flight, targets, seen, self._pool.render())

    async def _look(self, place: _Place) -> None:
        async with place.asking:
            if not place.ready:
                return
            asked_of = place.process
            with contextlib.suppress(OSError, TimeoutError, msgspec.DecodeError):  # it may be ending just now
                state = await crew.asked(self._shared.folder / str(place.number), crew.HowAreYou(), crew.WorkerState)
                if place.ready and place.process is asked_of:
                    place.state = state
                    self._pool.take(place.number, state.families)

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            await asyncio.gather(*(self._look(place) for place in self._places))

    async def _tell(self, on_ready: Callable[[], None]) -> None:
        await self._all_ready.wait()
        on_ready()

    def _reload(self) -> None:
        for place in self._places:
            if place.ready:
                place.send(signal.SIGHUP)
            else:  # a signal would end it before it listens to them
                place.stale = True

    def _stop(self) -> None:
        """The first signal drains, the second stops at once."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._shared.data.close()  # nobody shall wait at it for workers that take no more
            asyncio.get_running_loop().call_later(END_S, self._kill)
        for place in self._places:
            place.send(signal.SIGTERM)

    def _kill(self) -> None:
        for place in self._places:
            place.send(signal.SIGKILL)
