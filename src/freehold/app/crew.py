"""What the processes of one gateway say to each other, over Unix sockets in a folder that only their user may enter.

Each exchange is a connection: a question as MessagePack, its answer likewise. The parent asks every worker for its state; a
worker asks the parent for that of all, and tells it what it should know.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec
import structlog

from freehold.app.pooled_metrics import Family
from freehold.app.reload import Loaded as LoadedFile
from freehold.app.reload import Reloader
from freehold.core.decision import Phase, TargetState
from freehold.core.errors import Saturated
from freehold.serve.gateway.house import Gateway

PARENT = "parent"
_ANSWER_S = 2.0  # for one worker to answer
_ALL_S = 5.0  # for the parent, which may have waited for one that does not
_PHASES: tuple[Phase, ...] = ("closed", "half_open", "open")  # from good to bad
_log = structlog.get_logger("freehold.crew")
_T = TypeVar("_T")


class Ready(msgspec.Struct, frozen=True, tag=True):
    """That worker serves."""

    worker: int


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """A worker took the file in that version."""

    version: str


class Reload(msgspec.Struct, frozen=True, tag=True):
    """All shall read the file again."""


class HowAreAll(msgspec.Struct, frozen=True, tag=True):
    """The state of all is asked for."""


class HowAreYou(msgspec.Struct, frozen=True, tag=True):
    """The state of one is."""


Question: TypeAlias = Ready | Loaded | Reload | HowAreAll | HowAreYou


class WorkerState(msgspec.Struct, frozen=True):
    """One process at this moment, and what it has counted."""

    in_flight: int
    targets: dict[str, TargetState]
    families: list[Family]


class Seen(msgspec.Struct, frozen=True):
    """A worker as its parent sees it. `restarts`: how often another has taken its place."""

    worker: int
    pid: int
    ready: bool
    restarts: int
    in_flight: int


class Live(msgspec.Struct, frozen=True):
    """All processes together, at this moment; `workers` is empty where there is only one."""

    in_flight: int
    targets: dict[str, TargetState]
    workers: list[Seen] = []
    metrics: bytes = b""


class Crew:
    """A worker's way to its parent."""

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self._folder = folder
        self._telling: set[asyncio.Task[None]] = set()

    async def live(self) -> Live:
        """The state of all. Raises Saturated where the parent does not answer."""
        try:
            return await asked(self._folder / PARENT, HowAreAll(), Live, _ALL_S)
        except (OSError, TimeoutError, msgspec.DecodeError):
            raise Saturated("the other workers cannot be asked just now", retry_after_s=1) from None

    def ready(self) -> None:
        """This worker serves."""
        self._tell(Ready(self.number))

    def loaded(self, version: str) -> None:
        """It took the file in that version."""
        self._tell(Loaded(version))

    def reload(self) -> None:
        """All workers, this one too, shall read the file again."""
        self._tell(Reload())

    @asynccontextmanager
    async def answering(self, state: Callable[[], WorkerState]) -> AsyncIterator[None]:
        """While inside, the parent is told the state when it asks."""

        async def answer(question: Question) -> WorkerState:
            return state()

        async with listening(self._folder / str(self.number), answer):
            yield

    def _tell(self, what: Question) -> None:
        task = asyncio.create_task(self._told(what))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _told(self, what: Question) -> None:
        try:
            await asked(self._folder / PARENT, what, bool)
        except (OSError, TimeoutError, msgspec.DecodeError) as error:
            _log.warning("the parent could not be told", what=type(what).__name__, kind=type(error).__name__)


class Whole:
    """A gateway's processes as one, whether there are several or not."""

    def __init__(self, gateway: Gateway, reloader: Reloader, crew: Crew | None) -> None:
        self._gateway = gateway
        self._reloader = reloader
        self._crew = crew

    @property
    def loaded(self) -> LoadedFile:
        """The configuration in force in this process."""
        return self._reloader.state

    def reload(self) -> None:
        """All shall read the file again."""
        if self._crew is None:
            self._reloader.ask()
        else:
            self._crew.reload()

    async def live(self) -> Live:
        """The state of all. Raises Saturated where the others cannot be asked."""
        if self._crew is not None:
            return await self._crew.live()
        return Live(self._gateway.in_flight, dict(self._gateway.board.states(tuple(self._gateway.policy.targets))))


async def asked(path: Path, question: Question, answer: type[_T], within_s: float = _ANSWER_S) -> _T:
    """The answer of whoever listens there. Raises OSError, TimeoutError, msgspec.DecodeError."""
    async with asyncio.timeout(within_s):
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            writer.write(msgspec.msgpack.encode(question))
            writer.write_eof()
            return msgspec.msgpack.decode(await reader.read(), type=answer)
        finally:
            writer.close()


@asynccontextmanager
async def listening(path: Path, answer: Callable[[Question], Awaitable[object]]) -> AsyncIterator[None]:
    """While inside, each question that comes there is answered."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_ALL_S):
                question = msgspec.msgpack.decode(await reader.read(), type=Question)
                writer.write(msgspec.msgpack.encode(await answer(question)))
                await writer.drain()
        except (OSError, TimeoutError, msgspec.DecodeError) as error:
            _log.warning("a question of another worker was not answered", kind=type(error).__name__)
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, path)  # in place of the socket of a worker that was killed
    try:
        yield
    finally:
        server.close()


def together(states: Mapping[int, WorkerState]) -> tuple[int, dict[str, TargetState]]:
    """Requests in flight in all of them, and each target as the one that thinks worst of it has it."""
    targets: dict[str, TargetState] = {}
    for state in states.values():
        for name, found in state.targets.items():
            targets[name] = found if name not in targets else _worse(targets[name], found)
    return sum(state.in_flight for state in states.values()), targets


def _worse(one: TargetState, other: TargetState) -> TargetState:
    return TargetState(
        in_flight=one.in_flight + other.in_flight, foreign=min(one.foreign, other.foreign), load=one.load or other.load,
        cooling_s=max(one.cooling_s, other.cooling_s), asked_s=max(one.asked_s, other.asked_s),
        phase=max(one.phase, other.phase, key=_PHASES.index), open_s=max(one.open_s, other.open_s),
        failures=max(one.failures, other.failures), probing=one.probing or other.probing, share=min(one.share, other.share),
        quota_s=max(one.quota_s, other.quota_s),
    )  # fmt: skip
