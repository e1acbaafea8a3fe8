"""Restore a streamed chat completion: placeholders may be cut between events, choices and tool calls interleave.

Every text of every choice has a restorer of its own. What one holds back goes out with a later delta, at the latest with the
choice's finish; token log-probabilities keep the placeholders they were made with.
"""

import itertools
import json
from typing import Any, TypeAlias

from freehold.rules.sensitivity.restorer import Restorer, TextRestorer
from freehold.wire.sse import EventSplitter, data_of

_Path: TypeAlias = tuple[str | int, ...]
_LITERAL_KEYS = frozenset("role type id index name".split())
_HEAD = frozenset("id object created model system_fingerprint service_tier".split())


class ChatStream:
    """One answer under way: bytes cut anywhere with `feed`, or whole events with `event`; then `end`."""

    def __init__(self, restorer: Restorer) -> None:
        self._restorer = restorer
        self._splitter = EventSplitter()
        self._texts: dict[int, dict[_Path, TextRestorer]] = {}
        self._head: dict[str, Any] = {}

    def feed(self, chunk: bytes) -> bytes:
        """The events that this chunk completes, restored. Raises wire.sse.EventTooLong."""
        return b"".join(self.event(event) for event in self._splitter.feed(chunk))

    def event(self, event: bytes) -> bytes:
        """One event restored; the same bytes where nothing in it changed. What cannot be read passes as it is."""
        data = data_of(event)
        if data is None:
            return event
        if data.strip() == b"[DONE]":
            return self._held() + event
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError):
            return event
        if not isinstance(chunk, dict):
            return event
        self._head = {name: value for name, value in chunk.items() if name in _HEAD}
        changed = False
        for choice in chunk.get("choices") or ():
            if isinstance(choice, dict):
                changed = self._restore(choice) or changed
        return _as_event(chunk, event) if changed else event

    def end(self) -> bytes:
        """What is still held when the stream is over, as one more chunk, and an event that never ended."""
        return self._held() + self._splitter.rest()

    def _restore(self, choice: dict[str, Any]) -> bool:
        """Restore one choice's delta in place; whether it changed."""
        index = choice.get("index") or 0
        texts = self._texts.setdefault(index, {})
        delta = choice.get("delta")
        after = self._value(delta, (), texts)
        if choice.get("finish_reason"):
            after = after if isinstance(after, dict) else {}
            self._release(texts, after)
            choice["delta"] = after
            return bool(after != delta)
        choice["delta"] = after
        return bool(after != delta)

    def _value(self, value: Any, path: _Path, texts: dict[_Path, TextRestorer]) -> Any:
        key = path[-1] if path else ""
        if isinstance(value, str):
            if key in _LITERAL_KEYS:
                return value
            if path not in texts:
                texts[path] = self._restorer.piecewise(True if key == "arguments" else None)
            return texts[path].feed(value)
        if isinstance(value, dict):
            return {name: self._value(item, (*path, name), texts) for name, item in value.items()}
        if isinstance(value, list):
            return [self._value(item, (*path, _place(item, at)), texts) for at, item in enumerate(value)]
        return value

    def _held(self) -> bytes:
        """A chunk with what the choices still hold; nothing where they hold nothing."""
        choices: list[dict[str, Any]] = []
        for index, texts in self._texts.items():
            delta: dict[str, Any] = {}
            self._release(texts, delta)
            if delta:
                choices.append({"index": index, "delta": delta, "finish_reason": None})
        return _as_event({**self._head, "choices": choices}, b"") if choices else b""

    def _release(self, texts: dict[_Path, TextRestorer], delta: dict[str, Any]) -> None:
        for path, text in texts.items():
            if held := text.end():
                _append(delta, path, held)


def _place(item: Any, at: int) -> int:
    """A tool call keeps its own index from delta to delta, wherever it stands in the list."""
    index = item.get("index") if isinstance(item, dict) else None
    return index if isinstance(index, int) else at


def _append(delta: dict[str, Any], path: _Path, text: str) -> None:
    """Put text at the end of the string at that path, making what the path needs."""
    here: Any = delta
    for step, below in itertools.pairwise(path):
        if isinstance(step, int):
            found = next((item for item in here if isinstance(item, dict) and item.get("index") == step), None)
            if found is None:
                found = {"index": step}
                here.append(found)
            here = found
        else:
            if not here.get(step):
                here[step] = [] if isinstance(below, int) else {}
            here = here[step]
    here[path[-1]] = (here.get(path[-1]) or "") + text


def _as_event(chunk: dict[str, Any], event: bytes) -> bytes:
    """The chunk as an event, with the fields other than data that the event had."""
    others = [line for line in event.splitlines() if line and not line.startswith(b"data:")]
    data = json.dumps(chunk, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    return b"\n".join([*others, b"data: " + data, b"", b""])
