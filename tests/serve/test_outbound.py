"""The outbound clients against servers that misbehave: what it tells apart, and what it never does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from outbound_clients import Client

from freehold.core.ports import HttpCall, Outbound, UpstreamFailure

pytest_plugins = ("outbound_loops",)

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-odd: \xff\r\n\r\nok"


@asynccontextmanager
async def server(behave: Behave) -> AsyncIterator[str]:
    """A socket server that does what it is told with each connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await behave(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


@pytest.fixture
async def outbound(client: Client) -> AsyncIterator[Outbound]:
    async with client(connect_s=2) as outbound:
        yield outbound


def call(url: str) -> HttpCall:
    return HttpCall(f"{url}/v1/chat/completions", {"content-type": "application/json"}, b"{}")


async def read_request(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"{}")


def says(said: bytes = b"") -> Behave:
    """Answers one request with these bytes, and closes."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(said)
        await writer.drain()

    return behave


async def failure_of(outbound: Outbound, url: str) -> UpstreamFailure:
    """How a call that should fail does, at its head or in its body."""

    async def whole() -> None:
        reply = await outbound.send(call(url))
        try:
            await reply.read(1000)
        finally:
            reply.close()

    with pytest.raises(UpstreamFailure) as failed:
        await whole()
    return failed.value


async def test_a_reply(outbound: Outbound) -> None:
    async with server(says(WHOLE)) as url:
        reply = await outbound.send(call(url))
        assert (reply.status, await reply.read(2)) == (200, b"ok")
        assert reply.headers["x-odd"].isprintable()


@pytest.mark.parametrize(
    ("behave", "outcome"),
    [
        (says(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"), "cut"),
        (says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"), "cut"),
        (says(b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n" + b"x" * 2000), "rejected"),
        (says(b"SSH-2.0-OpenSSH_9.6\r\n"), "unreachable"),
        (says(b""), "unreachable"),
    ],
    ids=["cut", "cut in chunks", "too long", "not HTTP", "closed"],
)
async def test_what_goes_wrong_is_told_apart(outbound: Outbound, behave: Behave, outcome: str) -> None:
    async with server(behave) as url:
        failure = await failure_of(outbound, url)
    assert failure.outcome == outcome
    assert failure.detail
    assert "127.0.0.1" not in failure.detail, "callers see it"


async def test_nobody_there(outbound: Outbound) -> None:
    async with server(says()) as url:
        pass
    failure = await failure_of(outbound, url)
    assert (failure.outcome, failure.detail) == ("unreachable", "Connection refused")


async def test_no_such_host(outbound: Outbound) -> None:
    failure = await failure_of(outbound, "http://no-such-host.invalid:9")
    assert failure.outcome == "unreachable"
    assert "no-such-host" not in failure.detail


async def test_redirects_are_not_followed(outbound: Outbound) -> None:
    """They could lead data to a place that was never cleared."""
    async with server(says(WHOLE)) as other:
        head = f"HTTP/1.1 307 Temporary Redirect\r\nlocation: {other}/\r\ncontent-length: 0\r\n\r\n"
        async with server(says(head.encode())) as url:
            reply = await outbound.send(call(url))
            assert reply.status == 307


async def test_proxies_of_the_environment_are_not_used(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with server(says(WHOLE)) as url, client(connect_s=2) as outbound:
        reply = await outbound.send(call(url))
        assert reply.status == 200


async def test_cookies_are_not_kept(outbound: Outbound) -> None:
    seen: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            seen.append(await read_request(reader))
            writer.write(b"HTTP/1.1 200 OK\r\nset-cookie: who=caller-1\r\ncontent-length: 2\r\n\r\nok")

    async with server(behave) as url:
        for _ in range(2):
            reply = await outbound.send(call(url))
            await reply.read(2)
            reply.close()
    assert len(seen) == 2
    assert all(b"cookie" not in request.lower() for request in seen)


async def test_a_connection_closed_while_it_was_pooled_is_not_felt(outbound: Outbound) -> None:
    connections = 0

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(WHOLE)
        await writer.drain()
        await reader.readuntil(b"\r\n")  # the next request meets a server that is just closing

    async with server(behave) as url:
        for _ in range(2):
            reply = await outbound.send(call(url))
            assert await reply.read(2) == b"ok"
            reply.close()
    assert connections == 2


async def test_what_was_worked_on_is_not_bought_twice(outbound: Outbound) -> None:
    """A server that breaks down over a request gets it once, though the connection was a pooled one."""
    asked = 0

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while True:
            await read_request(reader)
            asked += 1
            if asked > 1:
                await asyncio.sleep(0.4)
                return
            writer.write(WHOLE)

    async with server(behave) as url:
        reply = await outbound.send(call(url))
        assert await reply.read(2) == b"ok"
        reply.close()
        failure = await failure_of(outbound, url)
    assert (failure.outcome, asked) == ("unreachable", 2)


async def test_closing_before_the_end_stops_the_upstreams_work(outbound: Outbound) -> None:
    gone = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        await writer.drain()
        assert await reader.read() == b""
        gone.set()

    async with server(behave) as url:
        reply = await outbound.send(call(url))
        assert await reply.chunk() == b"half"
        reply.close()
        await asyncio.wait_for(gone.wait(), 5)
