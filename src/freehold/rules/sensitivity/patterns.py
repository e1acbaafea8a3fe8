"""Compiled kinds: one RE2 set over everything that must occur for a kind to be there, and the single patterns of each."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import re2

from freehold.core.errors import BadSettings
from freehold.rules.sensitivity.checks import CHECKS
from freehold.rules.sensitivity.effort import Effort
from freehold.rules.sensitivity.expression import Expression
from freehold.rules.sensitivity.kinds import Kind

_AFTER_BYTES = 40
_BEFORE_BYTES = 24
_EDGE_BYTES = 24
_WORDS_TOO_MANY = 2  # that a pattern with spaces in it may take in after a value
_MANY_WORDS = 64  # then one search of everything costs less than one around each
_RETRIES = 8  # inside one failed match: a bound on what a hostile text can cost
_LONGEST_NEAR = 128  # bytes of the longest value that is looked for near a word
_SET_MEMORY_BYTES = 64 * 1024 * 1024
_WORD = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS = frozenset(b"0123456789")


class Span(NamedTuple):
    """Where a kind's value stands in folded bytes: places only, never the text."""

    start: int
    end: int
    kind: Kind


class Hit(NamedTuple):
    """What of a kind occurs: which of its patterns, and whether a context word."""

    patterns: list[int]
    context: bool


class Window(NamedTuple):
    """A stretch in which a value near a context word could begin, and where its words stand; None: too many to list."""

    first: int
    last: int
    words: list[tuple[int, int]] | None


class Matcher:
    """One kind, ready to search."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.patterns = [Expression(pattern, kind.name) for pattern in kind.patterns]
        self.near = [Expression(pattern, kind.name) for pattern in kind.near]
        several = "|".join(f"(?:{pattern})" for pattern in kind.near) if len(kind.near) > 1 else None
        self._any_near = Expression(several, kind.name) if several else None
        self._context = Expression(words(kind.context), kind.name) if kind.context else None
        self._unless = Expression(f"{words(kind.unless)}[^A-Za-z0-9]{{0,4}}$", kind.name) if kind.unless else None
        self._check: Callable[[str], bool] | None = CHECKS[kind.check] if kind.check else None

    def spans(self, data: bytes, hit: Hit, effort: Effort) -> Iterator[Span]:
        """Values in the data: of the patterns that hit, and where a context word did, of those that need one.

        Each near-miss takes one of the effort's; where none is left the rest of the data is not read.
        """
        for at in hit.patterns:
            yield from self._found(self.patterns[at], data, None, effort)
        if hit.context:
            for window in self._windows(data):
                end_of_search = min(len(data), window.last + _LONGEST_NEAR)
                if self._any_near is None or self._any_near.occurs(data, window.first, end_of_search):
                    for pattern in self.near:
                        yield from self._found(pattern, data, window, effort)

    def _windows(self, data: bytes) -> list[Window]:
        """The stretches around context words, without overlap; after many words, all the rest is one."""
        windows: list[Window] = []
        size, reach, at, seen = len(data), self.kind.window, 0, 0
        while self._context is not None and (match := self._context.find(data, at, size)) is not None:
            start, end, *_ = match
            first, last = max(0, start - _AFTER_BYTES - _LONGEST_NEAR), min(size, end + reach)
            if seen == _MANY_WORDS:
                first = windows.pop().first if first <= windows[-1].last else first
                return [*windows, Window(first, size, None)]
            if windows and first <= windows[-1].last:
                before = windows.pop()
                windows.append(Window(before.first, last, [*(before.words or ()), (start, end)]))
            else:
                windows.append(Window(first, last, [(start, end)]))
            at, seen = end, seen + 1
        return windows

    def _found(self, pattern: Expression, data: bytes, window: Window | None, effort: Effort) -> Iterator[Span]:
        """A match that fails its check hides no other: the search goes on one character after its start, a few times."""
        at, last = (window.first, window.last) if window else (0, len(data))
        end_of_search = min(len(data), last + _LONGEST_NEAR)
        failed, failed_end = 0, 0
        while effort.left > 0 and (match := pattern.find(data, at, end_of_search)) is not None and match[0] <= last:
            begin, finish, start, end = match
            start, end = self._checked(pattern, data, start, end, effort)
            if start < end and (window is None or self._in_context(data, start, end, window)):
                yield Span(start, end, self.kind)
                at = max(end, at + 1)
                continue
            effort.left -= 1
            failed, failed_end = (failed + 1, failed_end) if begin < failed_end else (1, finish)
            at = begin + 1 if failed < _RETRIES else max(failed_end, at + 1)

    def _checked(self, pattern: Expression, data: bytes, start: int, end: int, effort: Effort) -> tuple[int, int]:
        """The match, or what is left of it without its last words, where that is a value; an empty span where none is."""
        if self._holds(data, start, end):
            return start, end
        for _ in range(_WORDS_TOO_MANY):
            end = data.rfind(b" ", start, end)
            if end < 0 or not pattern.is_whole(data[start:end]):
                break
            if self._holds(data, start, end):
                return start, end
            effort.left -= 1
        return start, start

    def without(self, data: bytes, span: Span, taken: Span) -> Span | None:
        """What is left of a span where another kind has claimed a part, if that is a value by itself."""
        start, end = (span.start, taken.start) if span.start < taken.start else (taken.end, span.end)
        value = data[start:end].strip()
        start += data[start:end].find(value)
        end = start + len(value)
        whole = any(pattern.is_whole(value) for pattern in (*self.patterns, *self.near)) if value else False
        return Span(start, end, span.kind) if whole and self._holds(data, start, end) else None

    def _holds(self, data: bytes, start: int, end: int) -> bool:
        kind = self.kind
        if kind.edge == "number" and _inside_a_number(data, start, end):
            return False
        if self._check is not None and not self._check(data[start:end].decode(errors="replace")):
            return False
        before = data[max(0, start - _BEFORE_BYTES) : start]
        return self._unless is None or not self._unless.occurs(before, 0, len(before))

    def _in_context(self, data: bytes, start: int, end: int, window: Window) -> bool:
        """Whether a context word stands near; the value itself does not count as one."""
        reach = self.kind.window
        if window.words is not None:
            return any(0 <= start - after <= reach or 0 <= before - end <= _AFTER_BYTES for before, after in window.words)
        around = (data[max(0, start - reach) : start], data[end : end + _AFTER_BYTES])
        return self._context is not None and any(self._context.occurs(side, 0, len(side)) for side in around)


class Prefilter:
    """One pass over the data that says which kinds are worth a search."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        options = re2.Options()
        options.max_mem = _SET_MEMORY_BYTES
        options.log_errors = False
        self._set = re2.Set.SearchSet(options)
        self._members: list[tuple[int, int | None]] = []
        try:
            for index, kind in enumerate(kinds):
                for at, pattern in enumerate(kind.patterns):
                    self._set.Add(pattern)
                    self._members.append((index, at))
                if kind.near:
                    self._set.Add(words(kind.context))
                    self._members.append((index, None))
            self._set.Compile()
        except re2.error as error:
            raise BadSettings(f"the patterns of all kinds together are too large for one search: {error}") from None

    def hits(self, data: bytes) -> dict[int, Hit]:
        """The kinds that may be there, by their place in the list."""
        hits: dict[int, Hit] = {}
        for member in sorted(self._set.Match(data) or ()):
            index, at = self._members[member]
            patterns, context = hits.get(index, Hit([], False))
            hits[index] = Hit(patterns, True) if at is None else Hit([*patterns, at], context)
        return hits


