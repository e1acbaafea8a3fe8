"""A deadline that is set only where something has to be waited for: most reads and writes of a request find all they need."""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


async def within(seconds: float, work: Coroutine[Any, Any, _T]) -> _T:
    """What the work returns. Raises TimeoutError where it has to wait, and is not done `seconds` later."""
    try:
        awaited = work.send(None)
    except StopIteration as done:
        result: _T = done.value
        return result
    async with asyncio.timeout(seconds):
        return await _Begun(work, awaited)


class _Begun(Generic[_T]):
    """The rest of a coroutine that already waits for something."""

    def __init__(self, work: Coroutine[Any, Any, _T], awaited: Any) -> None:
        self._work = work
        self._awaited = awaited

    def __await__(self) -> Generator[Any, None, _T]:
        awaited = self._awaited
        try:
            while True:
                try:
                    yield awaited
                except BaseException as error:  # a cancellation, the deadline's included: it is the work's to see
                    awaited = self._work.throw(error)
                else:
                    awaited = self._work.send(None)
        except StopIteration as done:
            result: _T = done.value
            return result
