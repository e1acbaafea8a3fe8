"""A step done over and over beside the requests: at once, every so many seconds, and once more at the end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def beating(step: Callable[[], Awaitable[None]], every_s: float) -> AsyncIterator[None]:
    """While inside. What the step raises ends the beating and comes out at the end of the block."""
    leaving = asyncio.Event()

    async def beat() -> None:
        while not leaving.is_set():
            await step()
            with suppress(TimeoutError):
                async with asyncio.timeout(every_s):
                    await leaving.wait()
        await step()

    beats = asyncio.create_task(beat())
    try:
        yield
    finally:
        leaving.set()
        await beats
