"""How far two raters agree beyond chance."""

from collections.abc import Hashable, Sequence

FAIR = 0.6  # below it, what one rater says is no stand-in for what another would


def cohen_kappa(pairs: Sequence[tuple[Hashable, Hashable]], weights: Sequence[float] | None = None) -> float | None:
    """1: always the same word, 0: as often as chance would have it; None: chance alone would always agree, or nothing was rated.

    `weights`: how many cases each pair stands for, where some were more likely to be rated than others. J. Cohen, "A coefficient
    of agreement for nominal scales", Educational and Psychological Measurement 20(1), 1960.
    """
    given = [1.0] * len(pairs) if weights is None else weights
    whole = sum(given)
    if whole <= 0:
        return None
    by_first: dict[Hashable, float] = {}
    by_second: dict[Hashable, float] = {}
    agreed = 0.0
    for (one, other), weight in zip(pairs, given, strict=True):
        by_first[one] = by_first.get(one, 0.0) + weight / whole
        by_second[other] = by_second.get(other, 0.0) + weight / whole
        agreed += weight / whole if one == other else 0.0
    chance = sum(share * by_second.get(word, 0.0) for word, share in by_first.items())
    return None if chance >= 1 - 1e-12 else (agreed - chance) / (1 - chance)
