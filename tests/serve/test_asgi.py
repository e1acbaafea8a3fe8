"""The ASGI transport: a hang-up cancels what it should and nothing else, bodies are bounded, unknown paths refused."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import msgspec
import pytest

from freehold.core.errors import TooLarge
from freehold.core.ports import Sink, Surface
from freehold.serve.transport.asgi import AsgiSink, Body, DataPlane, Headers, PageReply
from freehold.wire.dialects import PATHS

Message = MutableMapping[str, Any]


class Caller:
    """One side of an ASGI connection: gives what was put into it, keeps what is sent."""

    def __init__(self, *messages: Message) -> None:
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        for message in messages:
            self.incoming.put_nowait(message)
        self.sent: list[Message] = []

    def hang_up(self) -> None:
        self.incoming.put_nowait({"type": "http.disconnect"})

    async def receive(self) -> Message:
        return await self.incoming.get()

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])


async def test_a_hang_up_cancels_the_work_inside() -> None:
    caller = Caller()
    sink = AsgiSink(caller.receive, caller.send)
    started = asyncio.Event()

    async def work() -> str:
        try:
            async with sink.cancelled_by_hang_up():
                started.set()
                await asyncio.sleep(30)
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # what follows is let finish: the entry is still to be written
            return "settled"
        return "not cancelled"

    task = asyncio.create_task(work())
    await started.wait()
    caller.hang_up()
    assert await asyncio.wait_for(task, 5) == "settled"


async def test_a_hang_up_after_the_work_changes_nothing() -> None:
    caller = Caller()
    sink = AsgiSink(caller.receive, caller.send)

    async def work() -> str:
        async with sink.cancelled_by_hang_up():
            pass
        caller.hang_up()
        await asyncio.sleep(0.05)
        return "finished"

    assert await asyncio.create_task(work()) == "finished"


async def test_late_parts_of_the_request_are_no_hang_up() -> None:
    caller = Caller()
    sink = AsgiSink(caller.receive, caller.send)
    async with sink.cancelled_by_hang_up():
        caller.incoming.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        await asyncio.sleep(0.05)


async def test_head_writes_end() -> None:
    caller = Caller()
    sink = AsgiSink(caller.receive, caller.send)
    assert not sink.started
    await sink.head(200, [("x-freehold-reason", "größe ✓")])
    await sink.write(b"a")
    await sink.end(b"b")
    assert sink.started
    assert caller.sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"x-freehold-reason", "größe ?".encode("latin-1"))]},
        {"type": "http.response.body", "body": b"a", "more_body": True},
        {"type": "http.response.body", "body": b"b"},
    ]


async def echo(surface: Surface, headers: Headers, body: Body, sink: Sink) -> None:
    said = await body()
    await sink.head(200, [])
    await sink.end(said)


def page(path: str, headers: Headers) -> PageReply:
    if "x-big" in headers:
        raise TooLarge("no")
    return PageReply(msgspec.json.encode({"path": path}))


PLANE = DataPlane(echo, PATHS, {"/livez": page, "/v1/models": page, "/v1/models/": page}, body_limit=10)


async def call(method: str, path: str, *chunks: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> Caller:
    parts = chunks or (b"",)
    caller = Caller(*({"type": "http.request", "body": chunk, "more_body": n < len(parts) - 1} for n, chunk in enumerate(parts)))
    scope = {"type": "http", "method": method, "path": path, "headers": headers or []}
    await PLANE(scope, caller.receive, caller.send)
    return caller


async def test_a_body_in_parts() -> None:
    caller = await call("POST", "/v1/chat/completions", b"12345", b"", b"67890")
    assert (caller.status, caller.body) == (200, b"1234567890")


@pytest.mark.parametrize("stated", [None, b"3", b"11"])
async def test_a_body_past_its_bound(stated: bytes | None) -> None:
    headers = [] if stated is None else [(b"content-length", stated)]
    caller = await call("POST", "/v1/chat/completions", b"123456", b"78901", headers=headers)
    assert caller.status == 413
    assert msgspec.json.decode(caller.body)["error"]["code"] == "request_too_large"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/livez", 200),
        ("HEAD", "/livez", 200),
        ("POST", "/livez", 404),
        ("GET", "/v1/models", 200),
        ("GET", "/v1/models/org/model", 200),
        ("GET", "/v1/models/a", 200),
        ("GET", "/v1/chat/completions", 404),
        ("POST", "/v1/images/generations", 404),
        ("GET", "/", 404),
        ("GET", "/elsewhere", 404),
    ],
)
async def test_paths(method: str, path: str, status: int) -> None:
    caller = await call(method, path)
    assert caller.status == status
    assert ("error" in msgspec.json.decode(caller.body)) == (status != 200)


async def test_a_page_that_refuses() -> None:
    caller = await call("GET", "/livez", headers=[(b"x-big", b"1")])
    assert caller.status == 413


@pytest.mark.parametrize("name", [b"authorization", b"Authorization", b"x-api-key", b"x-freehold-data"])
async def test_a_header_that_decides_may_stand_there_once(name: bytes) -> None:
    caller = await call("GET", "/livez", headers=[(name.lower(), b"a"), (name, b"b")])
    assert (caller.status, msgspec.json.decode(caller.body)["error"]["param"]) == (400, name.lower().decode())
    assert (await call("GET", "/livez", headers=[(b"accept", b"a"), (b"accept", b"b")])).status == 200
