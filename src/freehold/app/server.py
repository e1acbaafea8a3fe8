"""One process: the data plane, the admin plane, the ledger's thread and the watches, started together and drained together."""

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import structlog
import uvicorn

from freehold.app.access import admission
from freehold.app.admin import admin_app
from freehold.app.admin_door import AdminDoor
from freehold.app.config_file import ConfigFile
from freehold.app.crew import Crew, Whole
from freehold.app.data_plane import data_plane, state_of
from freehold.app.dead_rules import dead_rules
from freehold.app.guards import open_content
from freehold.app.health import configured_health
from freehold.app.ledgers import configured_ledger
from freehold.app.logs import tell_of_accident
from freehold.app.metrics_door import MetricsDoor
from freehold.app.migrations import migrations_followed
from freehold.app.policy import build_policy
from freehold.app.reload import Reloader, file_watched
from freehold.app.signals import Watcher, build_webhook, owned_slots, signals_watched
from freehold.app.telemetry import telemetry_sent
from freehold.core.conversation import Untranslatable
from freehold.core.target import Target
from freehold.serve.gateway.exchange import Speech
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.keeping import Keeper, content_kept
from freehold.serve.gateway.machine_hours import machines_on_record
from freehold.serve.gateway.paid_probe import QUESTION, Question, watch_paid
from freehold.serve.gateway.policy import Policy
from freehold.serve.gateway.policy_record import policies_on_record, put_on_record
from freehold.serve.gateway.watch import watch_loads
from freehold.serve.ledger.journal import Journal
from freehold.serve.sinks.prometheus import PrometheusSink
from freehold.serve.stores.machines import MachineRecord
from freehold.serve.stores.opening import open_store
from freehold.serve.stores.policies import PolicyRecord
from freehold.serve.transport.direct import DirectOutbound
from freehold.serve.transport.strict import StrictHttp
from freehold.wire.dialects import SURFACES

DRAIN_S = 30
SETTLE_S = 5.0
_log = structlog.get_logger("freehold.server")


class _Server(uvicorn.Server):
    """Signals belong to the process, not to one of its two servers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """What one process serves on, and who it belongs to.

    `admin` None: another worker has the admin plane, and with it what is done once for all of them (machine hours, signals).
    `ready` is called once it serves. `crew`: the other workers, None where there are none. `late`: the file may have changed.
    """

    data: socket.socket
    admin: socket.socket | None
    admin_sha256: str
    ready: Callable[[], None]
    crew: Crew | None = None
    late: bool = False


async def run(file: ConfigFile, admin_sha256: str, on_ready: Callable[[], None]) -> None:
    """One process: serve until SIGTERM or SIGINT, then drain. Raises BadSettings before anything is half-started."""
    with contextlib.ExitStack() as stack:
        data = stack.enter_context(bind(file, ("listen",), file.settings.listen))
        admin = stack.enter_context(bind(file, ("admin", "listen"), file.settings.admin.listen))
        await serve(file, Post(data=data, admin=admin, admin_sha256=admin_sha256, ready=on_ready))


async def serve(file: ConfigFile, post: Post) -> None:
    """Serve there until SIGTERM or SIGINT, then drain. Raises BadSettings before anything is served."""
    settings = file.settings
    policy = build_policy(file, datetime.now(UTC).date())
    asyncio.get_running_loop().set_exception_handler(tell_of_accident)
    with contextlib.ExitStack() as stack:
        ledger = configured_ledger(file)
        store = stack.enter_context(contextlib.closing(open_store(ledger)))
        policies = PolicyRecord(ledger)
        put_on_record(policy, policies, time.time())
        _tell_dead(file, policy)
        journal = stack.enter_context(contextlib.closing(Journal(store)))
        metrics = PrometheusSink()
        content = _content(file, stack, metrics)
        async with (
            DirectOutbound(connect_s=policy.bounds.connect_s) as outbound,
            admission(file, ledger, metrics.count_limited) as door,
        ):
            outbound.follow(policy.ways)
            gateway = Gateway(policy, outbound, journal, (metrics,))
            gateway.admission, gateway.keeper = door, content
            gateway.board.follow(configured_health(file))
            watcher = Watcher(ledger, settings.signals, owned_slots(settings))
            put = partial(_put_and_tell, post.crew, partial(_put, gateway, outbound, watcher))
            reloader = Reloader(file, policy.version, partial(_make, policies), put, metrics.count_reload)
            whole = Whole(gateway, reloader, post.crew)
            admin_door = MetricsDoor(settings.metrics, settings.listen, AdminDoor(gateway, post.admin_sha256))
            servers = [(_server(data_plane(gateway, metrics, admin_door, post.crew)), post.data)]
            async with contextlib.AsyncExitStack() as beside:
                await beside.enter_async_context(telemetry_sent(file, gateway, metrics))
                if post.admin is not None:
                    webhook = build_webhook(file, outbound, metrics)
                    servers.append((_server(admin_app(gateway, watcher, whole, ledger, post.admin_sha256)), post.admin))
                    await beside.enter_async_context(machines_on_record(gateway, MachineRecord(ledger)))
                    await beside.enter_async_context(signals_watched(watcher, metrics, webhook))
                if post.crew is not None:
                    await beside.enter_async_context(post.crew.answering(partial(state_of, gateway, metrics)))
                for watch in (
                    policies_on_record(gateway, policies),
                    migrations_followed(gateway, ledger, metrics.count_shadow, conducts=post.admin is not None),
                    content_kept(content),
                    file_watched(reloader),
                    _watched(gateway),
                ):
                    await beside.enter_async_context(watch)
                _answer_signals([server for server, _ in servers], reloader)
                if post.late:
                    reloader.ask()
                post.ready()
                await asyncio.gather(*(server.serve(sockets=[bound]) for server, bound in servers))
                await _settle_what_is_left([server for server, _ in servers])


@contextlib.asynccontextmanager
async def _watched(gateway: Gateway) -> AsyncIterator[None]:
    """While inside, the load of engines is read, and targets that failed are asked whether they are back."""
    loads = asyncio.create_task(watch_loads(gateway))
    loads.add_done_callback(_tell_of_death)
    probes = asyncio.create_task(watch_paid(gateway, _asking))
    try:
        yield
    finally:
        loads.cancel()
        probes.cancel()


def _content(file: ConfigFile, stack: contextlib.ExitStack, metrics: PrometheusSink) -> Keeper | None:
    """What keeps content, where the configuration says so; its store is closed with the stack."""
    store, stated = open_content(file), file.settings.content
    if store is None or stated is None:
        return None
    stack.callback(store.close)
    return Keeper(store, stated.record_bytes, metrics.count_content)


def _make(policies: PolicyRecord, file: ConfigFile) -> Policy:
    """The policy of a file that was read again, on record before it serves. Raises BadSettings."""
    policy = build_policy(file, datetime.now(UTC).date())
    configured_health(file)
    put_on_record(policy, policies, time.time())
    _tell_dead(file, policy)
    return policy


def _asking(target: Target, policy: Policy) -> Question | None:
    """A paid probe's question as the target understands it."""
    surface = SURFACES["openai_chat"]
    try:
        return Speech(surface.read(QUESTION, {}), surface).towards(target, policy.codecs[target.name])
    except Untranslatable:
        return None


