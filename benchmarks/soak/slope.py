"""Whether a series of samples grows: Theil and Sen's slope over medians of blocks, with an interval that assumes no distribution.

P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63 (1968). Samples of a second depend on each
other, medians of blocks hardly: without blocks the interval would be too narrow, and one burst would bend a least-squares line.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

_BLOCKS = 40
_LEAST_BLOCK_S = 3.0
_Z = 1.959964  # 95 %, both sides together


class Slope(msgspec.Struct, frozen=True):
    """Growth a second, and between what it lies at 95 %. `blocks` medians went into it."""

    per_s: float
    low: float
    high: float
    blocks: int


def slope(at_s: Sequence[float], values: Sequence[float]) -> Slope:
    """The growth of values over seconds. Raises ValueError with fewer than 8 blocks of 3 seconds."""
    times, sampled = np.asarray(at_s, float), np.asarray(values, float)
    span = float(times[-1] - times[0]) if len(times) else 0.0
    length = max(_LEAST_BLOCK_S, span / _BLOCKS)
    block = ((times - times[0]) // length).astype(int) if len(times) else np.zeros(0, int)
    found = np.unique(block)
    if len(found) < 8:
        raise ValueError(f"{span:.0f} s after the warm-up are too few to see a slope in; run longer")
    x = np.array([np.median(times[block == one]) for one in found])
    y = np.array([np.median(sampled[block == one]) for one in found])
    first, second = np.triu_indices(len(x), 1)
    slopes = np.sort((y[second] - y[first]) / (x[second] - x[first]))
    n, pairs = len(x), len(slopes)
    spread = _Z * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low, high = max(0, math.floor((pairs - spread) / 2)), min(pairs - 1, math.ceil((pairs + spread) / 2))
    return Slope(float(np.median(slopes)), float(slopes[low]), float(slopes[high]), n)
