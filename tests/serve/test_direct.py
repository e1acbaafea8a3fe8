"""Our own outbound connections: framing is never guessed, answers never mixed up, and memory does not follow a fast upstream."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.core.ports import HttpCall, UpstreamFailure
from freehold.serve.transport import pool as pools
from freehold.serve.transport.connection import Connection
from freehold.serve.transport.direct import DirectOutbound
from freehold.serve.transport.outbound import AiohttpOutbound
from freehold.serve.transport.reply import Reply

pytest_plugins = ("outbound_loops",)

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\n"
STREAM = b"3\r\nabc\r\n1;name=value\r\nd\r\n0\r\ntrailer: x\r\n\r\n"
GOOD = {
    "length": OK + b"content-length: 4\r\n\r\nabcd",
    "chunks": OK + b"transfer-encoding: chunked\r\nx-a: 1\r\n\r\n" + STREAM,
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
    + OK
    + b"content-length: 4\r\n\r\nabcd",
    "error": b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 4\r\n\r\nabcd",
}
AMBIGUOUS = {
    "both framings": OK + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
    "two lengths": OK + b"content-length: 4\r\ncontent-length: 5\r\n\r\nabcde",
    "a length twice": OK + b"content-length: 4\r\ncontent-length: 4\r\n\r\nabcd",
    "a list of lengths": OK + b"content-length: 4, 4\r\n\r\nabcd",
    "a signed length": OK + b"content-length: +4\r\n\r\nabcd",
    "no length": OK + b"content-length: \r\n\r\nabcd",
    "a huge length": OK + b"content-length: 99999999999999999999999999\r\n\r\nabcd",
    "an unknown coding": OK + b"transfer-encoding: gzip\r\n\r\nabcd",
    "two codings": OK + b"transfer-encoding: gzip, chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
    "chunked twice": OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
    "chunks of 1.0": b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
    "a negative chunk": OK + b"transfer-encoding: chunked\r\n\r\n-4\r\nabcd\r\n0\r\n\r\n",
    "no chunk size": OK + b"transfer-encoding: chunked\r\n\r\n\r\nabcd\r\n0\r\n\r\n",
    "a chunk too long": OK + b"transfer-encoding: chunked\r\n\r\n4\r\nabcdefg\r\n0\r\n\r\n",
    "a chunk size of 17 digits": OK + b"transfer-encoding: chunked\r\n\r\n10000000000000004\r\nabcd\r\n0\r\n\r\n",
    "a folded header": OK + b"x-a: 1\r\n 2\r\ncontent-length: 4\r\n\r\nabcd",
    "a space before the colon": OK + b"content-length : 4\r\n\r\nabcd",
    "a bare line feed": b"HTTP/1.1 200 OK\ncontent-length: 4\n\nabcd",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "many headers": OK + b"".join(b"x-%d: 1\r\n" % n for n in range(101)) + b"content-length: 4\r\n\r\nabcd",
    "a long header": OK + b"x: " + b"y" * 65536 + b"\r\ncontent-length: 4\r\n\r\nabcd",
    "a head without end": OK + b"x: " + b"y" * 200_000,
    "a trailer without end": OK + b"transfer-encoding: chunked\r\n\r\n0\r\nx: " + b"y" * 200_000,
    "endless hints": b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 20_000,
}


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


def call(url: str, body: bytes = b"{}") -> HttpCall:
    return HttpCall(f"{url}/v1/chat/completions", {"content-type": "application/json"}, body)


def always(said: bytes, connections: list[int] | None = None) -> Behave:
    """Answers every request with these bytes and leaves the connection open."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if connections is not None:
            connections.append(1)
        while True:
            await reader.readuntil(b"{}")
            writer.write(said)
            await writer.drain()

    return behave


async def whole(outbound: AiohttpOutbound | DirectOutbound, url: str) -> tuple[int, dict[str, str], bytes]:
    reply = await outbound.send(call(url))
    try:
        return reply.status, dict(reply.headers), await reply.read(1_000_000)
    finally:
        reply.close()


