"""A plain client for the lab's tests: one chat request, and everything that came back."""

from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec


@dataclass
class Reply:
    """What came back. `broken`: the connection ended before the answer did."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    broken: bool = False

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def datas(self) -> list[bytes]:
        return [part.removeprefix(b"data: ") for part in self.body.split(b"\n\n") if part]

    @property
    def chunks(self) -> list[Any]:
        return [msgspec.json.decode(data) for data in self.datas if data != b"[DONE]"]

    @property
    def text(self) -> str:
        deltas = [choice["delta"] for chunk in self.chunks for choice in chunk["choices"] if choice["index"] == 0]
        return "".join(delta.get("content") or "" for delta in deltas)


def chat(prompt: str = "hello there", **fields: Any) -> dict[str, Any]:
    """A request body."""
    return {"model": "any-model", "messages": [{"role": "user", "content": prompt}], **fields}


async def post(url: str, body: object, path: str = "/v1/chat/completions", **headers: str) -> Reply:
    """Send it and read to the end, whatever the end is. Header names are given with underscores."""
    reply = Reply()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    async with aiohttp.ClientSession() as session:
        try:
            async with session.post(url + path, data=raw, headers=named) as response:
                reply.status, reply.headers = response.status, {k.lower(): v for k, v in response.headers.items()}
                async for chunk in response.content.iter_any():
                    reply.body += chunk
        except aiohttp.ClientError:
            reply.broken = True
    return reply


async def get(url: str, **headers: str) -> Reply:
    """Fetch a page."""
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        return Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, await response.read())
