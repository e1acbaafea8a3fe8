"""Replace sensitive values by placeholders before a request leaves: `<EMAIL_1>` for an address, the same for the same value.

One Redactor serves one request and lives as long as it: the values are in its memory and nowhere else.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable

from freehold.rules.sensitivity.folding import Folded
from freehold.rules.sensitivity.restorer import PLACEHOLDER, Restorer
from freehold.rules.sensitivity.scanner import Scanner, after
from freehold.wire.content import Fields, Piece, replaced, texts

_BEFORE_A_VALUE = re.compile(r"[:,\[]\s*$")
_AFTER_A_VALUE = re.compile(r"\s*[,\]}]")


class Redactor:
    """Redacts the kinds that carry one of the labels."""

    def __init__(self, scanner: Scanner, labels: Iterable[str]) -> None:
        self._scanner = scanner
        self._labels = frozenset(labels)
        self._named: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()
        self._last: defaultdict[str, int] = defaultdict(int)

    def __repr__(self) -> str:
        return f"Redactor({len(self._named)} values)"

    def redact(self, fields: Fields) -> Fields:
        """The fields with placeholders for values. Text in the request that looks like a placeholder keeps its name to itself.

        Raises ValueError where the fields cannot be read, or not whole.
        """
        pieces = [piece for piece in texts(fields) if isinstance(piece, Piece)]
        read = [Folded(piece.text) for piece in pieces]
        self._taken.update(name for one in read for name in _placeholders(one))
        cuts: defaultdict[str, set[tuple[int, int, str]]] = defaultdict(set)
        for one, start, end, kind in self._values(pieces, read):
            cuts[one.text].add((start, end, kind))
        fresh = {text: self._with_placeholders(text, sorted(places)) for text, places in cuts.items()}
        return replaced(fields, lambda text: fresh.get(text, text))

    def restorer(self) -> Restorer:
        """The way back, for the answer to this request."""
        return Restorer({placeholder: value for (_, value), placeholder in self._named.items()})

    def _values(self, pieces: list[Piece], read: list[Folded]) -> Iterable[tuple[Folded, int, int, str]]:
        """Each value with its place in its piece's own text; one that runs on into the next piece is cut at the border."""
        data = bytearray()
        borders: list[tuple[int, int]] = []
        for piece, one in zip(pieces, read, strict=True):
            borders.append((len(data), len(data) + len(one.data)))
            data += one.data + after(piece).encode()
        at = 0
        spans, unread = self._scanner.read(bytes(data))
        if hidden := [kind.name for kind in unread if kind.label in self._labels]:
            raise ValueError(f"so much of it is almost a value ({', '.join(hidden)}) that not all of it was read")
        for span in spans:
            while borders[at][1] <= span.start:
                at += 1
            for (start, end), one in zip(borders[at:], read[at:], strict=True):
                if start >= span.end:
                    break
                if span.kind.label in self._labels and (low := max(span.start, start)) < (high := min(span.end, end)):
                    yield one, *one.original(low - start, high - start), span.kind.name

    def _with_placeholders(self, text: str, places: list[tuple[int, int, str]]) -> str:
        plain = self._cut(text, places, quoted=False)
        if _is_json(text) and not _is_json(plain):
            return self._cut(text, places, quoted=True)
        return plain

    def _cut(self, text: str, places: list[tuple[int, int, str]], quoted: bool) -> str:
        """The text with placeholders; where `quoted`, one that stands for a bare JSON number gets the quotes of a string."""
        parts: list[str] = []
        at = 0
        for begin, end, kind in places:
            start = max(begin, at)  # the same text read in two contexts may give values that overlap: the first keeps its place
            if start < end:
                placeholder = self._placeholder(kind, text[start:end])
                bare = quoted and _BEFORE_A_VALUE.search(text[:start]) and _AFTER_A_VALUE.match(text[end:])
                parts += (text[at:start], f'"{placeholder}"' if bare else placeholder)
                at = end
        return "".join(parts) + text[at:]

    def _placeholder(self, kind: str, value: str) -> str:
        if "\\" in value:  # escaped inside a JSON string: what it says is what an answer must get back
            value = Folded(value).data.decode()
        placeholder = self._named.get((kind, value))
        while placeholder is None:
            self._last[kind] += 1
            name = f"{kind.upper()}_{self._last[kind]}"
            placeholder = None if name in self._taken else f"<{name}>"
        self._named[kind, value] = placeholder
        return placeholder


def _placeholders(one: Folded) -> Iterable[str]:
    if "<" in one.text or b"<" in one.data:
        yield from PLACEHOLDER.findall(one.text)
        yield from PLACEHOLDER.findall(one.data.decode())


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
