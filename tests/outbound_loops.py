"""A plugin for tests of outbound clients: each of them in turn, on the library's event loop and on the gateway's."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop
from outbound_clients import CLIENTS, Client


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """uvloop's transports are not quite the library's: what has to do with sockets runs on both, all else as without this."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.path.name in {"test_direct.py", "test_outbound.py", "test_outbound_ways.py"}:
        loops["uvloop"] = uvloop.new_event_loop
    return loops


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    """Each client in turn."""
    chosen: Client = request.param
    return chosen
