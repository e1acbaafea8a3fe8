"""The callers of the migration demo: synthetic tickets for one workload, so many a second, until they are told to stop."""

import asyncio
import random
import time
from collections import Counter

import aiohttp
import msgspec

from freehold.app.cli.demo.moves import MovingWorld
from freehold.core.errors import BadSettings
from freehold.lab.tickets import ticket

_ALONE = 15


class Rate(msgspec.Struct, frozen=True):
    """Requests a second, fewer where `at_once` of them have no answer yet."""

    per_s: float
    at_once: int


class Callers:
    """Callers of one workload, and how they fared: answers by status, the longest wait in seconds, who answered last."""

    def __init__(self, world: MovingWorld, workload: str) -> None:
        self.statuses: Counter[int] = Counter()
        self.longest_s = 0.0
        self.answered_by: Counter[str] = Counter()
        self._url = f"http://127.0.0.1:{world.gateway}/v1/chat/completions"
        self._headers = {"authorization": f"Bearer {world.key}"}
        self._workload = workload
        self._source = random.Random(7)

    async def come(self, rate: Rate, enough: asyncio.Event) -> None:
        """At that rate until there is enough; those who came by then get their answers."""
        loop, few = asyncio.get_running_loop(), asyncio.Semaphore(rate.at_once)
        began, came = loop.time(), 0
        async with aiohttp.ClientSession(headers=self._headers) as session, asyncio.TaskGroup() as group:
            while not enough.is_set():
                await few.acquire()
                group.create_task(self._one(session, few))
                came += 1
                await asyncio.sleep(max(0.0, began + came / rate.per_s - loop.time()))

    async def once_more(self, count: int) -> dict[str, int]:
        """A few, one after another; how many each target answered."""
        before, few = self.answered_by.copy(), asyncio.Semaphore(1)
        async with aiohttp.ClientSession(headers=self._headers) as session:
            for _ in range(count):
                await few.acquire()
                await self._one(session, few)
        return dict(self.answered_by - before)

    async def _one(self, session: aiohttp.ClientSession, few: asyncio.Semaphore) -> None:
        began = time.monotonic()
        try:
            async with session.post(self._url, json=_body(self._workload, ticket(self._source)[0])) as reply:
                await reply.read()
                self.statuses[reply.status] += 1
                self.answered_by[reply.headers.get("x-freehold-target", "nobody")] += 1
        except aiohttp.ClientError:
            self.statuses[0] += 1
        finally:
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            few.release()


async def alone_s(port: int) -> float:
    """How fast the engine at that port answers a ticket while it has nothing else to do, in seconds: a good one of a few,
    since whatever else this machine does only makes it slower. Raises BadSettings."""
    source, took = random.Random(3), []
    async with aiohttp.ClientSession() as session:
        for _ in range(_ALONE):
            began = time.monotonic()
            async with session.post(
                f"http://127.0.0.1:{port}/v1/chat/completions", json=_body("any", ticket(source)[0])
            ) as reply:
                if reply.status != 200:
                    raise BadSettings(f"the engine on port {port} answers with status {reply.status}")
                await reply.read()
            took.append(time.monotonic() - began)
    return sorted(took)[_ALONE // 5]


def _body(model: str, text: str) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 16}
