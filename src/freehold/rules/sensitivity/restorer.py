"""Put values back where an answer has their placeholders, also when a placeholder comes in pieces.

A placeholder is `<KIND_7>`; inside a JSON string its brackets may be escaped (`\\u003c`). One that stands for nothing stays.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

PLACEHOLDER = re.compile(r"<([A-Z][A-Z0-9_]{0,60}_[0-9]{1,9})>")
# In order: a whole placeholder; the beginning of one at the end of the text.
_PLAIN = re.compile(r"<(?P<name>[A-Z][A-Z0-9_]{0,60}_[0-9]{1,9})>|(?P<begun><(?:[A-Z][A-Z0-9_]{0,70})?\Z)")
# The same inside a JSON string, where other escapes are stepped over whole, so that an escaped backslash before `u003c` is none.
_ESCAPED = re.compile(
    r"(?:<|\\u003[cC])(?P<name>[A-Z][A-Z0-9_]{0,60}_[0-9]{1,9})(?:>|\\u003[eE])"
    r"|(?P<begun>(?:<|\\u003[cC])(?:[A-Z][A-Z0-9_]{0,70}(?:\\(?:u(?:0(?:0(?:3)?)?)?)?)?)?\Z|\\(?:u(?:0(?:0(?:3)?)?)?)?\Z)"
    r"|\\[^u]"
)
_LITERAL_KEYS = frozenset("role type id index object finish_reason".split())


class TextRestorer:
    """One text that comes in pieces. `escaped`: it is JSON inside a string, so values go in as JSON strings have them."""

    def __init__(self, originals: Mapping[str, str], escaped: bool | None = None) -> None:
        self._originals = originals
        self._escaped = escaped
        self.held = ""

    def feed(self, text: str) -> str:
        """What can be said for certain; the beginning of a placeholder is held until the next piece."""
        if self._escaped is None and text.strip():
            # An answer that begins like a document is one: structured output, or the arguments of a tool.
            self._escaped = text.lstrip()[0] in "{["
        text = self.held + text
        self.held = ""
        return (_ESCAPED if self._escaped else _PLAIN).sub(self._of_match, text)

    def end(self) -> str:
        """What is still held: it became no placeholder."""
        held, self.held = self.held, ""
        return held

    def _of_match(self, match: re.Match[str]) -> str:
        if match["begun"] is not None:
            self.held = match["begun"]
            return ""
        value = self._originals.get(f"<{match['name']}>")
        if value is None:
            return match[0]
        return json.dumps(value, ensure_ascii=False)[1:-1] if self._escaped else value


class Restorer:
    """The values of one request, by placeholder."""

    def __init__(self, originals: Mapping[str, str]) -> None:
        self._originals = dict(originals)

    def __repr__(self) -> str:
        return f"Restorer({len(self._originals)} values)"

    def piecewise(self, escaped: bool | None = None) -> TextRestorer:
        """For one text that comes in pieces; None decides by its first character."""
        return TextRestorer(self._originals, escaped)

    def text(self, text: str, escaped: bool | None = None) -> str:
        """A whole text."""
        if "<" not in text and "u003" not in text:
            return text
        one = self.piecewise(escaped)
        return one.feed(text) + one.end()

    def body(self, body: bytes) -> bytes:
        """A whole JSON answer with every string restored; the same bytes where there is nothing to restore.

        Raises ValueError on what is not JSON.
        """
        if not self._originals or (b"<" not in body and b"u003" not in body):
            return body
        before = json.loads(body)
        after = self._value(before, "")
        return body if after == before else json.dumps(after, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")

    def _value(self, value: Any, key: str) -> Any:
        if isinstance(value, str):
            return value if key in _LITERAL_KEYS else self.text(value, True if key == "arguments" else None)
        if isinstance(value, dict):
            return {name: self._said(item) if name == "input" else self._value(item, name) for name, item in value.items()}
        return [self._value(item, key) for item in value] if isinstance(value, list) else value

    def _said(self, value: Any) -> Any:
        """What a model made up in full, as the arguments of a tool call that stand there as an object: keys are its own too."""
        if isinstance(value, str):
            return self.text(value, False)
        if isinstance(value, dict):
            return {self.text(name, False): self._said(item) for name, item in value.items()}
        return [self._said(item) for item in value] if isinstance(value, list) else value