def _tell_dead(file: ConfigFile, policy: Policy) -> None:
    """Rules that can never work are served all the same, so that a floor can be raised at once; but not without a word."""
    for line in dead_rules(file, policy).dead:
        _log.warning("a rule can never work", rule=line)


def _put(gateway: Gateway, outbound: DirectOutbound, watcher: Watcher, file: ConfigFile, policy: Policy) -> None:
    """From here on it serves."""
    outbound.follow(policy.ways)
    gateway.swap(policy)
    gateway.board.follow(configured_health(file))
    watcher.follow(file.settings.signals, owned_slots(file.settings))


def _put_and_tell(crew: Crew | None, put: Callable[[ConfigFile, Policy], None], file: ConfigFile, policy: Policy) -> None:
    """Whoever takes a worker's place is to begin with it."""
    put(file, policy)
    if crew is not None:
        crew.loaded(file.version)


def bind(file: ConfigFile, field: tuple[str, ...], listen: str) -> socket.socket:
    """A socket that listens there. Raises BadSettings."""
    host, _, port = listen.rpartition(":")
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, int(port)))
        bound.listen(4096)
    except OSError as error:
        bound.close()
        raise file.refuse(field, f"cannot listen on {listen}: {error.strerror}") from None
    return bound


def _server(app: Any) -> _Server:
    config = uvicorn.Config(
        app, http=StrictHttp, ws="none", lifespan="off", log_config=None, access_log=False, server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75, timeout_graceful_shutdown=DRAIN_S, backlog=4096,
    )  # fmt: skip
    return _Server(config)


async def _settle_what_is_left(servers: list[_Server]) -> None:
    """Requests cut short by a second signal still settle, before the ledger closes."""
    left = {task for server in servers for task in server.server_state.tasks if not task.done()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=SETTLE_S)


def _tell_of_death(watch: asyncio.Task[None]) -> None:
    if not watch.cancelled() and (error := watch.exception()) is not None:
        _log.error("the load watch ended; only declared concurrency counts now", kind=type(error).__name__)


def _answer_signals(servers: list[_Server], reloader: Reloader) -> None:
    """The first that ends it drains, the second stops at once; SIGHUP reads the configuration again."""

    def stop() -> None:
        for server in servers:
            server.force_exit = server.should_exit
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, reloader.ask)
