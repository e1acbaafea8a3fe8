"""Text as the scanner reads it: escapes resolved, forms folded, what is invisible gone, odd spaces and dashes plain.

Folding undoes what hides a value from a pattern; it is no transliteration: look-alike letters of other scripts, digits of other
scripts, HTML entities, percent-encoding (but for an address's @) and base64 stay as they are.
"""

import re
import unicodedata

import re2

_ESCAPE = re.compile(
    r"\\+(?:u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\+u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})|x(?P<x>[0-9a-fA-F]{2})|[nrt]|(?=[\"'/]))"
)
_HIDDEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\U000e0000-\U000e0fff"
)
_DASHES = "\u2010-\u2015\u2212\u2e3a\u2e3b\u2043"
_SPACES = "\u2028\u2029\u1680\u0085"
_DASH = re.compile(f"[{_DASHES}]")
_ODD = re.compile(f"[{_HIDDEN}{_DASHES}{_SPACES}]")
_ODD_BYTES = re2.compile(_ODD.pattern)
_FEW = 8  # different odd characters replaced one after the other, the fast way; texts with more take one slow pass


def folded(text: str) -> bytes:
    """The text as the patterns see it, in UTF-8. Linear, and free for plain ASCII without a backslash."""
    if "\\" in text:
        text = _ESCAPE.sub(_unescaped, text)
    if text.isascii():
        return text.encode()
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    data = text.encode(errors="replace")
    for _ in range(_FEW):
        if (odd := _ODD_BYTES.search(data)) is None:
            return data
        character = odd.group()
        data = data.replace(character, _plain(character.decode()).encode())
    return _ODD.sub(lambda match: _plain(match[0]), data.decode()).encode()


class Folded:
    """The same folding, with the way back: which characters of the original a run of folded bytes stands for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.data = folded(text)
        self._exact = text.isascii() and len(self.data) == len(text)
        if not self._exact:
            self._map()

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original text behind bytes [start, end)."""
        if self._exact:
            return start, end
        return self._starts[start], self._ends[end - 1]

    def _map(self) -> None:
        """Fold one cluster at a time: an escape, or a character with the combining marks after it."""
        self._starts: list[int] = []
        self._ends: list[int] = []
        data = bytearray()
        at = 0
        while at < len(self.text):
            end = self._cluster(at)
            piece = folded(self.text[at:end])
            data += piece
            self._starts += [at] * len(piece)
            self._ends += [end] * len(piece)
            at = end
        self.data = bytes(data)

    def _cluster(self, at: int) -> int:
        text = self.text
        escape = _ESCAPE.match(text, at) if text[at] == "\\" else None
        end = escape.end() if escape else at + 1
        while end < len(text) and unicodedata.combining(text[end]):
            end += 1
        return end


def _unescaped(match: re.Match[str]) -> str:
    if match["high"]:
        return chr(0x10000 + ((int(match["high"], 16) & 0x3FF) << 10 | int(match["low"], 16) & 0x3FF))
    code = match["u"] or match["x"]
    if code:
        return chr(int(code, 16))
    return " " if match[0][-1] in "nrt" else ""


def _plain(character: str) -> str:
    return "-" if _DASH.match(character) else " " if character in _SPACES else ""
