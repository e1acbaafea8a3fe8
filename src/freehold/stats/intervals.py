"""Central intervals of draws, and how good intervals were once the truth is known."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


class Interval(NamedTuple):
    """Quantiles of a figure: 95 % of the draws lie in p2_5 to p97_5, 80 % in p10 to p90."""

    p2_5: float
    p10: float
    p50: float
    p90: float
    p97_5: float


def interval(values: NDArray[np.float64]) -> Interval:
    """Each quantile is one of the values, so that infinite ones (never) stay what they are."""
    return Interval(*(float(q) for q in np.quantile(values, LEVELS, method="inverted_cdf")))


def interval_score(low: NDArray[np.float64], high: NDArray[np.float64], seen: NDArray[np.float64], level: float) -> float:
    """Mean interval score: the width, plus 2 / (1 - level) times by how much the truth was missed. Smaller is better.

    Gneiting & Raftery, "Strictly proper scoring rules, prediction, and estimation", JASA 102(477), 2007, equation 43.
    """
    missed = np.maximum(0.0, low - seen) + np.maximum(0.0, seen - high)
    return float((high - low + 2 / (1 - level) * missed).mean())


def coverage(low: NDArray[np.float64], high: NDArray[np.float64], seen: NDArray[np.float64]) -> float:
    """The share (0-1) of the truth that lay inside."""
    return float(((low <= seen) & (seen <= high)).mean())
