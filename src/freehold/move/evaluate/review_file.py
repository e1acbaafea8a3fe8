"""What people said, one JSON object a line after a line with the plan: ids, verdicts and probabilities, no content."""

import hashlib
import os
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from freehold.core.errors import BadSettings

Said: TypeAlias = Literal["owned", "rented", "tie", "skip"]


class ReviewPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a review is of: the digest of its score file, how many pairs it wants, and the seed of its draws."""

    scores: str
    size: int
    seed: str


class Review(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reviewer's word on one pair. `at`: Unix seconds; `left`: whose answer stood left."""

    id: str
    reviewer: str
    said: Said
    probability: float
    left: Literal["owned", "rented"]
    at: float


class ReviewFile:
    """The file beside the scores. Every word is on disk before the next pair is shown."""

    def __init__(self, path: Path, plan: ReviewPlan) -> None:
        """Opens it, or begins it with this plan. Raises BadSettings where it is of another plan, or no such file."""
        self.path = path
        self._begun = _whole_lines(path) != b""
        self.plan, self.reviews = read_reviews(path) if self._begun else (plan, [])
        if self.plan.scores != plan.scores:
            raise BadSettings(f"{path} is a review of other scores; move it away, or grade into another file")
        if self.plan != plan:
            mend = f"go on with --size {self.plan.size} --seed {self.plan.seed}, or move the file away"
            raise BadSettings(f"{path} was begun with other draws; {mend}")

    def done(self, reviewer: str) -> frozenset[str]:
        """The ids this reviewer has had."""
        return frozenset(review.id for review in self.reviews if review.reviewer == reviewer)

    def add(self, review: Review) -> None:
        """Durable when it returns. Raises BadSettings where it cannot be written."""
        lines = [review] if self._begun else [self.plan, review]
        try:
            with self.path.open("ab") as file:
                file.truncate(len(_whole_lines(self.path)))
                file.writelines(msgspec.json.encode(line) + b"\n" for line in lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise BadSettings(f"cannot write {self.path}: {error.strerror}; give it a folder with room") from None
        self._begun = True
        self.reviews.append(review)


def read_reviews(path: Path) -> tuple[ReviewPlan, list[Review]]:
    """The plan and all words. Raises BadSettings with the line."""
    number = 1
    try:
        path.stat()  # a file that is not there is told as such
        first, *rest = _whole_lines(path).splitlines() or [b""]
        plan = msgspec.json.decode(first, type=ReviewPlan)
        reviews = []
        for number, line in enumerate(rest, 2):  # noqa: B007  told where a line is none
            reviews.append(msgspec.json.decode(line, type=Review))
    except OSError as error:
        raise BadSettings(f"cannot read {path}: {error.strerror}; 'freehold review' makes it") from None
    except (ValueError, RecursionError) as error:
        raise BadSettings(f"{path}:{number}: {error}; use the file that 'freehold review' wrote") from None
    return plan, reviews


def _whole_lines(path: Path) -> bytes:
    """What is there up to the last end of a line: a line that a crash cut off was never answered for."""
    try:
        body = path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise BadSettings(f"cannot read {path}: {error.strerror}") from None
    return body[: body.rfind(b"\n") + 1]


def digest_of(path: Path) -> str:
    """Names a score file by its bytes. Raises BadSettings."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BadSettings(f"cannot read {path}: {error.strerror}; give the file that 'freehold grade' wrote") from None
