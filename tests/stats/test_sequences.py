"""Betting sequences against closed forms, exact enumeration of small samples, and a plain inversion."""

import math
import random
from itertools import pairwise, product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.stats.sequences import BETS, Sequence

scores = st.lists(st.integers(-1000, 1000).map(lambda n: n / 1000), max_size=60)
inside = st.sampled_from([-0.5, -0.08, -0.03, 0.0, 0.2])


def fed(values: list[float], threshold: float = -0.03, bottom: float = -1.0, top: float = 1.0) -> Sequence:
    sequence = Sequence(threshold, bottom, top)
    for value in values:
        sequence.add(value)
    return sequence


def wealth(logs: list[float]) -> float:
    return sum(math.exp(log) for log in logs) / len(logs)


def test_the_same_number_again_and_again_compounds() -> None:
    """A bet b on n numbers v holds (1 + b (v - t) / (t - bottom))^n."""
    for value, count in ((0.0, 40), (1.0, 7), (-1.0, 5)):
        found = fed([value] * count)
        for bet, above, below in zip(BETS, found.above, found.below, strict=True):
            assert math.exp(above) == pytest.approx((1 + bet * (value + 0.03) / 0.97) ** count)
            assert math.exp(below) == pytest.approx((1 + bet * (-0.03 - value) / 1.03) ** count)


@pytest.mark.parametrize("threshold", [-0.03, 0.0, -0.25])
@pytest.mark.parametrize("discordance", [0.3, 0.6, 1.0])
def test_with_the_mean_on_the_threshold_the_expected_wealth_is_one_and_high_wealth_is_rare(
    threshold: float, discordance: float
) -> None:
    """Every sequence of seven differences in -1, 0 and 1 with its probability: a fair game, and Ville's inequality."""
    chances = {-1.0: (discordance - threshold) / 2, 0.0: 1 - discordance, 1.0: (discordance + threshold) / 2}
    expected_above = expected_below = 0.0
    rare = {alpha: [0.0, 0.0] for alpha in (0.5, 0.2, 0.05)}
    for values in product(chances, repeat=7):
        chance = math.prod(chances[value] for value in values)
        found = fed(list(values), threshold)
        expected_above += chance * wealth(found.above)
        expected_below += chance * wealth(found.below)
        for alpha, reached in rare.items():
            reached[0] += chance * (math.exp(found.most_above) >= 1 / alpha)
            reached[1] += chance * (math.exp(found.most_below) >= 1 / alpha)
    assert expected_above == pytest.approx(1.0)
    assert expected_below == pytest.approx(1.0)
    for alpha, reached in rare.items():
        assert max(reached) <= alpha
    assert min(rare[0.5]) > 0.01  # the bound is no triviality


def test_a_worse_mean_loses_and_a_better_one_wins_on_average() -> None:
    for mean, sign in ((-0.2, -1), (0.1, 1)):
        chances = {-1.0: (0.5 - mean) / 2, 0.0: 0.5, 1.0: (0.5 + mean) / 2}
        expected = sum(
            math.prod(chances[value] for value in values) * wealth(fed(list(values)).above)
            for values in product(chances, repeat=5)
        )
        assert (expected - 1) * sign > 0.02


@given(scores, inside)
def test_below_is_the_mirror_of_above(values: list[float], threshold: float) -> None:
    found, mirrored = fed(values, threshold), fed([-value for value in values], -threshold)
    assert found.above == mirrored.below
    assert found.most_below == mirrored.most_above
    low, high = found.bounds(0.05)
    assert (low, high) == pytest.approx((-mirrored.bounds(0.05)[1], -mirrored.bounds(0.05)[0]), abs=2e-6)


@given(scores, inside, st.sampled_from([0.2, 0.05, 0.01]))
def test_the_low_end_passes_the_threshold_where_the_wealth_is_high_enough(
    values: list[float], threshold: float, alpha: float
) -> None:
    found = fed(values, threshold)
    low, high = found.bounds(alpha)
    assert -1 <= low <= found.mean <= high <= 1
    for reached, passed_by in ((wealth(found.above), low - threshold), (wealth(found.below), threshold - high)):
        if reached >= 1.0001 / alpha:
            assert passed_by >= -2e-6
        elif reached < 0.9999 / alpha:
            assert passed_by < 2e-6


