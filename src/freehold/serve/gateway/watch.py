"""Keep reading the load of owned engines, so that decisions know what is full, and check on those whose breaker is not closed.

Both are free: the engine's own /metrics and /health. What an engine's requests say of it comes first, so one that serves is not
checked.
"""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

import structlog

from freehold.core.ports import Engine, HttpCall, UpstreamFailure
from freehold.core.target import Target
from freehold.serve.gateway.house import Gateway

_EVERY_S = 0.5
_READ_S = 2.0
_METRICS_BYTES = 4 * 1024 * 1024
_NO_PAGE = frozenset({401, 403, 404, 405})
_log = structlog.get_logger("freehold.watch")


async def watch_loads(gateway: Gateway) -> None:
    """Until cancelled. An engine that cannot be read keeps only the declared concurrency as its measure."""
    readable: set[str] = set()
    while True:
        policy = gateway.policy
        owned = [policy.targets[name] for name in policy.engines]
        results = await asyncio.gather(*(_read(target, policy.engines[target.name], gateway) for target in owned))
        for target, problem in zip(owned, results, strict=True):
            if problem is None:
                readable.add(target.name)
            elif target.name in readable:
                readable.discard(target.name)
                _log.warning("load unreadable", target=target.name, problem=problem)
        await asyncio.gather(*(_check(target, gateway) for target in owned if gateway.board.troubled(target.name)))
        await asyncio.sleep(_EVERY_S)


async def _check(target: Target, gateway: Gateway) -> None:
    """Whether the engine says that it is well, onto the board. One that has no such page has said nothing."""
    status = 0
    with suppress(UpstreamFailure, TimeoutError):
        async with asyncio.timeout(_READ_S):
            reply = await gateway.outbound.send(_page(target, "health"))
            reply.close()
            status = reply.status
    if status not in _NO_PAGE and _still_there(target, gateway):
        gateway.board.checked(target.name, healthy=status == 200)


async def _read(target: Target, engine: Engine, gateway: Gateway) -> str | None:
    """One reading onto the board; what went wrong, if it did."""
    try:
        async with asyncio.timeout(_READ_S):
            reply = await gateway.outbound.send(_page(target, engine.metrics_path))
            try:
                text = (await reply.read(_METRICS_BYTES)).decode(errors="replace")
            finally:
                reply.close()
        load = engine.load(text)
    except UpstreamFailure as failure:
        return failure.detail
    except TimeoutError:
        return f"not read within {_READ_S:g} s"
    except ValueError as error:
        return str(error)
    if _still_there(target, gateway):
        gateway.board.read_load(target.name, load)
    return None


def _page(target: Target, name: str) -> HttpCall:
    parts = urlsplit(target.url)
    return HttpCall(f"{parts.scheme}://{parts.netloc}/{name}", {}, b"", method="GET")


def _still_there(target: Target, gateway: Gateway) -> bool:
    """Else the name left or moved while it was asked."""
    now = gateway.policy.targets.get(target.name)
    return now is not None and now.url == target.url
