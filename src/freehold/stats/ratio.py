"""By how much a mean or a share changed between two samples, less what chance explains."""

import math

import msgspec


class Sample(msgspec.Struct, frozen=True):
    """Numbers, summed up: how many, their total, and the total of their squares."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0


def sure_change(now: Sample, before: Sample, errors: float) -> float:
    """The ratio of two means of positive numbers, larger over smaller, moved towards 1 by so many standard errors; at least 1.

    The error is that of the logarithm of the ratio (delta method). A sample without a positive mean shows no change: 1.
    """
    pair = (now, before)
    if any(s.count < 1 or s.total <= 0 for s in pair):
        return 1.0
    return _towards_one(abs(math.log(_mean(now) / _mean(before))), math.hypot(*map(_relative_error, pair)), errors)


def sure_increase(now: tuple[int, int], before: tuple[int, int], errors: float) -> float:
    """By how many times a share grew, moved towards 1 by so many standard errors; at least 1. Each pair: hits, out of how many.

    Half a hit is added to both (Walter's estimate of a ratio of shares), so that none at all before is no division by zero.
    """
    shares = [(hits + 0.5) / (count + 0.5) for hits, count in (now, before)]
    error = math.hypot(*(math.sqrt(1 / (hits + 0.5) - 1 / (count + 0.5)) for hits, count in (now, before)))
    return _towards_one(math.log(shares[0] / shares[1]), error, errors)


def _towards_one(log_ratio: float, error: float, errors: float) -> float:
    return math.exp(max(0.0, log_ratio - errors * error))


def _mean(sample: Sample) -> float:
    return sample.total / sample.count


def _relative_error(sample: Sample) -> float:
    """The standard error of the mean over the mean; the spread is that of the sample itself."""
    mean = _mean(sample)
    variance = max(0.0, sample.squares / sample.count - mean * mean)
    return math.sqrt(variance / sample.count) / mean
