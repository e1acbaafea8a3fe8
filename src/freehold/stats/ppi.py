"""Prediction-powered inference: the mean of labels that only a few cases have, helped by predictions that all cases have.

Each case was labelled with a known probability, by a draw of its own. The predictions may be as wrong as they like: what they
miss is estimated from the labels. Angelopoulos, Duchi & Zrnic, "PPI++: Efficient prediction-powered inference", 2023 (the weight
of the predictions); Zrnic & Candès, "Active statistical inference", ICML 2024 (unequal probabilities).
"""

import math
from statistics import NormalDist

import msgspec
import numpy as np
from numpy.typing import NDArray

FEWEST = 20  # labels below which a normal interval would promise too much


class PoweredMean(msgspec.Struct, frozen=True):
    """A mean with the ends of its interval. `weight`: how far the predictions were used, 0 (not at all) to 1; `worth`: how many
    times as many labels alone would have given an interval as narrow."""

    mean: float
    low: float
    high: float
    labels: int
    weight: float
    worth: float


def powered_mean(
    predicted: NDArray[np.float64], labels: NDArray[np.float64], probability: NDArray[np.float64], level: float = 0.95
) -> PoweredMean | None:
    """The mean label of all cases; `labels` are nan where there is none, `probability` is that of having one, above 0.

    The interval holds as labels grow. None with fewer than twenty labels. Raises ValueError on a probability that cannot be.
    """
    if not np.all((probability > 0) & (probability <= 1)):
        raise ValueError("each probability of a label is above 0 and at most 1")
    seen = ~np.isnan(labels)
    count, cases = int(seen.sum()), len(labels)
    if count < FEWEST:
        return None
    stands_for = seen / probability
    known, whole = np.where(seen, labels, 0.0), float(stands_for.sum())
    alone, guessed, all_guessed = (
        float(stands_for @ known) / whole,
        float(stands_for @ predicted) / whole,
        float(predicted.mean()),
    )
    residual = stands_for * (known - alone)
    helped = stands_for * (predicted - guessed) - (predicted - all_guessed)
    spread = float(helped @ helped)
    weight = min(1.0, max(0.0, float(residual @ helped) / spread)) if spread > 0 else 0.0
    mean = alone - weight * (guessed - all_guessed)
    terms = residual - weight * helped
    error = float(terms.std()) / math.sqrt(cases)
    error *= math.sqrt(count / (count - 2))  # mean and weight were taken from the labels themselves
    reach = NormalDist().inv_cdf((1 + level) / 2) * error
    worth = float(residual.var() / terms.var()) if terms.var() > 0 else 1.0
    return PoweredMean(mean, mean - reach, mean + reach, count, weight, worth)