def words(phrases: Sequence[str]) -> str:
    """An expression for any of the phrases as whole words; a space stands for up to two of space, `_`, `-`, `.`, `/`, `'`."""
    return f"(?i)(?:{'|'.join(_phrase(phrase) for phrase in phrases)})"


def _phrase(phrase: str) -> str:
    body = "[ _.'’/-]{0,2}".join(re2.escape(word) for word in phrase.split())
    before = r"(?:\b|_)" if ord(phrase[0]) in _WORD else ""
    after = r"(?:\b|_)" if ord(phrase[-1]) in _WORD else ""
    return f"{before}{body}{after}"


def _inside_a_number(data: bytes, start: int, end: int) -> bool:
    """Whether the value goes on beyond a dot or dash into a neighbour with a digit: a version, a UUID, a longer number."""
    if start > 0 and data[start] == 43 and data[start - 1] in _WORD:  # `U+30000020`, `x+1`
        return True
    if start > 1 and data[start - 1] in b".-" and data[start - 2] in _WORD:
        at = start - 2
        while at >= max(0, start - _EDGE_BYTES) and data[at] in _WORD:
            if data[at] in _DIGITS:
                return True
            at -= 1
    if end + 1 < len(data) and data[end] in b".-":
        if data[end] == 46:  # a dot ends a sentence unless a digit follows
            return data[end + 1] in _DIGITS
        at = end + 1
        while at < min(len(data), end + _EDGE_BYTES) and data[at] in _WORD:
            if data[at] in _DIGITS:
                return True
            at += 1
    return False
