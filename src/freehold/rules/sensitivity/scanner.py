"""Scan a request's text: which kinds of sensitive data it holds, how often, and the class that demands; never the text."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from freehold.core.data import DataClass
from freehold.rules.sensitivity.folding import folded
from freehold.rules.sensitivity.kinds import Kind, Label
from freehold.rules.sensitivity.patterns import Matcher, Prefilter, Span
from freehold.wire.content import Piece, Unscannable

_MOST = 1000


def after(piece: Piece) -> str:
    """What is read between a piece and the next: a key stands before its value as it does in JSON, and context reaches across."""
    return ": " if piece.is_key else "\n"


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence without content: how many values of each kind, the class that each label demands, and the highest.

    `unscannable` counts parts that no text can be read from; they raise nothing here and take the workload's floor.
    """

    counts: Mapping[str, int] = {}
    labels: Mapping[Label, DataClass] = {}
    data_class: DataClass = DataClass.public
    unscannable: Mapping[str, int] = {}


class Scanner:
    """All enabled kinds, compiled once. Safe to share between threads: a scan keeps no state."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        ranked = sorted((kind for kind in kinds if kind.enabled), key=lambda kind: -kind.raises_to())
        self._matchers = [Matcher(kind) for kind in ranked]
        self._prefilter = Prefilter(ranked)

    def scan(self, pieces: Iterable[Piece | Unscannable]) -> Findings:
        """What the pieces hold together. Counts stop at 1,000 a kind."""
        parts: list[str] = []
        unscannable: Counter[str] = Counter()
        for piece in pieces:
            if isinstance(piece, Piece):
                parts += (piece.text, after(piece))
            else:
                unscannable[piece.kind] += 1
        found = self.spans(folded("".join(parts)), most=_MOST)
        labels: dict[Label, DataClass] = {}
        for kind in {span.kind.name: span.kind for span in found}.values():
            labels[kind.label] = max(labels.get(kind.label, DataClass.public), kind.raises_to())
        return Findings(
            counts=dict(Counter(span.kind.name for span in found)),
            labels=labels,
            data_class=max(labels.values(), default=DataClass.public),
            unscannable=dict(unscannable),
        )

    def spans(self, data: bytes, most: int | None = None) -> list[Span]:
        """Where values stand in folded bytes, in order and without overlap; at most `most` a kind.

        Where two kinds claim the same bytes, the one of the higher class keeps them, then the one listed first; what is left of
        the other counts if it is a value by itself.
        """
        hits = self._prefilter.hits(data)
        taken: list[Span] = []
        for index in sorted(hits):
            count = 0
            matcher = self._matchers[index]
            for span in matcher.spans(data, hits[index]):
                if (other := _claim(taken, span)) is not None:
                    rest = matcher.without(data, span, other)
                    if rest is None or _claim(taken, rest) is not None:
                        continue
                count += 1
                if count == most:
                    break
        return taken


def _claim(taken: list[Span], span: Span) -> Span | None:
    """Put the span in its place among those taken; the one that overlaps it, if there is one, and it is left out."""
    at = bisect_left(taken, span.start, key=lambda other: other.start)
    if at and taken[at - 1].end > span.start:
        return taken[at - 1]
    if at < len(taken) and taken[at].start < span.end:
        return taken[at]
    taken.insert(at, span)
    return None
