"""Prediction-powered means against closed forms, and how often their interval holds the truth."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from freehold.stats.ppi import FEWEST, PoweredMean, powered_mean

CASES, RUNS = 1000, 400


def found(predicted: NDArray[np.float64], labels: NDArray[np.float64], chance: NDArray[np.float64]) -> PoweredMean:
    mean = powered_mean(predicted, labels, chance)
    assert mean is not None
    return mean


def test_predictions_that_say_nothing_leave_the_mean_of_the_labels() -> None:
    labels = np.array([1.0] * 30 + [0.0] * 10 + [np.nan] * 60)
    mean = found(np.full(100, 0.5), labels, np.full(100, 0.4))
    assert (mean.mean, mean.labels, mean.weight, mean.worth) == (0.75, 40, 0.0, 1.0)
    error = math.sqrt(0.4 * (0.75 * 0.25 / 0.4**2) / 100 * 40 / 38)
    assert mean.high - mean.mean == pytest.approx(1.959964 * error, rel=1e-6)
    assert mean.mean - mean.low == pytest.approx(mean.high - mean.mean)


def test_perfect_predictions_give_the_truth() -> None:
    draws = np.random.default_rng(3)
    truth = (draws.random(2000) < 0.3).astype(float)
    labels = np.where(draws.random(2000) < 0.1, truth, np.nan)
    mean = found(truth, labels, np.full(2000, 0.1))
    assert mean.mean == pytest.approx(truth.mean(), abs=0.01)
    assert mean.worth > 5
    assert mean.weight > 0.9


def test_with_all_labels_it_is_their_mean() -> None:
    labels = np.array([0.0, 1.0, 0.5, 1.0] * 10)
    assert found(np.linspace(0, 1, 40), labels, np.ones(40)).mean == pytest.approx(labels.mean())


def test_few_labels_have_no_interval_and_impossible_chances_are_refused() -> None:
    labels = np.array([1.0] * (FEWEST - 1) + [np.nan])
    assert powered_mean(np.ones(FEWEST), labels, np.ones(FEWEST)) is None
    for chance in (0.0, 1.01, -1.0):
        with pytest.raises(ValueError, match="above 0 and at most 1"):
            powered_mean(np.ones(FEWEST), labels, np.full(FEWEST, chance))


@pytest.mark.parametrize("noise", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("uneven", [False, True])
def test_the_interval_holds_the_truth_where_predictions_alone_do_not(noise: float, uneven: bool) -> None:
    """About 100 labels of 1,000; the predictions are noisy and 10 points too kind. Of 400 runs at 95 %, 367 or fewer would hold
    in 1 of 600 cases."""
    draws = np.random.default_rng(11)
    held = alone = 0
    worth = []
    for _ in range(RUNS):
        quality = draws.beta(2, 1.5, CASES)
        truth = (draws.random(CASES) < quality).astype(float)
        predicted = np.where(draws.random(CASES) < noise, draws.random(CASES), np.clip(0.8 * truth + 0.3, 0, 1))
        wish = draws.random(CASES) if uneven else np.full(CASES, 0.5)
        chance = 1 - (1 - 0.04) * (1 - 0.12 * wish)
        mean = found(predicted, np.where(draws.random(CASES) < chance, truth, np.nan), chance)
        held += mean.low <= truth.mean() <= mean.high
        error = 1.96 * predicted.std() / math.sqrt(CASES)
        alone += abs(predicted.mean() - truth.mean()) <= error
        worth.append(mean.worth)
    assert held >= 368
    assert noise == 1.0 or alone < RUNS / 2
    assert np.mean(worth) > (2.0 if noise == 0.1 else 1.1 if noise == 0.5 else 0.95)
