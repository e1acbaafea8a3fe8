"""Replay a trace against a gateway, open loop: requests leave when the trace says, however slowly answers come."""

import asyncio
import math
import os
from collections.abc import Callable, Iterable

import aiohttp
import msgspec

from freehold.core.errors import BadSettings
from freehold.core.trace import TracedRequest
from freehold.lab.asking import Question, ask, question_of
from freehold.lab.mix import Mix
from freehold.lab.pace import sleep_until
from freehold.lab.report import Account, Progress, ReplayReport

_PROGRESS_EVERY_S = 0.2
_REACH_TIMEOUT_S = 10.0
_IDLE_S = 2.0  # below any server's keep-alive, so that no request meets a connection that is just being closed


class ReplayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where to and how fast. `speed` divides the trace's gaps; beyond `max_in_flight` requests wait and count as late."""

    url: str
    mix: Mix
    key: str | None = None
    speed: float = 1.0
    max_in_flight: int = 2000
    timeout_s: float = 600.0
    stream: bool = True

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise BadSettings(f"url is {self.url!r}; give one such as http://127.0.0.1:8400")
        for name in ("speed", "max_in_flight", "timeout_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise BadSettings(f"{name} is {value:g}; use a number above 0")

    @property
    def origin(self) -> str:
        """The URL without a trailing slash or /v1."""
        return self.url.rstrip("/").removesuffix("/v1")


async def replay(
    requests: Iterable[TracedRequest], options: ReplayOptions, progress: Callable[[Progress], None] = lambda _: None
) -> ReplayReport:
    """Send every request at its time and account for each; `progress` hears how it stands five times a second.

    Cancelling it breaks off what is under way and still returns the account. Raises BadSettings where nobody answers at the URL
    or the key is refused.
    """
    headers = {"authorization": f"Bearer {options.key}"} if options.key else {}
    timeout = aiohttp.ClientTimeout(total=options.timeout_s)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_S)
    async with aiohttp.ClientSession(
        options.origin, headers=headers, timeout=timeout, connector=connector, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        await _reach(session, options)
        return await _Run(session, options, progress).to_the_end(requests)


async def _reach(session: aiohttp.ClientSession, options: ReplayOptions) -> None:
    try:
        async with session.get("/v1/models", timeout=aiohttp.ClientTimeout(total=_REACH_TIMEOUT_S)) as response:
            if response.status in {401, 403}:
                raise BadSettings(f"{options.url} refused the key with {response.status}; give a valid one with --key")
    except aiohttp.ClientConnectorError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        reason = str(error) or type(error).__name__
    else:
        return
    raise BadSettings(f"cannot reach {options.url}: {reason}; start it with `freehold serve` or name it with --url")


class _Run:
    """One replay under way."""

    def __init__(self, session: aiohttp.ClientSession, options: ReplayOptions, progress: Callable[[Progress], None]) -> None:
        self._session = session
        self._options = options
        self._progress = progress
        self._account = Account()
        self._room = asyncio.Semaphore(options.max_in_flight)
        self._clock = asyncio.get_running_loop().time
        self._start = self._clock()
        self._asking: set[asyncio.Task[None]] = set()

    async def to_the_end(self, requests: Iterable[TracedRequest]) -> ReplayReport:
        """All of it, or as far as it came before it was cancelled."""
        telling = asyncio.create_task(self._tell())
        interrupted = False
        try:
            await self._send_all(requests)
            while self._asking:
                await asyncio.wait(self._asking)
        except asyncio.CancelledError:
            interrupted = True
            await self._break_off()
        finally:
            telling.cancel()
        wall_s = self._clock() - self._start
        self._progress(self._account.progress(wall_s))
        return self._account.report(wall_s, interrupted=interrupted)

    async def _send_all(self, requests: Iterable[TracedRequest]) -> None:
        first_at: float | None = None
        for index, request in enumerate(requests):
            first_at = request.at if first_at is None else first_at
            question = question_of(index, request, self._options.mix.share_of(index), stream=self._options.stream)
            await sleep_until(self._start + (request.at - first_at) / self._options.speed)
            self._account.late += self._room.locked()
            await self._room.acquire()
            self._account.sent += 1
            task = asyncio.create_task(self._ask(question))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _ask(self, question: Question) -> None:
        try:
            self._account.add(await ask(self._session, question))
        finally:
            self._room.release()

    async def _break_off(self) -> None:
        asking = list(self._asking)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _tell(self) -> None:
        while True:
            self._progress(self._account.progress(self._clock() - self._start))
            await asyncio.sleep(_PROGRESS_EVERY_S)
