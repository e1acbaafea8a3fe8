"""The application of the data port: requests go down the request line, and the small pages stand beside it."""

from collections.abc import Mapping
from typing import Any

from freehold.app.crew import Crew, WorkerState
from freehold.app.metrics_door import MetricsDoor
from freehold.app.pooled_metrics import families_of
from freehold.core.ports import Sink, Surface
from freehold.serve.gateway.handle import Body, handle
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.pages import model_list, one_model, readiness
from freehold.serve.sinks.prometheus import PrometheusSink
from freehold.serve.transport.asgi import DataPlane, PageReply
from freehold.wire.dialects import PATHS


def data_plane(gateway: Gateway, metrics: PrometheusSink, metrics_door: MetricsDoor, crew: Crew | None) -> DataPlane:
    """The ASGI application of one process. `/metrics` is that of all workers, where there are several."""

    def ready(path: str, headers: object) -> PageReply:
        ok, body = readiness(gateway)
        return PageReply(body, 200 if ok else 503)

    async def scrape(path: str, headers: Mapping[str, str]) -> PageReply:
        metrics_door.refuse(headers)
        if crew is not None:
            return PageReply((await crew.live()).metrics, content_type=metrics.content_type)
        _show(gateway, metrics)
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


def state_of(gateway: Gateway, metrics: PrometheusSink) -> WorkerState:
    """What a worker tells its parent."""
    _show(gateway, metrics)
    metrics.show_process(gateway.in_flight, gateway.observer_failures)
    targets = dict(gateway.board.states(tuple(gateway.policy.targets)))
    return WorkerState(gateway.in_flight, targets, families_of(metrics.registry))


def _show(gateway: Gateway, metrics: PrometheusSink) -> None:
    door = gateway.admission
    metrics.show_money(door.remaining(), door.overrun_nanousd(), door.limit_failures())
    metrics.show_targets(gateway.board.states(tuple(gateway.policy.targets)))
