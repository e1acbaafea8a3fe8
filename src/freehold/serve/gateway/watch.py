"""Keep reading the load of owned engines, so that decisions know what is full. A free probe: the engine's own /metrics."""

import asyncio
from urllib.parse import urlsplit

import structlog

from freehold.core.ports import Engine, HttpCall, UpstreamFailure
from freehold.core.target import Target
from freehold.serve.gateway.house import Gateway

_EVERY_S = 0.5
_READ_S = 2.0
_METRICS_BYTES = 4 * 1024 * 1024
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
        await asyncio.sleep(_EVERY_S)


async def _read(target: Target, engine: Engine, gateway: Gateway) -> str | None:
    """One reading onto the board; what went wrong, if it did."""
    parts = urlsplit(target.url)
    call = HttpCall(f"{parts.scheme}://{parts.netloc}/metrics", {}, b"", method="GET")
    try:
        async with asyncio.timeout(_READ_S):
            reply = await gateway.outbound.send(call)
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
    now = gateway.policy.targets.get(target.name)
    if now is not None and now.url == target.url:  # else the name left or moved while this was read
        gateway.board.read_load(target.name, load)
    return None
