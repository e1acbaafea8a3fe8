"""Requests sent to an engine when a trace says, however slowly answers come, and the times of every answer's tokens."""

import asyncio
import random
from collections.abc import Sequence

import aiohttp
import msgspec

from freehold.lab.generation import WORDS
from freehold.plan.capacity.calibration.timings import Timing


class Asked(msgspec.Struct, frozen=True):
    """When it leaves, seconds from the start; words of its prompt and tokens of its answer."""

    at_s: float
    words: int
    output_tokens: int


async def open_loop(url: str, model: str, asked: Sequence[Asked]) -> list[Timing]:
    """Every request's times by one clock that starts with the first, in the order they were sent; every answer must be whole."""
    clock = asyncio.get_running_loop().time
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        start = clock()

        async def one(number: int, request: Asked) -> Timing:
            body = _body(model, number, request)
            await asyncio.sleep(start + request.at_s - clock())
            sent = clock() - start
            async with session.post(
                f"{url}/v1/chat/completions", data=body, headers={"content-type": "application/json"}
            ) as reply:
                assert reply.status == 200, await reply.text()
                seen = [(clock() - start, line) async for line in reply.content]
            return _timing(sent, seen)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(number, request)) for number, request in enumerate(asked)]
    return sorted((task.result() for task in tasks), key=lambda timing: timing.sent_s)


def _body(model: str, number: int, request: Asked) -> bytes:
    """A prompt that shares its beginning with no other, so that no prefix cache answers for the engine."""
    prompt = " ".join(random.Random(10_000 + number).choices(WORDS, k=request.words))
    return msgspec.json.encode(
        {
            "model": model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": request.output_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
            "ignore_eos": True,
        }
    )


def _timing(sent_s: float, seen: Sequence[tuple[float, bytes]]) -> Timing:
    first_s = last_s = 0.0
    usage: dict[str, int] = {}
    for at_s, line in seen:
        data = line.removeprefix(b"data:").strip()
        if not data or data == b"[DONE]":
            continue
        chunk = msgspec.json.decode(data)
        usage = chunk.get("usage") or usage
        for choice in chunk["choices"]:
            if choice["delta"].get("content") or choice.get("finish_reason"):
                first_s, last_s = first_s or at_s, at_s
    return Timing(
        sent_s=sent_s, first_s=first_s, last_s=last_s, input_tokens=usage["prompt_tokens"],
        output_tokens=usage["completion_tokens"],
    )  # fmt: skip