class Wire(asyncio.Transport):
    """The loop's side of a connection, in memory: what is fed arrives in the pieces it is fed in."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.closed = True

    abort = close


def fed(pieces: list[bytes]) -> tuple[Reply, bool]:
    """The reply that these pieces make, and whether the connection may serve again."""
    free: list[Connection] = []
    connection, wire = Connection(free.append, lambda lost: None), Wire()
    connection.connection_made(wire)
    reply = connection.ask(b"")
    for piece in pieces:
        if not wire.closed:
            connection.data_received(piece)
    if wire.closed:
        connection.connection_lost(None)
    return reply, free == [connection] and not wire.closed


async def body_of(reply: Reply) -> bytes:
    await reply.begun()
    return await reply.read(1000)


@pytest.mark.parametrize("message", GOOD.values(), ids=GOOD.keys())
async def test_a_message_cut_at_any_byte_is_the_same(message: bytes) -> None:
    for at in range(1, len(message)):
        reply, reusable = fed([message[:at], message[at:]])
        assert (await body_of(reply), reusable) == (b"abcd", True)


@given(message=st.sampled_from(sorted(GOOD.values())), cuts=st.lists(st.integers(0, 150), max_size=12))
def test_and_at_any_bytes(message: bytes, cuts: list[int]) -> None:
    ends = sorted({0, len(message), *(cut for cut in cuts if cut < len(message))})
    reply, reusable = fed([message[start:end] for start, end in itertools.pairwise(ends)])
    assert (asyncio.run(body_of(reply)), reusable) == (b"abcd", True)


@pytest.mark.parametrize("message", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
@pytest.mark.parametrize("piece", [1 << 20, 997])
async def test_what_is_ambiguous_is_refused_and_its_connection_closed(message: bytes, piece: int) -> None:
    reply, reusable = fed([message[at : at + piece] for at in range(0, len(message), piece)])
    assert not reusable
    with pytest.raises(UpstreamFailure) as failed:
        await body_of(reply)
    assert failed.value.outcome in {"unreachable", "malformed"}


@pytest.mark.parametrize("message", GOOD.values(), ids=GOOD.keys())
async def test_a_whole_reply_with_more_behind_it_counts_and_its_connection_does_not(message: bytes) -> None:
    for more in (b"x", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"):
        reply, reusable = fed([message + more])
        assert (await body_of(reply), reusable) == (b"abcd", False)
        reply, _ = fed([message, more])
        assert await body_of(reply) == b"abcd"


@pytest.mark.parametrize("message", [*GOOD.values(), *AMBIGUOUS.values()], ids=[*GOOD.keys(), *AMBIGUOUS.keys()])
async def test_what_is_accepted_is_what_aiohttp_reads(message: bytes) -> None:
    """Ours may refuse more, and never reads another message than the client it stands in for."""
    async with server(always(message)) as url, DirectOutbound(connect_s=2) as ours, AiohttpOutbound(connect_s=2) as theirs:
        try:
            async with asyncio.timeout(1):
                seen = await whole(ours, url)
        except (UpstreamFailure, TimeoutError):
            return
        assert seen == await whole(theirs, url)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    status=st.sampled_from([200, 204, 304, 400, 429, 500, 529]),
    headers=st.dictionaries(
        st.from_regex(r"x-[a-z0-9-]{1,10}", fullmatch=True), st.text("abc äß\t:;,=", max_size=20), max_size=8
    ),
    body=st.binary(max_size=3000),
    framing=st.sampled_from(["length", "chunks", "close"]),
)
def test_both_clients_read_the_same(status: int, headers: dict[str, str], body: bytes, framing: str) -> None:
    body = b"" if status in {204, 304} else body
    head = f"HTTP/1.1 {status} Whatever\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    if framing == "chunks" and body:
        said = f"{head}transfer-encoding: chunked\r\n\r\n{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    elif framing == "close" and body:
        said = f"{head}\r\n".encode() + body
    else:
        said = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(said)

    async def both() -> None:
        async with server(behave) as url, DirectOutbound() as ours, AiohttpOutbound() as theirs:
            assert await whole(ours, url) == await whole(theirs, url)

    asyncio.run(both())


async def test_64_at_once_get_their_own_answers() -> None:
    """Over pooled connections, in pieces, some of them closed after their answer and some asked anew."""
    dice = random.Random(7)
    connections: list[int] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        while True:
            asked = (await reader.readuntil(b"}")).rpartition(b"\r\n\r\n")[2]
            await asyncio.sleep(dice.random() * 0.003)
            last = dice.random() < 0.1
            reply = OK + b"connection: close\r\n" * last + b"transfer-encoding: chunked\r\n\r\n"
            reply += b"".join(b"1\r\n%c\r\n" % byte for byte in asked) + b"0\r\n\r\n"
            at = dice.randrange(len(reply))
            writer.write(reply[:at])
            await asyncio.sleep(0)
            writer.write(reply[at:])
            if last:
                return

    async def caller(outbound: DirectOutbound, url: str, who: int) -> None:
        for turn in range(12):
            reply = await outbound.send(call(url, b'{"who": "%d of %d"}' % (turn, who)))
            assert await reply.read(1000) == b'{"who": "%d of %d"}' % (turn, who)
            reply.close()

    async with server(behave) as url, DirectOutbound() as outbound:
        await asyncio.gather(*(caller(outbound, url, who) for who in range(64)))
    assert 64 <= len(connections) < 64 * 12 // 2


async def test_a_reader_who_waits_holds_the_upstream_back() -> None:
    sent = 0
    block = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"{}")
        writer.write(OK + b"transfer-encoding: chunked\r\n\r\n")
        for _ in range(1024):
            writer.write(block)
            await writer.drain()
            sent += 1
        writer.write(b"0\r\n\r\n")

    async with server(behave) as url, DirectOutbound() as outbound:
        reply = await outbound.send(call(url))
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.1)
        assert sent < 512, "of 64 MiB, what the sockets hold and a quarter of a MiB"
        size = 0
        while chunk := await reply.chunk():
            assert len(chunk) < 1024 * 1024
            size += len(chunk)
        assert (size, sent) == (1024 * 0x10000, 1024)
        reply.close()


@pytest.mark.parametrize(
    ("said", "opened"),
    [
        (GOOD["length"], 1),
        (GOOD["chunks"], 1),
        (OK + b"connection: close\r\ncontent-length: 4\r\n\r\nabcd", 3),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 4\r\n\r\nabcd", 3),
        (GOOD["length"] + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", 3),
    ],
    ids=["length", "chunks", "closes", "1.0", "more than was asked for"],
)
async def test_only_what_ended_as_it_should_serves_again(said: bytes, opened: int) -> None:
    connections: list[int] = []
    async with server(always(said, connections)) as url, DirectOutbound() as outbound:
        for _ in range(3):
            assert (await whole(outbound, url))[2] == b"abcd"
    assert len(connections) == opened


async def test_a_call_that_says_it_is_the_last_is() -> None:
    """Some servers promise to keep a connection and then close it."""
    connections: list[int] = []
    async with server(always(GOOD["length"], connections)) as url, DirectOutbound() as outbound:
        for _ in range(3):
            reply = await outbound.send(HttpCall(url, {"connection": "close"}, b"{}"))
            assert await reply.read(10) == b"abcd"
            reply.close()
    assert len(connections) == 3


async def test_bytes_that_nobody_asked_for_close_a_connection_that_waits() -> None:
    connections: list[int] = []
    told = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        await reader.readuntil(b"{}")
        writer.write(GOOD["length"])
        await told.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
        assert await reader.read() == b""

    async with server(behave) as url, DirectOutbound() as outbound:
        assert (await whole(outbound, url))[2] == b"abcd"
        told.set()
        await asyncio.sleep(0.05)
        assert (await whole(outbound, url))[2] == b"abcd"
    assert len(connections) == 2


async def test_a_caller_who_leaves_before_the_head_stops_the_upstream() -> None:
    gone = asyncio.Event()
    asked = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        asked.set()
        assert await reader.read() == b""
        gone.set()

    async with server(behave) as url, DirectOutbound() as outbound:
        sending = asyncio.ensure_future(outbound.send(call(url)))
        await asked.wait()
        sending.cancel()
        await asyncio.wait_for(gone.wait(), 5)
        with pytest.raises(asyncio.CancelledError):
            await sending


async def test_connections_that_waited_too_long_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    connections: list[int] = []
    monkeypatch.setattr(pools, "_KEPT_S", 0.02)
    monkeypatch.setattr("freehold.serve.transport.direct._SWEEP_S", 0.01)
    async with server(always(GOOD["length"], connections)) as url, DirectOutbound() as outbound:
        await whole(outbound, url)
        await asyncio.sleep(0.1)
        await whole(outbound, url)
    assert len(connections) == 2


async def test_first_bytes_arrive_while_the_stream_is_open() -> None:
    read = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(OK + b"transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await read.wait()
        writer.write(b"4\r\nlast\r\n0\r\n\r\n")

    async with server(behave) as url, DirectOutbound() as outbound:
        reply = await outbound.send(call(url))
        assert await asyncio.wait_for(reply.chunk(), 1) == b"first"
        read.set()
        assert await reply.read(100) == b"last"
        reply.close()


@pytest.mark.parametrize(
    "headers",
    [{"x-a": "1\r\nx-b: 2"}, {"x-a\n": "1"}, {"x-a": "\0"}, {"Content-Length": "5"}, {"host": "elsewhere"}, {"upgrade": "h2c"}],
)
async def test_headers_that_would_change_the_request_are_not_sent(headers: dict[str, str]) -> None:
    connections: list[int] = []
    async with server(always(GOOD["length"], connections)) as url, DirectOutbound() as outbound:
        with pytest.raises(ValueError, match=r"line break|states no"):
            await outbound.send(HttpCall(url, headers, b"{}"))
    assert connections == []


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://user:key@127.0.0.1/", "http:///v1", "http://127.0.0.1:99999/"])
async def test_a_url_that_leads_nowhere(url: str) -> None:
    async with DirectOutbound() as outbound:
        with pytest.raises(UpstreamFailure) as failed:
            await outbound.send(HttpCall(url, {}, b""))
    assert failed.value.outcome == "unreachable"
    assert "key" not in failed.value.detail
