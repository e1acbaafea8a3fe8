"""Answered pairs in, scored pairs out, one JSON object a line. What is written for the gate holds no content."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from freehold.core.errors import BadSettings
from freehold.move.evaluate.judge import Opinion
from freehold.move.evaluate.sample import Reply
from freehold.move.evaluate.suite import JUDGE, Marks, Suite
from freehold.move.evaluate.suite_file import reply_given
from freehold.move.migration.pair import Harm, Share

_T = TypeVar("_T")
_LINE = '{"request": {...}, "owned": "...", "rented": "...", "reference": "..."}'


class AnsweredPair(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request with both answers; a text stands for an answer of nothing else, null for none. `guardrails`: harms that were
    measured elsewhere, such as latency; they go on to the gate as they are. `subject`: whom it is about, for erasure."""

    request: msgspec.Raw
    owned: str | Reply | None
    rented: str | Reply | None
    reference: str | Reply | None = None
    id: str | None = None
    slice: str | None = None
    guardrails: dict[str, Harm] = {}
    subject: str | None = None

    def replies(self) -> tuple[Reply | None, Reply | None, Reply | None]:
        """Owned, rented and the reference."""
        owned, rented, reference = (
            None if one is None else reply_given(one) for one in (self.owned, self.rented, self.reference)
        )
        return owned, rented, reference

    def digest(self) -> str:
        """Names exactly this content and whom it is about, whatever its id: 24 hex digits."""
        told = [msgspec.json.decode(self.request), self.owned, self.rented, self.reference, self.subject]
        canonical = msgspec.json.encode(told, order="sorted")
        return hashlib.sha256(canonical).hexdigest()[:24]


class JudgeSaid(msgspec.Struct, frozen=True):
    """Which judge, with which words, as one digest; whether its verdict turned with the order."""

    target: str
    digest: str
    turned: bool


class ScoredPair(msgspec.Struct, frozen=True, kw_only=True):
    """A line that `freehold gate` reads, with all that led to it. `content`: where the pair is kept, if it is; `lengths`: of the
    owned and the rented answer in characters, by which a judge's liking for length shows."""

    id: str
    owned: Share
    rented: Share
    slice: str | None = None
    guardrails: dict[str, Harm] = {}
    suite: str
    graders: dict[str, Marks]
    judge: JudgeSaid | None = None
    lengths: tuple[int, int] = (0, 0)
    content: str


def scored(ident: str, pair: AnsweredPair, suite: Suite, marks: dict[str, Marks], opinion: Opinion | None) -> ScoredPair:
    """The line for one graded pair, by which it is known."""
    owned, rented = suite.totals(marks, opinion)
    said = None
    if opinion is not None and suite.judge is not None:
        marks = marks | {JUDGE: Marks(opinion.owned, opinion.rented)}
        said = JudgeSaid(suite.judge.target, suite.judge.digest, opinion.turned)
    first, second, _ = pair.replies()
    return ScoredPair(
        id=ident, owned=owned, rented=rented, slice=pair.slice,
        guardrails=dict(pair.guardrails) | suite.harms(marks), suite=suite.digest, graders=marks, judge=said,
        lengths=(len(first.text) if first else 0, len(second.text) if second else 0), content=content_id(pair),
    )  # fmt: skip


def content_id(pair: AnsweredPair) -> str:
    """The id under which the content store holds a pair for review."""
    return f"pair:{pair.digest()}"


def read_answered(path: Path) -> Iterator[tuple[int, AnsweredPair]]:
    """Line numbers from 1 with their pairs; empty lines are passed over. Raises BadSettings with the line."""
    return _read(path, AnsweredPair, _LINE)


def read_scored(path: Path) -> Iterator[tuple[int, ScoredPair]]:
    """What `freehold grade` wrote. Raises BadSettings with the line."""
    return _read(path, ScoredPair, "those that 'freehold grade' writes")


def _read(path: Path, kind: type[_T], like: str) -> Iterator[tuple[int, _T]]:
    decoder = msgspec.json.Decoder(kind)
    found = False
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    found = True
                    yield number, decoder.decode(line)
    except OSError as error:
        raise BadSettings(f"cannot read {path}: {error.strerror}; give a file with lines like {like}") from None
    except (ValueError, RecursionError) as error:
        raise BadSettings(f"{path}:{number}: {error}; use lines like {like}") from None
    if not found:
        raise BadSettings(f"{path} has no pairs; give lines like {like}")
