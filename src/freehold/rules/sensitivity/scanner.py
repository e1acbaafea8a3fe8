"""Scan a request's text: which kinds of sensitive data it holds, how often, and the class that demands; never the text."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from freehold.core.data import DataClass
from freehold.rules.sensitivity.effort import Effort
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

    `unscannable` counts what could not be read: parts that hold no text, which raise nothing here and take the workload's floor,
    and kinds whose search was given up, whose labels count as found. `unplaced` are the labels among all of which not every
    value's place is known, so that placeholders cannot hide them. `opinions` says what second opinions added; `feared` are labels
    that one without an answer might have given, `refused` those without which nothing may be sent.
    """

    counts: Mapping[str, int] = {}
    labels: Mapping[Label, DataClass] = {}
    data_class: DataClass = DataClass.public
    unscannable: Mapping[str, int] = {}
    unplaced: Mapping[Label, DataClass] = {}
    opinions: Mapping[str, int] = {}
    feared: Mapping[Label, DataClass] = {}
    refused: tuple[str, ...] = ()

    def with_unplaced(self, more: Mapping[Label, DataClass]) -> "Findings":
        """These and labels of which no place is known: nothing is taken away."""
        labels = higher(self.labels, more)
        return msgspec.structs.replace(
            self,
            labels=labels,
            data_class=max(labels.values(), default=DataClass.public),
            unplaced=higher(self.unplaced, more),
        )


def higher(labels: Mapping[Label, DataClass], more: Mapping[Label, DataClass]) -> dict[Label, DataClass]:
    """All labels of both, each with the higher class."""
    both = {**labels, **more}
    return {label: max(own, labels.get(label, own)) for label, own in both.items()}


_NOTHING = Findings()


class Reading(NamedTuple):
    """Where values stand, in order and without overlap, and the kinds whose search was given up before the end."""

    spans: list[Span]
    unread: list[Kind]


class Scanner:
    """All enabled kinds, compiled once. Safe to share between threads: a scan keeps no state."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        ranked = sorted((kind for kind in kinds if kind.enabled), key=lambda kind: -kind.raises_to())
        self._matchers = [Matcher(kind) for kind in ranked]
        self._prefilter = Prefilter(ranked)

    def scan(self, pieces: Iterable[Piece | Unscannable]) -> Findings:
        """What the pieces hold together. Counts stop at 1,000 a kind."""
        parts: list[str] = []
        unscannable: list[str] = []
        for piece in pieces:
            if isinstance(piece, Piece):
                parts += (piece.text, after(piece))
            else:
                unscannable.append(piece.kind)
        spans, unread = self.read(folded("".join(parts)), most=_MOST)
        if not (spans or unread or unscannable):
            return _NOTHING
        found = {span.kind.name: span.kind for span in spans}.values()
        placed = Findings(
            counts=dict(Counter(span.kind.name for span in spans)),
            labels=_labels(found),
            data_class=max((kind.raises_to() for kind in found), default=DataClass.public),
            unscannable=dict(Counter((*unscannable, *(kind.name for kind in unread)))),
        )
        return placed.with_unplaced(_labels(unread)) if unread else placed

    def read(self, data: bytes, most: int | None = None) -> Reading:
        """Where values stand in folded bytes, at most `most` a kind.

        Where two kinds claim the same bytes, the one of the higher class keeps them, then the one listed first; what is left of
        the other counts if it is a value by itself.
        """
        hits = self._prefilter.hits(data)
        if not hits:
            return Reading([], [])
        effort = Effort(len(data))
        claims = _Claims()
        unread: list[Kind] = []
        for index in sorted(hits):
            count = 0
            matcher = self._matchers[index]
            for span in matcher.spans(data, hits[index], effort):
                if (other := claims.other(span)) is not None:
                    rest = matcher.without(data, span, other)
                    if rest is None or claims.other(rest) is not None:
                        continue
                count += 1
                if count == most:
                    break
            if effort.left <= 0:
                unread.append(matcher.kind)
        return Reading(claims.spans, unread)


def _labels(kinds: Iterable[Kind]) -> dict[Label, DataClass]:
    labels: dict[Label, DataClass] = {}
    for kind in kinds:
        labels[kind.label] = max(labels.get(kind.label, DataClass.public), kind.raises_to())
    return labels


class _Claims:
    """The places taken so far, in order."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._starts: list[int] = []

    def other(self, span: Span) -> Span | None:
        """Put the span in its place; the one that overlaps it, if there is one, and it is left out."""
        at = bisect_left(self._starts, span.start)
        if at and self.spans[at - 1].end > span.start:
            return self.spans[at - 1]
        if at < len(self.spans) and self._starts[at] < span.end:
            return self.spans[at]
        self.spans.insert(at, span)
        self._starts.insert(at, span.start)
        return None
