"""Counts a stream whose events repeat one another but for their text, without reading the JSON of each anew."""

import re

from freehold.core.ports import Delta, StreamCount

_STRING = rb'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt])*"'  # a JSON string without \u, in which not every four digits are a character
_text = re.compile(_STRING)
_spoken = re.compile(rb'"(?:content|reasoning|reasoning_content)": ?(' + _STRING + rb")")
_MOST_LEARNED = 8  # a server whose events never repeat is read as if this were not here


class Repeating:
    """The StreamCount port, over one whose events speak for themselves.

    Once an event held content and nothing else that counts, and its text was found by putting another there and reading that, an
    event with the same bytes before and behind its text counts the same, at its own length. Every other event is read.
    """

    def __init__(self, events: StreamCount) -> None:
        self._events = events
        self._before = self._behind = b""
        self._tier: str | None = None
        self._left = _MOST_LEARNED

    def delta(self, event: bytes) -> Delta:
        """Read one complete SSE event. Raises ValueError on malformed data."""
        if self._before and event.startswith(self._before) and event.endswith(self._behind):
            start, end = len(self._before), len(event) - len(self._behind)
            if _text.fullmatch(event, start, end) and end - start > 2:
                return _only_text(end - start, self._tier)
        delta = self._events.delta(event)
        if delta.content and self._left:
            self._learn(event, delta)
        return delta

    def _learn(self, event: bytes, delta: Delta) -> None:
        spoken = _spoken.search(event)
        if spoken is None or delta != _only_text(len(spoken[1]), delta.service_tier):
            return
        self._left -= 1
        before, behind = event[: spoken.start(1)], event[spoken.end(1) :]
        longer = b'"%b"' % (b"x" * len(spoken[1]))
        if self._events.delta(before + longer + behind) == _only_text(len(longer), delta.service_tier):
            self._before, self._behind, self._tier = before, behind, delta.service_tier


def _only_text(text_bytes: int, tier: str | None) -> Delta:
    return Delta(content=True, text_bytes=text_bytes, service_tier=tier)
