"""Evidence about a mean that may be looked at after every sample: betting e-processes and the confidence sequences they give.

Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 86(1), 2024. Every bet starts with a
wealth of 1 and stakes a fixed share of the most it can lose without ruin. Where the mean is not beyond the threshold, the mean
wealth of all bets is a nonnegative supermartingale, so it ever reaches 1/alpha with probability alpha at most (Ville, 1939).
"""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

# Shares of the largest safe bet. Small ones win where samples often differ, large ones where they seldom do.
BETS = (0.02, 0.06, 0.1, 0.14, 0.18, 0.24, 0.33, 0.45, 0.65, 0.9)
FEWEST_ASYMPTOTIC = 30

_BETS = np.array(BETS)[:, None]
_STEPS = 1000  # the display counts samples in steps of a thousandth
_NEAR = 1e-6  # how near the display comes to the end of what is excluded


class Sequence(msgspec.Struct):
    """What numbers in [bottom, top] have shown of their mean against a threshold inside it. All of it is state: as JSON and back
    it goes on bit for bit.

    `above` and `below` are the logarithms of each bet's wealth, `most_above` and `most_below` the greatest logarithm of the mean
    wealth so far. `seen` counts samples by twice their thousandths (odd: between two), `low` and `high` are the bounds so far.
    """

    threshold: float
    bottom: float = -1.0
    top: float = 1.0
    samples: int = 0
    total: float = 0.0
    squares: float = 0.0
    above: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(BETS))
    below: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(BETS))
    most_above: float = 0.0
    most_below: float = 0.0
    seen: dict[int, int] = {}
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not self.bottom < self.threshold < self.top:
            raise ValueError(f"the threshold {self.threshold} is not inside {self.bottom} to {self.top}")
        self.low, self.high = max(self.low, self.bottom), min(self.high, self.top)

    @property
    def mean(self) -> float:
        """Of the samples; 0 before the first."""
        return self.total / self.samples if self.samples else 0.0

    def add(self, value: float) -> None:
        """Take one more sample. Raises ValueError outside [bottom, top], for then the bets would not be safe."""
        if not self.bottom <= value <= self.top:
            raise ValueError(f"the sample {value} is not in {self.bottom} to {self.top}")
        self.samples += 1
        self.total += value
        self.squares += value * value
        beyond = value - self.threshold
        won, lost = beyond / (self.threshold - self.bottom), -beyond / (self.top - self.threshold)
        for place, bet in enumerate(BETS):
            self.above[place] += math.log1p(bet * won)
            self.below[place] += math.log1p(bet * lost)
        self.most_above = _greater(self.most_above, self.above)
        self.most_below = _greater(self.most_below, self.below)
        # Rounding first: a difference such as 0.3 - 0.2 is a tenth in all but its last bit.
        at = round((value - self.bottom) * _STEPS, 6)
        key = math.floor(at) + math.ceil(at)
        self.seen[key] = self.seen.get(key, 0) + 1

    def bounds(self, alpha: float) -> tuple[float, float]:
        """The low and high end that the same bets give: each stays on its side of the mean forever with probability 1 - alpha.

        For each candidate mean the bets run as if it were the threshold; excluded is where they have reached 1/alpha. Samples are
        rounded outwards to a thousandth, ends come from bisection, and nothing once excluded by `tighten` comes back.
        """
        span = self.top - self.bottom
        counts = np.array(list(self.seen.values()), dtype=np.float64)
        keys = np.array(list(self.seen), dtype=np.int64)
        from_bottom, from_top = keys // 2 / _STEPS, np.maximum(0.0, span - (keys + 1) // 2 / _STEPS)
        needed = -math.log(alpha)
        low = _furthest(from_bottom, counts, self.low - self.bottom, needed)
        high = _furthest(from_top, counts, self.top - self.high, needed)
        return self.bottom + low, self.top - high

    def tighten(self, alpha: float) -> None:
        """Keep the bounds as they are now. All calls on one sequence use one alpha."""
        self.low, self.high = self.bounds(alpha)

    def asymptotic_bounds(self, alpha: float, tuned_for: int) -> tuple[float, float] | None:
        """Ends that hold together with probability 1 - 2 alpha as samples grow, in closed form: for display, never to decide.

        Tightest around `tuned_for` samples. None below thirty samples, or while all are alike. Waudby-Smith, Arbour, Sinha,
        Kennedy & Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics
        52(6), 2024.
        """
        n, mean = self.samples, self.mean
        variance = self.squares / n - mean * mean if n >= FEWEST_ASYMPTOTIC else 0.0
        if variance <= 1e-12:
            return None
        spent = -2 * math.log(2 * alpha)
        scaled = n * (spent + math.log(spent) + 1) / tuned_for + 1
        wide = math.sqrt(variance * 2 * scaled / (n * (scaled - 1)) * math.log(math.sqrt(scaled) / (2 * alpha)))
        return max(self.bottom, mean - wide), min(self.top, mean + wide)


def _greater(most: float, logs: list[float]) -> float:
    """Whichever is more, `most` or the logarithm of the mean, which is worked out only where the best bet is ahead of `most`."""
    return max(most, _log_mean(logs)) if max(logs) > most else most


def _log_mean(logs: list[float]) -> float:
    """The logarithm of the mean of numbers given by their logarithms."""
    most = max(logs)
    return most + math.log(sum(math.exp(log - most) for log in logs) / len(logs))


def _furthest(values: NDArray[np.float64], counts: NDArray[np.float64], excluded: float, needed: float) -> float:
    """The largest candidate mean of these numbers from 0 up that is excluded from below, at least what was before.

    A bet's wealth falls as the candidate rises, so what is excluded is one piece; at the samples' own mean it is at most 1.
    """
    open_ = float(values @ counts / counts.sum()) if len(values) else excluded
    while open_ - excluded > _NEAR:
        mean = (excluded + open_) / 2
        logs = np.log1p(_BETS * (values / mean - 1)) @ counts
        if _log_mean(logs.tolist()) >= needed:
            excluded = mean
        else:
            open_ = mean
    return excluded
