"""Counts the stream of a server whose usage comes once for each choice."""

import msgspec

from freehold.core.ports import Delta, StreamCount
from freehold.core.usage import Usage
from freehold.wire.openai_chat.usage import added


class AddedUp:
    """The StreamCount port, over one whose events speak for themselves: each usage is the sum so far."""

    def __init__(self, events: StreamCount) -> None:
        self._events = events
        self._usage: Usage | None = None

    def delta(self, event: bytes) -> Delta:
        """Read one complete SSE event. Raises ValueError on malformed data."""
        delta = self._events.delta(event)
        if delta.usage is None:
            return delta
        self._usage = added(self._usage, delta.usage)
        return msgspec.structs.replace(delta, usage=self._usage)
