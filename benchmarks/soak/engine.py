"""The owned engine of a soak: llama.cpp with the bundled ticket model, and what it counts by itself.

Each ticket is asked of it directly first, with nobody in between. What it says and counts then, it has to say and count through
the gateway too; and its own total since then has to be that of the ledger.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from freehold.app.cli.demo.children import Children, free_port
from freehold.lab.tickets import ticket

OWN = "own"
_TICKETS, MOST_TOKENS = 120, 16
_SLOTS, _READY_S = 4, 30.0


class Ticket(msgspec.Struct, frozen=True):
    """A question whose answer is known, and how many tokens the engine makes of it."""

    text: str
    answer: str
    prompt_tokens: int
    completion_tokens: int


class Engine:
    """A running one. `tickets` are those that it answers rightly, so that the lab's providers answer them in the same words."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.tickets: Sequence[Ticket] = ()
        self._before = (0, 0)

    @property
    def target(self) -> Mapping[str, Any]:
        """As the configuration has it."""
        return {
            "engine": "llamacpp", "url": self.url, "model": "tiny-tickets", "clearance": "restricted", "regions": ["eu"],
            "concurrency": _SLOTS,
        }  # fmt: skip

    async def counted(self) -> tuple[int, int]:
        """(prompt, completion) tokens by its own count, since its tickets were asked."""
        prompt, completion = await self._totals()
        return prompt - self._before[0], completion - self._before[1]

    async def ask_all(self, seed: int) -> None:
        """Once it answers: the tickets. Raises TimeoutError where it does not."""
        deadline = time.monotonic() + _READY_S
        while not await self._is_ready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the engine at {self.url} does not answer within {_READY_S:g} s")
            await asyncio.sleep(0.1)
        source = random.Random(seed)
        asked = [await self._ask(*ticket(source)) for _ in range(_TICKETS)]
        self.tickets = [one for one in asked if one is not None]
        self._before = await self._totals()

    async def _ask(self, text: str, label: str) -> Ticket | None:
        messages = [{"role": "user", "content": text}]
        body = {"model": "tiny-tickets", "messages": messages, "temperature": 0, "max_tokens": MOST_TOKENS}
        async with aiohttp.ClientSession() as session, session.post(f"{self.url}/v1/chat/completions", json=body) as reply:
            said = await reply.json()
        answer, usage = said["choices"][0]["message"]["content"], said["usage"]
        if answer != f'{{"label": "{label}"}}':
            return None
        return Ticket(text, answer, usage["prompt_tokens"], usage["completion_tokens"])

    async def _totals(self) -> tuple[int, int]:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/metrics") as reply:
            page = await reply.text()
        told = {one.name: one.value for family in text_string_to_metric_families(page) for one in family.samples}
        prompt = told["llamacpp:prompt_tokens_total"] + told["llamacpp:prompt_tokens_cached_total"]
        return round(prompt), round(told["llamacpp:tokens_predicted_total"])

    async def _is_ready(self) -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as session, session.get(f"{self.url}/health") as reply:
                return reply.status == 200
        return False


@contextlib.asynccontextmanager
async def running(folder: Path, seed: int) -> AsyncIterator[Engine]:
    """Started under our own supervision and asked. Raises BadSettings where llama.cpp is not to be had."""
    port = free_port(0)
    async with Children(folder) as children:
        await children.start("engine", ["engines", "run", "tiny-tickets", "--port", str(port)], port)
        engine = Engine(f"http://127.0.0.1:{port}")
        await engine.ask_all(seed)
        yield engine
