"""Seasonal-naive forecasts of an hourly series with bands from the errors it made so far, and their back-test.

The same hour a season ago is the forecast; bands widen with the square root of the seasons ahead. Hyndman & Athanasopoulos,
"Forecasting: Principles and Practice", 3rd edition (2021), sections 5.2 and 5.5; back-test as in 5.10.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from freehold.stats.intervals import coverage, interval_score

Floats = NDArray[np.float64]

DAY, WEEK = 24, 168
# Bands where no season was seen twice, as factors around the mean.
UNSEEN_80, UNSEEN_95 = 2.0, 3.0
# Logarithms of hours that may be empty: this share of the mean is added first.
_OFFSET = 0.05


@dataclass(frozen=True)
class Bands:
    """One value per hour ahead, in the series' own unit."""

    point: Floats
    low80: Floats
    high80: Floats
    low95: Floats
    high95: Floats


@dataclass(frozen=True)
class Backtest:
    """How the 80 % bands of past days did on the day after each: share covered, and interval score in means of the series."""

    hours: int
    covered: float
    score: float


def season_of(hours: int) -> int | None:
    """Hour of the week from two weeks on (less one in a hundred hours), hour of the day from two days on, else none."""
    return next((season for season in (WEEK, DAY) if hours >= 1.98 * season), None)


def seasonal_naive(seen: Floats, ahead: int) -> Bands:
    """The next `ahead` hours after those seen (at least one)."""
    season = season_of(len(seen))
    if season is None:
        return _flat(seen, ahead)
    offset = _OFFSET * float(seen.mean()) + 1e-12
    logs = np.log(seen + offset)
    step = np.arange(ahead)
    last = logs[len(logs) - season + step % season]
    widening = np.sqrt(step // season + 1.0)

    def band(share: float) -> Floats:
        ends: Floats = np.maximum(0.0, np.exp(last + error_quantile(logs, season, share) * widening) - offset)
        return ends

    return Bands(np.maximum(0.0, np.exp(last) - offset), band(0.1), band(0.9), band(0.025), band(0.975))


def error_quantile(logs: Floats, season: int, share: float) -> float:
    """A quantile of the changes from one season to the next, on the side of zero that its share (0-1) says.

    Errors of one season move together, so n seasons of them are n observations: the quantile is widened by 1 + 1/n.
    """
    changes = logs[season:] - logs[:-season]
    found = float(np.quantile(changes, share)) * (1 + season / len(changes))
    return min(found, 0.0) if share < 0.5 else max(found, 0.0)


def backtest(seen: Floats, ahead: int = DAY) -> Backtest | None:
    """Forecast each day from the hours before it, from the third day on; the rest of the first day from its half where there is
    less. None below half a day."""
    starts = list(range(2 * DAY, len(seen) - ahead + 1, ahead)) or ([len(seen) // 2] if len(seen) >= DAY // 2 else [])
    if not starts:
        return None
    low, high, truth = [], [], []
    for start in starts:
        after = seen[start : start + ahead]
        bands = seasonal_naive(seen[:start], len(after))
        low.append(bands.low80)
        high.append(bands.high80)
        truth.append(after)
    lows, highs, seen_after = np.concatenate(low), np.concatenate(high), np.concatenate(truth)
    score = interval_score(lows, highs, seen_after, 0.8) / max(float(seen.mean()), 1e-12)
    return Backtest(len(seen_after), coverage(lows, highs, seen_after), score)


def _flat(seen: Floats, ahead: int) -> Bands:
    mean = float(seen.mean())
    ends = (
        mean,
        min(mean / UNSEEN_80, float(np.quantile(seen, 0.1))),
        max(mean * UNSEEN_80, float(np.quantile(seen, 0.9))),
        min(mean / UNSEEN_95, float(np.quantile(seen, 0.025))),
        max(mean * UNSEEN_95, float(np.quantile(seen, 0.975))),
    )
    return Bands(*(np.full(ahead, end) for end in ends))
