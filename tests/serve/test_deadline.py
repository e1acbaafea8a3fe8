"""A deadline that is set only where there is something to wait for changes nothing else about the work."""

import asyncio

import pytest

from freehold.serve.deadline import within


async def at_once() -> str:
    return "done"


async def later(*pauses_s: float) -> str:
    for pause_s in pauses_s:
        await asyncio.sleep(pause_s)
    return "done"


async def test_what_need_not_wait_sets_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("no deadline is needed")

    monkeypatch.setattr(asyncio, "timeout", refuse)
    assert await within(1.0, at_once()) == "done"


async def test_what_waits_comes_to_its_end() -> None:
    assert await within(5.0, later(0, 0.001, 0)) == "done"
    reply: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.001, reply.set_result, "said")

    async def ask() -> str:
        return await reply

    assert await within(5.0, ask()) == "said"


async def test_what_waits_too_long_is_cancelled_where_it_waits() -> None:
    seen: list[str] = []

    async def slow() -> None:
        await asyncio.sleep(0)
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    with pytest.raises(TimeoutError):
        await within(0.01, slow())
    assert seen == ["cancelled"]


@pytest.mark.parametrize("pauses_s", [(), (0.0,), (0.0, 0.001)])
async def test_an_error_comes_out_as_it_is(pauses_s: tuple[float, ...]) -> None:
    async def fail() -> None:
        await later(*pauses_s)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await within(5.0, fail())


async def test_a_cancellation_from_outside_is_the_works_to_see() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            return "settled"
        return "not cancelled"

    task = asyncio.create_task(within(30.0, stubborn()))
    await asyncio.sleep(0.01)
    task.cancel()
    assert await task == "settled"


async def test_an_error_of_what_is_awaited_is_thrown_into_the_work() -> None:
    broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(broken.set_exception, ConnectionResetError("gone"))

    async def read() -> str:
        try:
            await broken
        except ConnectionResetError as error:
            return str(error)
        return "whole"

    assert await within(5.0, read()) == "gone"
