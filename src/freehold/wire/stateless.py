"""What most natives have in common: they take every request as it came, and each event of a stream speaks for itself."""

from abc import ABC, abstractmethod

from freehold.core.ports import Delta, StreamCount
from freehold.core.request import Request


class Stateless(ABC):
    """The `takes` and `deltas` of a Native whose `delta` needs no memory."""

    def takes(self, request: Request) -> bool:
        """Everything: what a server does not honour, its capabilities say."""
        return True

    def deltas(self) -> StreamCount:
        """What counts one stream."""
        return self

    @abstractmethod
    def delta(self, event: bytes) -> Delta:
        """Read one complete SSE event. Raises ValueError on malformed data."""