@given(st.lists(st.floats(-1, 0), min_size=1, max_size=40), st.sampled_from([0.2, 0.05]))
def test_bounds_are_those_of_a_plain_inversion_or_a_little_wider(values: list[float], alpha: float) -> None:
    """Candidates tried one by one on the unrounded samples, here between -1 and 0."""
    low, high = fed(values, -0.05, top=0.0).bounds(alpha)
    candidates = [-1 + step / 200 for step in range(1, 200)]

    def excluded(bets_on: list[float]) -> bool:
        return sum(math.prod(1 + bet * won for won in bets_on) for bet in BETS) / len(BETS) >= 1 / alpha

    from_below = [c for c in candidates if excluded([(v - c) / (c + 1) for v in values])]
    from_above = [c for c in candidates if excluded([(c - v) / -c for v in values])]
    plain_low, plain_high = max(from_below, default=-1.0), min(from_above, default=0.0)
    assert low <= plain_low + 1 / 200 + 1e-6
    assert high >= plain_high - 1 / 200 - 1e-6
    # Outwards by a thousandth for the rounding, and by the step of the candidates.
    assert low >= plain_low - 0.0011 - 1e-6
    assert high <= plain_high + 0.0011 + 1e-6


def test_the_mean_stays_inside_at_all_looks_together() -> None:
    """150 runs of 300 graded differences around -0.02, looked at 10 times: each end misses in at most 5 % of runs."""
    draws = random.Random(11)
    missed_low = missed_high = 0
    for _ in range(150):
        sequence = Sequence(-0.03)
        for n in range(300):
            sequence.add(max(-0.98, min(0.98, draws.gauss(0.0, 0.25))) - 0.02 if draws.random() < 0.5 else -0.02)
            if n % 30 == 29:
                sequence.tighten(0.05)
        missed_low += sequence.low > -0.02
        missed_high += sequence.high < -0.02
    assert max(missed_low, missed_high) <= 15  # of 150, 5 % are 7.5; 16 or more would come in 1 of 250 cases
    assert missed_low + missed_high > 0


def test_what_was_once_excluded_stays_excluded() -> None:
    sequence = Sequence(-0.03)
    ends = []
    for value in [1.0] * 20 + [-1.0] * 20:
        sequence.add(value)
        sequence.tighten(0.05)
        ends.append((sequence.low, sequence.high))
    assert all(before[0] <= after[0] and before[1] >= after[1] for before, after in pairwise(ends))
    assert ends[19][0] > 0.5


def test_asymptotic_ends_in_closed_form() -> None:
    """Mean 0, variance 1, n = tuned_for = 100, 2 alpha = 0.1: n rho^2 = 4.60517 + ln 4.60517 + 1 = 7.13235, so the half-width is
    sqrt(2 x 8.13235 / (100 x 7.13235) x ln(sqrt(8.13235) / 0.1)) = 0.27642."""
    ends = fed([1.0, -1.0] * 50).asymptotic_bounds(0.05, 100)
    assert ends is not None
    assert ends == pytest.approx((-0.27642, 0.27642), abs=1e-5)


def test_asymptotic_ends_need_samples_that_differ() -> None:
    assert fed([1.0, -1.0] * 14).asymptotic_bounds(0.05, 100) is None
    assert fed([0.25] * 500).asymptotic_bounds(0.05, 100) is None


@given(scores, st.data())
def test_as_json_and_back_it_goes_on_bit_for_bit(values: list[float], data: st.DataObject) -> None:
    whole, parted = Sequence(-0.03), Sequence(-0.03)
    stop = data.draw(st.integers(0, len(values)))
    for place, value in enumerate(values):
        if place == stop:
            parted = msgspec.json.decode(msgspec.json.encode(parted), type=Sequence)
        for sequence in (whole, parted):
            sequence.add(value)
            if place % 7 == 3:
                sequence.tighten(0.05)
    assert msgspec.json.encode(whole) == msgspec.json.encode(parted)


@pytest.mark.parametrize("value", [1.0000001, -1.1, math.nan, math.inf])
def test_a_number_out_of_range_is_refused_and_leaves_nothing(value: float) -> None:
    sequence = fed([0.5, -0.25])
    before = msgspec.json.encode(sequence)
    with pytest.raises(ValueError, match="the sample"):
        sequence.add(value)
    assert msgspec.json.encode(sequence) == before


@pytest.mark.parametrize("threshold", [-1.0, 1.0, 2.0, math.nan])
def test_a_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        Sequence(threshold)
