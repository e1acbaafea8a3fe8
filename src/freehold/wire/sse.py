"""Server-sent events: cut a byte stream into whole events without changing a byte. WHATWG HTML, section 9.2."""

import re

_BLANK_LINE = re.compile(rb"\n\r?\n|\r\r")
_LINE = re.compile(rb"\r\n|\n|\r")


class EventTooLong(ValueError):
    """One event grew past the limit without ending."""


class EventSplitter:
    """Feed chunks cut anywhere; take whole events, each with its blank line, whose concatenation is the input."""

    content_type = "text/event-stream"

    def __init__(self, max_event_bytes: int = 4 * 1024 * 1024) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._max = max_event_bytes

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that this chunk completes. Raises EventTooLong, but never in place of events: then at the next call."""
        self.require_short()
        buffer = self._buffer
        if not buffer and chunk.find(b"\n\n") == len(chunk) - 2 and b"\r" not in chunk and len(chunk) > 1:
            return [chunk]  # most chunks are one event
        buffer += chunk
        events: list[bytes] = []
        start = 0
        at = max(0, self._searched - 3)
        while found := _BLANK_LINE.search(buffer, max(at, start)):
            events.append(bytes(buffer[start : found.end()]))
            start = found.end()
        if start:
            del buffer[:start]
        self._searched = len(buffer)
        if not events:
            self.require_short()
        return events

    def require_short(self) -> None:
        """Raises EventTooLong where the event under way is past the limit."""
        if len(self._buffer) > self._max:
            raise EventTooLong(f"an event exceeds {self._max} bytes")

    def rest(self) -> bytes:
        """What came after the last whole event."""
        return bytes(self._buffer)


def data_of(event: bytes) -> bytes | None:
    """The event's data lines joined by newlines; None for a comment or an event without data."""
    if event.startswith(b"data: ") and event.count(b"\n") == 2 and b"\r" not in event:
        return event[6:-2]
    lines = [line[5:].removeprefix(b" ") for line in _LINE.split(event) if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None
