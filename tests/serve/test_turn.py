"""Requests as turns, at a real server on loopback: framing, slow and leaving callers, and applications that fail."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn

from freehold.core.errors import CallerGone
from freehold.core.ports import Sink
from freehold.serve.transport.strict import StrictHttp
from freehold.serve.transport.turn import Asked, Parts

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
Answer = Callable[[Asked, Parts, Sink], Awaitable[None]]


class App:
    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it takes turns")


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """One connection to a server that answers so."""
    config = uvicorn.Config(
        App(answer), host="127.0.0.1", port=0, http=StrictHttp, ws="none", lifespan="off", log_config=None,
        server_header=False, date_header=False, proxy_headers=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.005)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1], limit=2**26)
    try:
        yield reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await running


async def read(body: Parts) -> bytes:
    said, more = await body.part()
    while more:
        part, more = await body.part()
        said += part
    return said


async def whole(asked: Asked, body: Parts, sink: Sink) -> None:
    said = await read(body) or b"hello"
    await sink.head(200, [("content-length", str(len(said)))])
    await sink.end(said)


async def stream(asked: Asked, body: Parts, sink: Sink) -> None:
    await sink.head(200, [("content-type", "text/event-stream"), ("x-reason", "größe ✓")])
    await sink.write(b"one")
    await sink.write(b"")
    await sink.write(b"two")
    await sink.end()


async def test_a_whole_answer_is_one_message_and_the_connection_serves_again() -> None:
    async with serving(whole) as (reader, writer):
        for _ in range(2):
            writer.write(GET)
            assert await reader.readuntil(b"hello") == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


async def test_a_stream_comes_in_chunks() -> None:
    async with serving(stream) as (reader, writer):
        writer.write(GET + GET)
        answer = (
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-reason: gr\xf6\xdfe ?\r\ntransfer-encoding: chunked\r\n\r\n"
            b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
        )
        assert await reader.readexactly(2 * len(answer)) == 2 * answer


async def test_a_head_has_no_body() -> None:
    async with serving(whole) as (reader, writer):
        writer.write(GET.replace(b"GET", b"HEAD") + GET.replace(b"1.1", b"1.0"))
        first, last = (
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n" + rest for rest in (b"\r\n", b"connection: close\r\n\r\nhello")
        )
        assert await reader.read() == first + last


async def test_a_path_is_read_as_uvicorn_does() -> None:
    async def tell(asked: Asked, body: Parts, sink: Sink) -> None:
        said = f"{asked.method} {asked.path}".encode()
        await sink.head(200, [("content-length", str(len(said)))])
        await sink.end(said)

    async with serving(tell) as (reader, writer):
        writer.write(GET.replace(b" / ", b" /a%20b/c?d=e "))
        assert (await reader.readuntil(b"/c")).endswith(b"GET /a b/c")


@pytest.mark.parametrize("size", [10, 1_000_000])
async def test_a_body_in_parts_that_waits_to_be_asked_for(size: int) -> None:
    async with serving(whole) as (reader, writer):
        head = f"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: {size}\r\n\r\n"
        writer.write(head.encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        for _ in range(5):
            writer.write(b"x" * (size // 5))
            await writer.drain()
            await asyncio.sleep(0.001)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(size) == b"x" * size


async def test_a_caller_not_asked_for_its_body_gets_no_second_request_in() -> None:
    async def refuse(asked: Asked, body: Parts, sink: Sink) -> None:
        await sink.head(413, [("content-length", "0")])
        await sink.end()

    async with serving(refuse) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
        assert await reader.read() == b"HTTP/1.1 413 Request Entity Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [[("x-a", "b\r\nset-cookie: c")], [("x-a", "b\n")], [("x-a\r", "b")], [("x-a", "b\0")]],
    ids=["crlf", "lf", "cr", "nul"],
)
async def test_a_header_that_would_end_early_is_not_sent(headers: list[tuple[str, str]]) -> None:
    async def answer(asked: Asked, body: Parts, sink: Sink) -> None:
        await sink.head(200, headers)
        await sink.end(b"secret")

    async with serving(answer) as (reader, writer):
        writer.write(GET)
        said = await reader.readuntil(b"Internal Server Error")
        assert said.startswith(b"HTTP/1.1 500")
        assert b"x-a" not in said


@pytest.mark.parametrize("said", [[b"hell"], [b"hello!"], [b"hel", b"lo", b"!"], [b"h", b""]])
async def test_a_body_of_another_length_than_promised_breaks_the_connection(said: list[bytes]) -> None:
    async def answer(asked: Asked, body: Parts, sink: Sink) -> None:
        await sink.head(200, [("content-length", "5")])
        for part in said[:-1]:
            await sink.write(part)
        await sink.end(said[-1])

    async with serving(answer) as (reader, writer):
        writer.write(GET)
        assert len((await reader.read()).partition(b"\r\n\r\n")[2]) <= 5


async def test_an_answer_without_its_end_closes_the_connection() -> None:
    async def half(asked: Asked, body: Parts, sink: Sink) -> None:
        await sink.head(200, [])
        await sink.write(b"one")
        if asked.path == "/fails":
            raise LookupError("mine")

    for path in (b"/", b"/fails"):
        async with serving(half) as (reader, writer):
            writer.write(GET.replace(b" / ", b" %b " % path))
            assert (await reader.read()).endswith(b"3\r\none\r\n")


async def test_a_broken_off_answer_is_none() -> None:
    async def break_off(asked: Asked, body: Parts, sink: Sink) -> None:
        await sink.head(200, [])
        sink.abort()

    async with serving(break_off) as (reader, writer):
        writer.write(GET)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""


@pytest.mark.parametrize("pipelined", [False, True])
async def test_a_hang_up_cancels_the_work_inside_and_what_follows_is_let_finish(pipelined: bool) -> None:
    started, settled = asyncio.Event(), asyncio.Event()

    async def work(asked: Asked, body: Parts, sink: Sink) -> None:
        await sink.head(200, [])
        try:
            async with sink.cancelled_by_hang_up():
                started.set()
                while pipelined:  # nothing is read from such a caller meanwhile: what is written tells
                    await sink.write(b"x" * 1000)
                    await asyncio.sleep(0.001)
                await asyncio.sleep(30)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
            settled.set()

    async with serving(work) as (_, writer):
        writer.write(GET * (1 + pipelined))
        await started.wait()
        writer.transport.abort()
        await asyncio.wait_for(settled.wait(), 5)


async def test_a_hang_up_outside_the_work_cancels_nothing_and_is_seen_by_the_next() -> None:
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def work(asked: Asked, body: Parts, sink: Sink) -> None:
        async with sink.cancelled_by_hang_up():
            pass
        writers[0].transport.abort()
        await asyncio.sleep(0.05)
        await sink.head(200, [])
        await sink.end(b"to nobody")
        try:
            async with sink.cancelled_by_hang_up():
                told.set_result("worked for nobody")
        except CallerGone as gone:
            told.set_result(type(gone).__name__)

    writers: list[asyncio.StreamWriter] = []
    async with serving(work) as (_, writer):
        writers.append(writer)
        writer.write(GET)
        assert await asyncio.wait_for(told, 5) == "CallerGone"


async def test_a_caller_that_leaves_before_its_body_is_gone() -> None:
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def work(asked: Asked, body: Parts, sink: Sink) -> None:
        try:
            await read(body)
        except CallerGone as gone:
            told.set_result(type(gone).__name__)

    async with serving(work) as (_, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhel")
        await asyncio.sleep(0.05)
        writer.transport.abort()
        assert await asyncio.wait_for(told, 5) == "CallerGone"


async def test_a_slow_reader_is_waited_for() -> None:
    written = 0

    async def flood(asked: Asked, body: Parts, sink: Sink) -> None:
        nonlocal written
        await sink.head(200, [])
        while written < 400:
            await sink.write(b"x" * 100_000)
            written += 1
        await sink.end()

    async with serving(flood) as (reader, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a stream's transport can
        writer.write(GET)
        await asyncio.sleep(0.2)
        assert 0 < written < 400
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 20)
        assert written == 400
