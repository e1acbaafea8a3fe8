"""Bands against made-up series and against the public two-week series."""

import csv
import gzip
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from freehold.stats.seasonal import DAY, WEEK, Backtest, backtest, season_of, seasonal_naive

TRACES = Path(__file__).parents[2].parent / "shared" / "data" / "traces"


def daily(days: int, noise: float = 0.1, seed: int = 1) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    wave = 2 + np.sin(np.arange(days * DAY) / DAY * 2 * np.pi)
    return np.asarray(100 * wave * random.lognormal(0, noise, days * DAY), dtype=np.float64)


@pytest.mark.parametrize(("hours", "season"), [(1, None), (47, None), (48, DAY), (300, DAY), (336, WEEK), (333, WEEK)])
def test_the_season_is_what_was_seen_twice(hours: int, season: int | None) -> None:
    assert season_of(hours) == season


def test_a_strict_week_is_repeated_without_a_band() -> None:
    week = np.arange(1.0, WEEK + 1)
    bands = seasonal_naive(np.tile(week, 3), 2 * WEEK)
    for values in (bands.point, bands.low80, bands.high80, bands.low95, bands.high95):
        assert values == pytest.approx(np.tile(week, 2))


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=400), st.integers(1, 400))
def test_bands_hold_the_point_and_each_other(seen: list[float], ahead: int) -> None:
    bands = seasonal_naive(np.array(seen), ahead)
    slack = 1e-6 * (1 + bands.high95)
    order = (bands.low95, bands.low80, bands.point, bands.high80, bands.high95)
    for lower, upper in pairwise(order):
        assert len(lower) == ahead
        assert (lower <= upper + slack).all()
    assert (bands.low95 >= 0).all()


def test_bands_widen_with_the_days_ahead() -> None:
    bands = seasonal_naive(daily(5), 3 * DAY)
    ratio = (bands.high80 / bands.low80).reshape(3, DAY).mean(axis=1)
    assert ratio[0] < ratio[1] < ratio[2]


def test_a_noisier_past_gives_wider_bands() -> None:
    calm, wild = (seasonal_naive(daily(6, noise), DAY) for noise in (0.05, 0.4))
    assert float((wild.high80 / wild.low80).mean()) > float((calm.high80 / calm.low80).mean())


def test_steady_noise_is_covered_as_promised() -> None:
    found = backtest(daily(60, 0.2))
    assert found is not None
    assert found.hours == 58 * DAY
    assert 0.75 <= found.covered <= 0.88


def test_less_than_half_a_day_cannot_be_tested() -> None:
    assert backtest(np.ones(11)) is None
    assert backtest(np.ones(12)) == Backtest(hours=6, covered=1.0, score=1.5)


def served(name: str) -> NDArray[np.float64]:
    """Requests per second by the hour, from the series' ten-minute windows."""
    with gzip.open(TRACES / f"servegen_{name}_rate.csv.gz", "rt") as file:
        rates = np.array([float(row["rate_rps"]) for row in csv.DictReader(file)])
    return np.asarray(rates.reshape(-1, 6).mean(axis=1), dtype=np.float64)


@pytest.mark.skipif(not TRACES.exists(), reason="the public traces are not beside this checkout")
@pytest.mark.parametrize("name", ["m-large", "m-mid", "m-small"])
def test_80_percent_bands_cover_65_to_92_percent_of_each_two_week_series(name: str) -> None:
    found = backtest(served(name))
    assert found is not None
    assert found.hours == 12 * DAY
    assert 0.65 <= found.covered <= 0.92
    assert found.score < 3


@pytest.mark.skipif(not TRACES.exists(), reason="the public traces are not beside this checkout")
def test_and_of_all_five_series_together() -> None:
    tested = [found for name in ("m-large", "m-mid", "m-small", "deepseek-r1", "mm-image") if (found := backtest(served(name)))]
    assert len(tested) == 5
    assert 0.65 <= sum(t.covered * t.hours for t in tested) / sum(t.hours for t in tested) <= 0.92
