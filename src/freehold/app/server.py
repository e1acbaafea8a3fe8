"""One process: the data plane, the admin plane, the ledger's thread and the load watch, started together and drained together."""

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
import uvicorn

from freehold.app.access import admission
from freehold.app.admin import admin_app
from freehold.app.admin_door import AdminDoor
from freehold.app.config_file import ConfigFile
from freehold.app.dead_rules import dead_rules
from freehold.app.guards import open_content
from freehold.app.health import configured_health
from freehold.app.ledgers import configured_ledger
from freehold.app.logs import tell_of_accident
from freehold.app.metrics_door import MetricsDoor
from freehold.app.policy import build_policy
from freehold.app.reload import Reloader, file_watched
from freehold.app.signals import Watcher, build_webhook, owned_slots, signals_watched
from freehold.core.conversation import Untranslatable
from freehold.core.ports import Sink, Surface
from freehold.core.target import Target
from freehold.serve.gateway.exchange import Speech
from freehold.serve.gateway.handle import Body, handle
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.keeping import Keeper, content_kept
from freehold.serve.gateway.machine_hours import machines_on_record
from freehold.serve.gateway.pages import model_list, one_model, readiness
from freehold.serve.gateway.paid_probe import QUESTION, Question, watch_paid
from freehold.serve.gateway.policy import Policy
from freehold.serve.gateway.policy_record import policies_on_record, put_on_record
from freehold.serve.gateway.watch import watch_loads
from freehold.serve.ledger.journal import Journal
from freehold.serve.sinks.prometheus import PrometheusSink
from freehold.serve.stores.machines import MachineRecord
from freehold.serve.stores.opening import open_store
from freehold.serve.stores.policies import PolicyRecord
from freehold.serve.transport.asgi import DataPlane, PageReply
from freehold.serve.transport.outbound import AiohttpOutbound
from freehold.serve.transport.strict import StrictHttp
from freehold.wire.dialects import PATHS, SURFACES

_DRAIN_S = 30
_SETTLE_S = 5.0
_log = structlog.get_logger("freehold.server")


class _Server(uvicorn.Server):
    """Signals belong to the process, not to one of its two servers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(file: ConfigFile, admin_sha256: str, on_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises BadSettings before anything is half-started."""
    settings = file.settings
    policy = build_policy(file, datetime.now(UTC).date())
    asyncio.get_running_loop().set_exception_handler(tell_of_accident)
    with contextlib.ExitStack() as stack:
        data_socket = stack.enter_context(_bind(file, ("listen",), settings.listen))
        admin_socket = stack.enter_context(_bind(file, ("admin", "listen"), settings.admin.listen))
        ledger = configured_ledger(file)
        store = stack.enter_context(contextlib.closing(open_store(ledger)))
        policies = PolicyRecord(ledger)
        put_on_record(policy, policies, time.time())
        _tell_dead(file, policy)
        journal = stack.enter_context(contextlib.closing(Journal(store)))
        metrics = PrometheusSink()
        content = _content(file, stack, metrics)
        bounds = policy.bounds
        async with (
            AiohttpOutbound(connect_s=bounds.connect_s) as outbound,
            admission(file, ledger, metrics.count_limited) as door,
        ):
            outbound.follow(policy.ways)
            gateway = Gateway(policy, outbound, journal, (metrics,))
            gateway.admission, gateway.keeper = door, content
            gateway.board.follow(configured_health(file))
            watcher = Watcher(ledger, settings.signals, owned_slots(settings))
            webhook = build_webhook(file, outbound, metrics)
            admin = AdminDoor(gateway, admin_sha256)
            put = partial(_put, gateway, outbound, watcher)
            reloader = Reloader(file, policy.version, partial(_make, policies), put, metrics.count_reload)
            servers = (
                (_server(_data_plane(gateway, metrics, MetricsDoor(settings.metrics, settings.listen, admin))), data_socket),
                (_server(admin_app(gateway, watcher, reloader, ledger, admin_sha256)), admin_socket),
            )
            _stop_on_signals([server for server, _ in servers])
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloader.ask)
            watch = asyncio.create_task(watch_loads(gateway))
            probes = asyncio.create_task(watch_paid(gateway, _asking))
            on_ready()
            watch.add_done_callback(_tell_of_death)
            recorded = machines_on_record(gateway, MachineRecord(ledger))
            seen = policies_on_record(gateway, policies)
            async with recorded, seen, signals_watched(watcher, metrics, webhook), content_kept(content), file_watched(reloader):
                await asyncio.gather(*(server.serve(sockets=[bound]) for server, bound in servers))
            watch.cancel()
            probes.cancel()
            await _settle_what_is_left([server for server, _ in servers])


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


def _put(gateway: Gateway, outbound: AiohttpOutbound, watcher: Watcher, file: ConfigFile, policy: Policy) -> None:
    """From here on it serves."""
    outbound.follow(policy.ways)
    gateway.swap(policy)
    gateway.board.follow(configured_health(file))
    watcher.follow(file.settings.signals, owned_slots(file.settings))


def _bind(file: ConfigFile, field: tuple[str, ...], listen: str) -> socket.socket:
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
        timeout_keep_alive=75, timeout_graceful_shutdown=_DRAIN_S, backlog=4096,
    )  # fmt: skip
    return _Server(config)


def _data_plane(gateway: Gateway, metrics: PrometheusSink, metrics_door: MetricsDoor) -> DataPlane:
    def ready(path: str, headers: object) -> PageReply:
        ok, body = readiness(gateway)
        return PageReply(body, 200 if ok else 503)

    def scrape(path: str, headers: Mapping[str, str]) -> PageReply:
        metrics_door.refuse(headers)
        states = gateway.board.states(tuple(gateway.policy.targets))
        door = gateway.admission
        metrics.show_money(door.remaining(), door.overrun_nanousd(), door.limit_failures())
        metrics.show_targets(states)
        return PageReply(metrics.render(gateway.in_flight, gateway.observer_failures), content_type=metrics.content_type)

    alive = PageReply(b'{"alive":true}')
    pages: dict[str, Any] = {
        "/livez": lambda path, headers: alive,
        "/health": lambda path, headers: alive,
        "/readyz": ready,
        "/metrics": scrape,
        "/v1/models": lambda path, headers: PageReply(model_list(headers, gateway)),
        "/v1/models/": lambda path, headers: PageReply(one_model(path.removeprefix("/v1/models/"), headers, gateway)),
    }

    async def serve(surface: Surface, headers: Mapping[str, str], body: Body, sink: Sink) -> None:
        await handle(surface, headers, body, sink, gateway)

    return DataPlane(serve, PATHS, pages, gateway.policy.bounds.body_bytes)


async def _settle_what_is_left(servers: list[_Server]) -> None:
    """Requests cut short by a second signal still settle, before the ledger closes."""
    left = {task for server in servers for task in server.server_state.tasks if not task.done()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=_SETTLE_S)


def _tell_of_death(watch: asyncio.Task[None]) -> None:
    if not watch.cancelled() and (error := watch.exception()) is not None:
        _log.error("the load watch ended; only declared concurrency counts now", kind=type(error).__name__)


def _stop_on_signals(servers: list[_Server]) -> None:
    """The first signal drains, the second stops at once."""

    def stop() -> None:
        for server in servers:
            server.force_exit = server.should_exit
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
