"""One worker of `freehold serve --workers`: what `server.serve` is, on sockets that its parent opened, until it is told to stop.

It is started by its parent alone, which writes its orders to its standard input and keeps that open: when it ends, the parent
is gone, and the worker drains as on SIGTERM.
"""

import asyncio
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

import msgspec
import uvloop
from structlog.contextvars import bind_contextvars

from freehold.app import server
from freehold.app.config_file import ConfigFile
from freehold.app.crew import Crew
from freehold.app.logs import configure_logs
from freehold.core.errors import BadSettings

_STDIN = 0


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker has to know. `text` is the configuration that is in force; the file may be another by now. Sockets by
    their numbers; `admin_socket` None: another worker has the admin plane. `reborn`: it takes the place of one that ended."""

    worker: int
    path: str
    text: str
    admin_sha256: str
    data_socket: int
    admin_socket: int | None
    folder: str
    as_json: bool
    reborn: bool


async def work(orders: Orders) -> None:
    """Serve until told to stop. Raises BadSettings."""
    asyncio.get_running_loop().add_reader(_STDIN, _end_with_parent)
    parent = os.getppid()
    crew = Crew(Path(orders.folder), orders.worker)
    admin = None if orders.admin_socket is None else socket.socket(fileno=orders.admin_socket)
    post = server.Post(
        data=socket.socket(fileno=orders.data_socket), admin=admin, admin_sha256=orders.admin_sha256, ready=crew.ready,
        crew=crew, late=orders.reborn,
    )  # fmt: skip
    await server.serve(ConfigFile(Path(orders.path), orders.text), post)
    if os.getppid() != parent:  # it was killed, and could not clear away what it made
        shutil.rmtree(orders.folder, ignore_errors=True)


def _end_with_parent() -> None:
    """Nothing more is ever written there, so it is its end that can be read."""
    asyncio.get_running_loop().remove_reader(_STDIN)
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Entry point of the process. Exit code 2 where the configuration cannot be served."""
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)
    configure_logs(as_json=orders.as_json)
    bind_contextvars(worker=orders.worker)
    try:
        uvloop.run(work(orders))
    except BadSettings as error:
        sys.stderr.write(f"freehold: {error.message}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
