"""Gemini and Replicate behind the whole request line, over real connections, for callers of two other dialects.

The server below answers as their published formats say (2026-11-21); our callers read chat completions and Messages.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from in_memory import MemoryLedger, MemorySink

from freehold.core.data import DataClass
from freehold.core.entry import Entry
from freehold.core.ports import HttpCall, Surface, UpstreamReply
from freehold.core.target import Secret, Target, Workload
from freehold.serve.access.keys import Key, Keyring, digest
from freehold.serve.gateway.handle import handle
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.policy import Bounds, Policy
from freehold.serve.providers import PROVIDERS
from freehold.serve.transport.direct import DirectOutbound
from freehold.wire.anthropic_messages import MessagesComposer, MessagesSurface
from freehold.wire.openai_chat import ChatComposer, ChatSurface

COUNTS = {"promptTokenCount": 20, "cachedContentTokenCount": 15, "candidatesTokenCount": 2, "totalTokenCount": 22}
JSON, EVENTS = "application/json", "text/event-stream"
SIDES = [(ChatSurface(), ChatComposer(), {}), (MessagesSurface(), MessagesComposer(), {"anthropic-version": "2023-06-01"})]


def gemini(line: str, root: str) -> tuple[str, bytes]:
    def said(text: str, **more: Any) -> dict[str, Any]:
        return {"candidates": [{"content": {"parts": [{"text": text}]}} | more], "responseId": "r", "modelVersion": "gemini-3"}

    if "streamGenerateContent?alt=sse" in line:
        chunks = [said("Once "), said("upon", finishReason="STOP") | {"usageMetadata": COUNTS}]
        return EVENTS, b"".join(b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n" for chunk in chunks)
    return JSON, json.dumps(said("Once upon", finishReason="STOP") | {"usageMetadata": COUNTS}).encode()


def replicate(line: str, root: str) -> tuple[str, bytes]:
    if line.startswith("GET /stream"):
        return EVENTS, b"event: output\nid: 1:0\ndata: Once \n\nevent: output\nid: 1:1\ndata: upon\n\nevent: done\ndata: {}\n\n"
    prediction: dict[str, Any] = {"id": "p", "status": "processing", "model": "a/b"}
    if line.startswith("GET /v1/predictions/p"):
        metrics = {"input_token_count": 20, "output_token_count": 2}
        prediction |= {"status": "succeeded", "output": ["Once ", "upon"], "metrics": metrics}
    return JSON, json.dumps(prediction | {"urls": {"get": f"{root}/v1/predictions/p", "stream": f"{root}/stream/p"}}).encode()


class Noting(DirectOutbound):
    """The real client, whose calls are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[HttpCall] = []

    async def send(self, call: HttpCall) -> UpstreamReply:
        self.calls.append(call)
        return await super().send(call)


async def ask(
    name: str, answers: Callable[[str, str], tuple[str, bytes]], side: Any, stream: bool
) -> tuple[bytes, Entry, list[str]]:
    """(what the caller reads, the entry, the request lines that came)."""
    surface, _, headers = side
    lines: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        size = next((int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:")), 0)
        await reader.readexactly(size)
        lines.append(head.split("\r\n")[0])
        assert "top-secret" in head, "its key came along"
        kind, body = answers(lines[-1], root)
        writer.write(
            b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (kind.encode(), len(body))
        )
        writer.write(body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    root = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    ledger, sink = MemoryLedger(), MemorySink()
    async with server, Noting() as outbound:
        gateway = Gateway(policy(name, f"{root}/v1"), outbound, ledger)
        body = {"model": "w", "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": "Tell me"}]}

        async def sent() -> bytes:
            return json.dumps(body).encode()

        await handle(surface, {"authorization": "Bearer key"} | headers, sent, sink, gateway)
    assert sink.status == 200, sink.body
    assert [call.of for call in outbound.calls] == [None, *[f"{root}/v1"] * (len(lines) - 1)], "the target's way, to its end"
    return sink.body, ledger.entries[0], lines


def policy(name: str, url: str) -> Policy:
    target = Target(
        name="t", kind="rented", codec=name, url=url, model="a/b" if name == "replicate" else "gemini-3-pro-preview",
        clearance=DataClass.public, secret=Secret("top-secret"),
    )  # fmt: skip
    return Policy(
        version="v", targets={"t": target}, workloads={"w": Workload(name="w", targets=("t",))},
        codecs={"t": PROVIDERS[name].codec()}, engines={}, keys=Keyring([Key("k", digest("key"))]), bounds=Bounds(),
        price=lambda target, day: None,
    )  # fmt: skip


@pytest.mark.parametrize("side", SIDES, ids=["chat", "messages"])
@pytest.mark.parametrize(("name", "answers"), [("google", gemini), ("replicate", replicate)])
async def test_a_whole_answer(name: str, answers: Any, side: tuple[Surface, Any, Any]) -> None:
    body, entry, lines = await ask(name, answers, side, stream=False)
    whole = side[1].whole(body)
    assert whole.choices[0].parts[0].text == "Once upon"
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (20, 2)
    assert entry.usage is not None
    assert (entry.usage.input_tokens, entry.usage.output_tokens, entry.usage.source) == (20, 2, "provider")
    if name == "google":
        assert entry.usage.cache_read == whole.usage.cache_read == 15
        assert lines == ["POST /v1/models/gemini-3-pro-preview:generateContent HTTP/1.1"]
    else:
        assert lines == ["POST /v1/models/a/b/predictions HTTP/1.1", "GET /v1/predictions/p HTTP/1.1"]


@pytest.mark.parametrize("side", SIDES, ids=["chat", "messages"])
@pytest.mark.parametrize(("name", "answers"), [("google", gemini), ("replicate", replicate)])
async def test_a_streamed_answer(name: str, answers: Any, side: tuple[Surface, Any, Any]) -> None:
    body, entry, lines = await ask(name, answers, side, stream=True)
    assert b"Once " in body
    assert b"upon" in body
    assert body.endswith((b"data: [DONE]\n\n", b'data: {"type":"message_stop"}\n\n'))
    assert entry.usage is not None
    assert entry.usage.source == ("provider" if name == "google" else "estimated")
    assert entry.usage.input_tokens == 20 or name == "replicate"
    assert lines[-1].startswith("POST" if name == "google" else "GET /stream/p")
    assert len(lines) == (1 if name == "google" else 2)
