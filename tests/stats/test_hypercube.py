import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from freehold.stats.hypercube import latin_hypercube


@given(st.integers(1, 200), st.integers(1, 9), st.integers(0, 2**32))
def test_every_stratum_of_every_input_holds_one_draw(draws: int, inputs: int, seed: int) -> None:
    cube = latin_hypercube(draws, inputs, seed)
    assert cube.shape == (draws, inputs)
    for column in cube.T:
        assert sorted((column * draws).astype(int)) == list(range(draws))


def test_the_seed_decides_and_a_further_input_leaves_the_others() -> None:
    assert np.array_equal(latin_hypercube(50, 3, 7), latin_hypercube(50, 4, 7)[:, :3])
    assert not np.array_equal(latin_hypercube(50, 3, 7), latin_hypercube(50, 3, 8))


def test_columns_are_not_tied_to_each_other() -> None:
    seen = np.corrcoef(latin_hypercube(10_000, 8, 1).T)
    assert np.abs(seen - np.eye(8)).max() < 0.05


def test_a_mean_is_found_far_better_than_by_plain_draws() -> None:
    # Plain draws of exp(u) err by 0.492 / sqrt(400) = 0.025; the strata leave almost nothing of that.
    assert abs(float(np.exp(latin_hypercube(400, 1, 3)).mean()) - (np.e - 1)) < 0.001
