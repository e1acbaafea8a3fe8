"""Events to a webhook: a real client against a real receiver that refuses, stalls, redirects and breaks off."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from freehold.core.target import Secret
from freehold.plan.signals.signals import Signal
from freehold.serve.sinks import webhook
from freehold.serve.sinks.webhook import Endpoint, Webhook, signing_key
from freehold.serve.transport.outbound import AiohttpOutbound

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
ON = Signal("w", "rate_limited", "on", 0.5, 0.1, "share", "w: half of it.", "Do something.")
OFF = Signal("w", "rate_limited", "off", 0.0, 0.1, "share", "w: none of it.", "")


class Receiver:
    """Answers with these statuses, one after the other, the last one for ever; keeps what came."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)
        self.url = ""
        self.calls: list[tuple[dict[str, str], bytes]] = []

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.calls.append((headers, await request.read()))
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        return web.Response(status=status, headers={"location": self.url} if status == 302 else {})


@asynccontextmanager
async def receiving(*statuses: int) -> AsyncIterator[Receiver]:
    receiver = Receiver(*statuses)
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def told(url: str, *signals: Signal, waits_s: tuple[float, ...] = (0.0, 0.0)) -> Counter[str]:
    """What became of the events."""
    fates: Counter[str] = Counter()
    ended = asyncio.Event()

    def count(fate: str) -> None:
        fates[fate] += 1
        if fates.total() == len(signals):
            ended.set()

    async with AiohttpOutbound() as outbound:
        hook = Webhook(outbound, Endpoint(url, Secret(SECRET), "here"), count, waits_s)
        hook.tell(signals, 1_795_000_000.25)
        sending = asyncio.create_task(hook.run())
        async with asyncio.timeout(10):
            await ended.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return fates


async def test_an_event_as_it_arrives() -> None:
    async with receiving(204) as receiver:
        assert await told(receiver.url, ON, OFF) == {"sent": 2}
    (headers, body), (_, second) = receiver.calls
    event = json.loads(body)
    assert (event["specversion"], event["source"], event["subject"]) == ("1.0", "here", "w/rate_limited")
    assert (event["type"], json.loads(second)["type"]) == ("dev.freehold.signal.raised.v1", "dev.freehold.signal.cleared.v1")
    assert datetime.fromisoformat(event["time"]) == datetime.fromtimestamp(1_795_000_000.25, UTC)
    assert event["data"]["value"] == 0.5
    assert (event["id"], headers["content-type"]) == (headers["webhook-id"], "application/cloudevents+json; charset=utf-8")
    assert event["id"] != json.loads(second)["id"]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = hmac.new(b"0123456789abcdef0123456789abcdef", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"
    assert SECRET.encode() not in body


async def test_the_check_in_the_guide_tells_ours_from_others() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "signals.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    told_there: dict[str, Any] = {}
    exec(block, told_there)
    async with receiving(204) as receiver:
        await told(receiver.url, ON)
    ((headers, body),) = receiver.calls
    genuine = told_there["genuine"]
    assert genuine(headers, body, SECRET)
    assert not genuine(headers, body + b" ", SECRET)
    assert not genuine(headers, body, "another")
    assert not genuine(headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) - 301)}, body, SECRET)


@pytest.mark.parametrize(
    ("statuses", "fate", "calls"),
    [
        ((500, 429, 200), "sent", 3),
        ((503, 503, 503, 200), "lost", 3),
        ((400, 200), "lost", 1),
        ((302, 200), "lost", 1),
    ],
)
async def test_tries_are_bounded_and_of_one_id(statuses: tuple[int, ...], fate: str, calls: int) -> None:
    async with receiving(*statuses) as receiver:
        assert await told(receiver.url, ON) == {fate: 1}
    assert len(receiver.calls) == calls
    assert len({headers["webhook-id"] for headers, _ in receiver.calls}) == 1


async def test_nobody_there_is_counted() -> None:
    async with receiving(200) as receiver:
        pass
    assert await told(receiver.url, ON) == {"lost": 1}


async def test_a_full_queue_loses_and_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_QUEUE", 2)
    fates: Counter[str] = Counter()
    async with AiohttpOutbound() as outbound:
        hook = Webhook(outbound, Endpoint("http://127.0.0.1:9/", Secret("s"), "here"), lambda fate: fates.update([fate]))
        hook.tell([ON, OFF, ON, OFF, ON], 0.0)
    assert fates == {"lost": 3}


def test_secrets() -> None:
    assert signing_key(SECRET) == b"0123456789abcdef0123456789abcdef"
    assert signing_key("just text") == b"just text"
    for broken in ("whsec_", "whsec_***"):
        with pytest.raises(ValueError, match="is not base64"):
            signing_key(broken)
