"""A stream that falls silent or drips is ended; one whose caller reads slowly is not."""

import asyncio

import pytest

from freehold.core.ports import UpstreamFailure
from freehold.serve.gateway.pulse import Pulse


async def test_silence_ends_it() -> None:
    async def silent() -> None:
        async with Pulse(0.05, 10, 1) as pulse:
            pulse.waits()
            pulse.beats(1)
            pulse.waits()
            await asyncio.sleep(5)

    with pytest.raises(UpstreamFailure, match=r"no bytes for 0\.05 s") as ended:
        await silent()
    assert ended.value.outcome == "stalled"


async def test_a_drip_ends_it_though_bytes_keep_coming() -> None:
    beats = 0

    async def dripping() -> None:
        nonlocal beats
        async with Pulse(0.1, 0.2, 3) as pulse:
            while True:
                pulse.waits()
                await asyncio.sleep(0.02)
                pulse.beats(0)  # keep-alive comments
                beats += 1

    with pytest.raises(UpstreamFailure, match=r"fewer than 3 events with content in 0\.2 s"):
        await dripping()
    assert beats > 3


async def test_a_good_pace_and_a_slow_caller_do_not() -> None:
    async with Pulse(0.1, 0.2, 3) as pulse:
        for _ in range(20):
            pulse.waits()
            await asyncio.sleep(0.02)
            pulse.beats(1)
        await asyncio.sleep(0.3)  # the caller reads: the target has no turn
        pulse.waits()
        pulse.beats(1)


async def test_other_errors_and_hang_ups_pass_through() -> None:
    with pytest.raises(ValueError, match="mine"):
        async with Pulse(1, 1, 1):
            raise ValueError("mine")

    async def body() -> None:
        async with Pulse(10, 10, 1) as pulse:
            pulse.waits()
            await asyncio.sleep(10)

    task = asyncio.create_task(body())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
