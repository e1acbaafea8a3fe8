"""Keep an owned engine running: start it as a child process, wait until it answers, start it again when it crashes, stop it.

async with supervised(launch, log=print) as engine:
    await engine.wait()
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from typing import IO
from urllib.parse import urlsplit

import aiohttp
import msgspec

from freehold.app.tied import tied
from freehold.core.errors import BadSettings, FreeholdError
from freehold.core.ports import LaunchSpec
from freehold.serve.engines.llamacpp_server import SUPERVISOR_PID
from freehold.serve.engines.ports import refuse_taken_port

_LINE_BYTES = 1 << 20
_STOP_S = 5.0


class EngineFailed(FreeholdError):
    """The engine did not start, or crashed more often than patience allows. The message is the one line people see."""

    code = "engine_failed"


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait and how often to try. `restarts` are crashes in a row; `steady_s` of service starts the count over."""

    ready_s: float = 120.0
    restarts: int = 5
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    steady_s: float = 60.0

    def wait_s(self, crashes: int) -> float:
        """Seconds before the next start, doubling with each crash in a row."""
        return min(self.first_wait_s * 2.0 ** (crashes - 1), self.longest_wait_s)


@asynccontextmanager
async def supervised(
    launch: LaunchSpec, *, log: Callable[[str], None], patience: Patience | None = None
) -> AsyncIterator["Supervisor"]:
    """Answering on entry, restarted while inside, stopped on exit. `log` gets the engine's lines and ours.

    Raises BadSettings where starting again would not help (port taken, program missing, its own exit code 2), else EngineFailed.
    """
    supervisor = Supervisor(launch, log, patience or Patience())
    try:
        await supervisor.start()
        yield supervisor
    finally:
        await supervisor.stop()


class Supervisor:
    """One engine's child process, and the task that watches it. Made by `supervised`."""

    def __init__(self, launch: LaunchSpec, log: Callable[[str], None], patience: Patience) -> None:
        self.starts = 0
        self._launch = launch
        self._log = log
        self._patience = patience
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._last_line = ""

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is none."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the engine, wait until it answers, and watch it from then on."""
        where = urlsplit(self._launch.url)
        refuse_taken_port(where.hostname or "127.0.0.1", where.port or 80)
        process = await self._spawn()
        self._keeper = asyncio.create_task(self._keep(process))

    async def wait(self) -> None:
        """Until the engine is given up: raises EngineFailed or BadSettings, never returns before."""
        assert self._keeper is not None
        await asyncio.shield(self._keeper)

    async def stop(self) -> None:
        """Ask it to end, kill it after 5 s if it has not; nothing of it is left."""
        try:
            if self._keeper is not None:
                self._keeper.cancel()
                await asyncio.gather(self._keeper, return_exceptions=True)
        finally:
            if self._process is not None:
                await self._end(self._process)

    async def _keep(self, process: asyncio.subprocess.Process) -> None:
        crashes = 0
        while True:
            ready_at = time.monotonic()
            code = await process.wait()
            await self._end(process)
            crashes = 1 if time.monotonic() - ready_at >= self._patience.steady_s else crashes + 1
            process, crashes = await self._restart(crashes, f"{self._launch.url} ended with {_ending(code)}")

    async def _restart(self, crashes: int, reason: str) -> tuple[asyncio.subprocess.Process, int]:
        """A child that answers again, and how many crashes in a row it took to get there."""
        patience = self._patience
        while crashes <= patience.restarts:
            wait_s = patience.wait_s(crashes)
            self._say(f"{reason}; restart {crashes} of {patience.restarts} in {wait_s:g} s")
            await asyncio.sleep(wait_s)
            try:
                return await self._spawn(), crashes
            except EngineFailed as failure:
                crashes, reason = crashes + 1, failure.message
        raise EngineFailed(f"{reason}; given up after {patience.restarts} restarts in a row")

    async def _spawn(self) -> asyncio.subprocess.Process:
        """A child that answers. Raises, and leaves none behind, where it does not."""
        process = await self._exec()
        self._process, self._last_line = process, ""
        self.starts += 1
        try:
            async with asyncio.timeout(self._patience.ready_s):
                answers = await _until_ready(process, self._launch)
        except TimeoutError:
            await self._end(process)
            raise EngineFailed(f"{self._launch.url} did not answer within {self._patience.ready_s:g} s") from None
        if not answers:
            await self._end(process)
            raise self._stillborn(process.returncode or 0)
        return process

    async def _exec(self) -> asyncio.subprocess.Process:
        """The child and the task that reads its log.

        The pipe is ours, since asyncio reports the end of a child only once its own pipes are closed, and a crashed engine's
        workers hold them open. The session is the child's: Ctrl-C reaches the supervisor alone, and a signal to the group
        reaches the engine's workers too.
        """
        argv, env = self._launch.argv, {**os.environ, **self._launch.env, SUPERVISOR_PID: str(os.getpid())}
        read_end, write_end = os.pipe()
        self._reader = asyncio.create_task(self._copy_log(os.fdopen(read_end, "rb", buffering=0)))
        try:
            return await asyncio.create_subprocess_exec(
                *argv,
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                start_new_session=True,
                preexec_fn=tied(),
            )
        except OSError as error:
            raise BadSettings(f"cannot run {argv[0]}: {error.strerror}; is the engine installed?") from None
        finally:
            os.close(write_end)

    def _stillborn(self, code: int) -> FreeholdError:
        if code == 2:
            return BadSettings(self._last_line or "the engine refused its arguments")
        return EngineFailed(f"{self._launch.url} ended with {_ending(code)} before it answered: {self._last_line}")

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """Terminate, then kill. The group is killed even after a clean end, since its workers hold memory."""
        try:
            if process.returncode is None:
                _signal_group(process.pid, signal.SIGTERM)
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), _STOP_S)
        finally:
            self._process = None  # once only: later, the id may be someone else's
            _signal_group(process.pid, signal.SIGKILL)
        await process.wait()
        if self._reader is not None:
            # A worker that left the group may hold the pipe open; its lines are not waited for.
            await asyncio.wait({self._reader}, timeout=1.0)
            self._reader.cancel()

    async def _copy_log(self, pipe: IO[bytes]) -> None:
        stream = asyncio.StreamReader(limit=_LINE_BYTES)
        protocol = asyncio.StreamReaderProtocol(stream)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
        with closing(transport):
            while True:
                try:
                    line = await stream.readline()
                except ValueError:
                    continue  # longer than any log line; the reader has dropped it
                if not line:
                    return
                self._last_line = line.decode(errors="replace").rstrip()
                self._say(self._last_line)

    def _say(self, line: str) -> None:
        # A log that cannot be written must not stop the reading: a full pipe would stall the engine.
        with suppress(OSError):
            self._log(line)


async def _until_ready(process: asyncio.subprocess.Process, launch: LaunchSpec) -> bool:
    """True once its ready path answers 200, False once it has ended."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0)) as session:
        while process.returncode is None:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(launch.url + launch.ready_path, allow_redirects=False) as reply:
                    if reply.status == 200:
                        return process.returncode is None
            await asyncio.sleep(0.05)
    return False


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
