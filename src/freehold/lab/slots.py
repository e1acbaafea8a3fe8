"""What an owned engine can do at once: so many sequences, and a bounded queue in order of arrival."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from freehold.lab.asgi import Refusal


class Slots:
    """First in, first out. A slot that comes free goes straight to the head of the queue, so that nobody overtakes."""

    def __init__(self, slots: int, queue_limit: int) -> None:
        self._free = slots
        self._queue_limit = queue_limit
        self._queue: OrderedDict[asyncio.Future[None], None] = OrderedDict()
        self.running = 0

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    @asynccontextmanager
    async def admit(self) -> AsyncIterator[None]:
        """One sequence's stay in a slot, after its turn came. Raises Refusal with 503 when the queue is full."""
        await self._take()
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._give()

    async def _take(self) -> None:
        if self._free:
            self._free -= 1
            return
        if len(self._queue) >= self._queue_limit:
            raise Refusal(503, "server_error", "server_is_overloaded", f"The queue is full at {self._queue_limit} requests.")
        turn = asyncio.get_running_loop().create_future()
        self._queue[turn] = None
        try:
            await turn
        except asyncio.CancelledError:
            # Cancelled in the very moment its turn came: the slot is already ours and must be passed on.
            if turn.done() and not turn.cancelled():
                self._give()
            raise
        finally:
            self._queue.pop(turn, None)

    def _give(self) -> None:
        while self._queue:
            turn, _ = self._queue.popitem(last=False)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
