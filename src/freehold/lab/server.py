"""Run a lab application on uvicorn, for a person's shell or inside another event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from freehold.core.errors import BadSettings
from freehold.lab.asgi import App

_BACKLOG = 4096


def run(app: App, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve until interrupted; `announce` is told the URL once the port is bound. Raises BadSettings on a taken port."""
    listener = _listen(host, port)
    announce(_url(listener))
    _server(app).run(sockets=[listener])


@asynccontextmanager
async def serving(app: App, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve while the block runs, and give the URL. Port 0 means any free one. Raises BadSettings on a taken port."""
    listener = _listen(host, port)
    server = _server(app)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield _url(listener)
    finally:
        server.should_exit = True
        await task


def _server(app: App) -> uvicorn.Server:
    # Breaking a connection on purpose is an error to uvicorn, which would report each: only what ends the process is logged.
    quiet: dict[str, Any] = {"log_config": None, "log_level": "critical", "access_log": False, "server_header": False}
    config = uvicorn.Config(app, lifespan="off", ws="none", backlog=_BACKLOG, timeout_graceful_shutdown=1, **quiet)
    return uvicorn.Server(config)


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65_535:
        raise BadSettings(f"port is {port}; use 0 (any free one) to 65535")
    try:
        return socket.create_server((host, port), backlog=_BACKLOG)
    except OSError as error:
        raise BadSettings(f"cannot listen on {host} port {port}: {error}; choose another --port or --host") from None


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"
