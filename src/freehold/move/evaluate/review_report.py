"""What a review shows: how far people agree, how far the graders agree with people, and how often the owned model wins."""

from collections.abc import Sequence
from itertools import combinations

import msgspec
import numpy as np

from freehold.move.evaluate.pair_file import ScoredPair
from freehold.move.evaluate.review_file import Review, Said
from freehold.move.evaluate.review_plan import Item
from freehold.move.evaluate.suite import JUDGE
from freehold.stats.kappa import FAIR, cohen_kappa
from freehold.stats.ppi import PoweredMean, powered_mean

_WORTH: dict[Said, float] = {"owned": 1.0, "tie": 0.5, "rented": 0.0}


class Kappa(msgspec.Struct, frozen=True):
    """Cohen's kappa of two raters over the pairs both rated; None where it is not defined."""

    one: str
    other: str
    pairs: int
    kappa: float | None

    @property
    def low(self) -> bool:
        """Whether one is no stand-in for the other."""
        return self.kappa is not None and self.kappa < FAIR


class ReviewReport(msgspec.Struct, frozen=True):
    """`graded_win_rate` is what the graders alone say; `win_rate` is that of people, with the graders' help, of all pairs.

    A win is 1, a tie 0.5. `chosen`: pairs in the queue, `reviewed`: those somebody gave a verdict on, `skipped`: nobody did.
    """

    pairs: int
    chosen: int
    reviewed: int
    skipped: int
    kappas: tuple[Kappa, ...]
    graded_win_rate: float
    win_rate: PoweredMean | None


def report(pairs: Sequence[ScoredPair], items: Sequence[Item], reviews: Sequence[Review]) -> ReviewReport:
    """The items are those chosen from these pairs; reviews of anything else do not count."""
    chance = {item.id: item.probability for item in items}
    told = [review for review in reviews if review.id in chance and review.said != "skip"]
    by_reviewer: dict[str, dict[str, Said]] = {}
    for review in told:
        by_reviewer.setdefault(review.reviewer, {})[review.id] = review.said
    reviewed = {review.id for review in told}
    skipped = {review.id for review in reviews if review.id in chance} - reviewed
    return ReviewReport(
        pairs=len(pairs), chosen=len(items), reviewed=len(reviewed), skipped=len(skipped),
        kappas=(*_between(by_reviewer), *_with_grading(by_reviewer, pairs, chance)),
        graded_win_rate=float(np.mean([_WORTH[_graded(pair)] for pair in pairs])),
        win_rate=_win_rate(pairs, chance, by_reviewer),
    )  # fmt: skip


def _between(by_reviewer: dict[str, dict[str, Said]]) -> list[Kappa]:
    found = []
    for one, other in combinations(sorted(by_reviewer), 2):
        both = sorted(by_reviewer[one].keys() & by_reviewer[other].keys())
        words = [(by_reviewer[one][ident], by_reviewer[other][ident]) for ident in both]
        found.append(Kappa(one, other, len(both), cohen_kappa(words)))
    return found


def _with_grading(by_reviewer: dict[str, dict[str, Said]], pairs: Sequence[ScoredPair], chance: dict[str, float]) -> list[Kappa]:
    """Each reviewer against the judge, or the suite where there is none; every pair stands for as many as it was likely."""
    graded = {pair.id: _graded(pair) for pair in pairs}
    name = JUDGE if any(JUDGE in pair.graders for pair in pairs) else "suite"
    found = []
    for reviewer in sorted(by_reviewer):
        said = by_reviewer[reviewer]
        words = [(graded[ident], said[ident]) for ident in said]
        found.append(Kappa(name, reviewer, len(words), cohen_kappa(words, [1 / chance[ident] for ident in said])))
    return found


def _win_rate(
    pairs: Sequence[ScoredPair], chance: dict[str, float], by_reviewer: dict[str, dict[str, Said]]
) -> PoweredMean | None:
    """The queue is in random order, so what is done of it is a uniform part of what was chosen."""
    worth: dict[str, list[float]] = {}
    for said in by_reviewer.values():
        for ident, word in said.items():
            worth.setdefault(ident, []).append(_WORTH[word])
    if not worth:
        return None
    done = len(worth) / len(chance)
    labels = [float(np.mean(worth[pair.id])) if pair.id in worth else np.nan for pair in pairs]
    chances = [chance.get(pair.id, 1.0) for pair in pairs]  # of one that was not chosen nothing is made
    graded = [_WORTH[_graded(pair)] for pair in pairs]
    return powered_mean(np.array(graded), np.array(labels), np.array(chances) * done)


def _graded(pair: ScoredPair) -> Said:
    """Whose answer the judge prefers, or the suite as a whole where there is none."""
    marks = pair.graders.get(JUDGE)
    owned, rented = (pair.owned, pair.rented) if marks is None else (marks.owned.value, marks.rented.value)
    return "owned" if owned > rented else "rented" if rented > owned else "tie"
