"""A plain caller: one chat request, every byte that came back, and when. Shares no code with what it judges."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from e2e.house import KEY


@dataclass
class Answer:
    """What came back. `clean`: the connection carried the body to its end. Times in seconds from sending."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    clean: bool = False
    first_s: float = 0.0
    total_s: float = 0.0

    @property
    def id(self) -> str:
        """The request's id, under which the ledger has it."""
        return self.headers["x-request-id"]

    @property
    def streamed(self) -> bool:
        """Whether it came as events."""
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def datas(self) -> list[bytes]:
        """The data of each event."""
        return [event.removeprefix(b"data: ") for event in self.body.split(b"\n\n") if event]

    @property
    def chunks(self) -> list[Any]:
        """Each event but [DONE]."""
        return [msgspec.json.decode(data) for data in self.datas if data != b"[DONE]"]

    @property
    def json(self) -> Any:
        """The whole body."""
        return msgspec.json.decode(self.body)

    @property
    def done(self) -> bool:
        """A caller takes it for a whole answer: [DONE] came, or a body of its full length with status 200."""
        if self.streamed:
            return b"data: [DONE]" in self.body
        return self.status == 200 and len(self.body) == int(self.headers.get("content-length", -1))

    @property
    def text(self) -> str:
        """The first choice's content."""
        if not self.streamed:
            content: str = self.json["choices"][0]["message"]["content"]
            return content
        deltas = [choice["delta"] for chunk in self.chunks for choice in chunk.get("choices", []) if choice["index"] == 0]
        return "".join(delta.get("content") or "" for delta in deltas)

    @property
    def usage(self) -> Any:
        """Token counts where the answer told any."""
        if not self.streamed:
            return self.json.get("usage")
        return next((chunk["usage"] for chunk in self.chunks if chunk.get("usage")), None)

    @property
    def error(self) -> Any:
        """The error body, or the error event that ended a stream."""
        return (self.chunks[-1] if self.streamed else self.json)["error"]


def chat(model: str, prompt: str = "hello there", **fields: Any) -> dict[str, Any]:
    """A request body."""
    return {"model": model, "messages": [{"role": "user", "content": prompt}], **fields}


def caller(url: str, key: str = KEY) -> aiohttp.ClientSession:
    """A session with a gateway; no limit on connections, no patience without end."""
    timeout = aiohttp.ClientTimeout(total=100)
    return aiohttp.ClientSession(
        url, headers={"authorization": f"Bearer {key}"}, connector=aiohttp.TCPConnector(limit=0), timeout=timeout
    )


async def ask(session: aiohttp.ClientSession, body: Mapping[str, Any], **headers: str) -> Answer:
    """Send it and read to the end, whatever the end is. Header names are given with underscores."""
    answer, start = Answer(), time.perf_counter()
    named = {name.replace("_", "-"): value for name, value in headers.items()} | {"content-type": "application/json"}
    with suppress(aiohttp.ClientError):  # a connection that breaks is an outcome: `clean` stays False
        async with session.post("/v1/chat/completions", data=msgspec.json.encode(body), headers=named) as reply:
            answer.status, answer.headers = reply.status, {k.lower(): v for k, v in reply.headers.items()}
            async for chunk in reply.content.iter_any():
                answer.first_s = answer.first_s or time.perf_counter() - start
                answer.body += chunk
            answer.clean = True
    answer.total_s = time.perf_counter() - start
    return answer
