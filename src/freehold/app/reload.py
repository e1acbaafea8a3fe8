"""Reload `freehold.yaml` while the gateway runs: when the file changes, and on SIGHUP.

The whole file is read, validated and made a policy beside the requests; then it is swapped in at one stroke. A file that is wrong
anywhere, or that changes what is fixed at the start, changes nothing: it is refused, and the policy before it stays.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Literal, TypeAlias

import msgspec
import structlog

from freehold.app import config_file
from freehold.app.config_file import ConfigFile, Location
from freehold.core.errors import BadSettings
from freehold.serve.gateway.policy import Policy

Result: TypeAlias = Literal["loaded", "refused"]

_EVERY_S = 0.5  # a file counts as written once two looks in a row see the same: half of one may well be valid
_FIXED: tuple[Location, ...] = (
    ("listen",), ("metrics",), ("store",), ("admin", "listen"), ("admin", "key_sha256"), ("content", "path"), ("content", "key"),
    ("content", "record_bytes"), ("signals", "webhook"),
    ("bounds", "body_bytes"), ("bounds", "connect_s"), ("limits", "store"), ("telemetry",),
)  # fmt: skip
_log = structlog.get_logger("freehold.reload")


class Refusal(msgspec.Struct, frozen=True):
    """The last file that was not taken. `at`: Unix seconds; `problem`: file, line, field, what is wrong."""

    at: float
    problem: str


class Loaded(msgspec.Struct, frozen=True):
    """What is in force. `loaded_at`: Unix seconds; `times`: how often a file was taken since the start."""

    version: str
    loaded_at: float
    times: int = 1
    refused: int = 0
    last_refusal: Refusal | None = None


class Reloader:
    """Looks at one file, again and again, and remembers what became of it."""

    def __init__(
        self, file: ConfigFile, version: str, build: Callable[[ConfigFile], Policy], put: Callable[[ConfigFile, Policy], None],
        count: Callable[[Result], None],
    ) -> None:  # fmt: skip
        """`build` makes and records a policy, in a thread, or raises BadSettings; `put` swaps it in, on the event loop."""
        self.state = Loaded(version, time.time())
        self._file = file
        self._build = build
        self._put = put
        self._count = count
        self._asked = asyncio.Event()
        self._tried = self._seen = _mark(file)

    def ask(self) -> None:
        """Reload now, changed or not: keys, certificates and other files it points to may be new."""
        self._asked.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await self._asked.wait()
            asked = self._asked.is_set()
            self._asked.clear()
            before, self._seen = self._seen, await asyncio.to_thread(_mark, self._file)
            if asked or (self._seen == before and self._seen != self._tried):
                self._tried = self._seen
                await self.reload(always=asked)

    async def reload(self, *, always: bool) -> None:
        """Take the file as it is now, or refuse it. Not `always`: only if its text is another than the one in force."""
        try:
            made = await asyncio.to_thread(self._make, always)
            if made is None:
                return
            file, policy = made
            self._put(file, policy)
        except BadSettings as error:
            self._refuse(error.message)
        except Exception as error:  # a reload must never end the gateway, nor the watch over the file
            _log.error("a reload failed", exc_info=error)
            self._refuse(f"{self._file.path}: internal error ({type(error).__name__}); the log has it")
        else:
            self._file = file
            self.state = msgspec.structs.replace(
                self.state, version=policy.version, loaded_at=time.time(), times=self.state.times + 1
            )
            self._count("loaded")
            _log.info("configuration loaded", policy=policy.version)

    def _make(self, always: bool) -> tuple[ConfigFile, Policy] | None:
        file = config_file.load(self._file.path)
        if file.version == self._file.version and not always:
            return None
        refuse_fixed(self._file, file)
        return file, self._build(file)

    def _refuse(self, problem: str) -> None:
        refused = self.state.refused + 1
        self.state = msgspec.structs.replace(self.state, refused=refused, last_refusal=Refusal(time.time(), problem))
        self._count("refused")
        _log.error("configuration refused; the one before stays in force", policy=self.state.version, problem=problem)


@asynccontextmanager
async def file_watched(reloader: Reloader) -> AsyncIterator[None]:
    """While inside, the file is looked at, beside everything else."""
    watch = asyncio.create_task(reloader.run(), name="reload")
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


def refuse_fixed(before: ConfigFile, after: ConfigFile) -> None:
    """Raises BadSettings naming the field, where one differs that is fixed while the gateway runs."""
    for loc in _FIXED:
        if _value(before, loc) != _value(after, loc):
            raise after.refuse(loc, "cannot change while the gateway runs; put it back, or restart the gateway")


def _value(file: ConfigFile, loc: Location) -> object:
    value: object = file.settings
    for step in loc:
        value = getattr(value, str(step), None)  # of a section that is not there nothing is stated
    return value


def _mark(file: ConfigFile) -> tuple[int, ...] | None:
    """What changes when a file is written or replaced; None where there is none."""
    try:
        seen = file.path.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino
