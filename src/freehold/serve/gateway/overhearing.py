"""An answer overheard on its way to the caller: everything is passed on, and a copy is kept while it is small enough."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from freehold.core.ports import Sink


class Overheard:
    """A Sink that passes everything on. `size`: bytes of the request and of its answer so far; `limit`: the most of them kept."""

    def __init__(self, sink: Sink, size: int, limit: int) -> None:
        self.started = sink.started
        self.chunks: list[bytes] = []
        self.size = size
        self._sink = sink
        self._limit = limit

    @property
    def fits(self) -> bool:
        """Whether all of it is here."""
        return self.size <= self._limit

    def cancelled_by_hang_up(self) -> AbstractAsyncContextManager[None]:
        return self._sink.cancelled_by_hang_up()

    async def head(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        self.started = True
        await self._sink.head(status, headers)

    async def write(self, data: bytes) -> None:
        self._note(data)
        await self._sink.write(data)

    async def end(self, data: bytes = b"") -> None:
        self._note(data)
        await self._sink.end(data)

    def abort(self) -> None:
        self._sink.abort()

    def _note(self, data: bytes) -> None:
        self.size += len(data)
        if self.fits:
            self.chunks.append(data)
        else:
            self.chunks.clear()
