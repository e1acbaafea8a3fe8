"""Latin hypercube draws: every input's range is covered evenly, however few draws there are.

McKay, Beckman & Conover, "A comparison of three methods for selecting values of input variables", Technometrics 21(2), 1979.
"""

import numpy as np
from numpy.typing import NDArray


def latin_hypercube(draws: int, inputs: int, seed: int) -> NDArray[np.float64]:
    """Shape (draws, inputs), each value in (0, 1). In every column each of `draws` equal strata holds exactly one value.

    The same seed gives the same draws; a further input leaves the columns before it as they were.
    """
    columns = []
    for spawned in np.random.SeedSequence(seed).spawn(inputs):
        random = np.random.default_rng(spawned)
        columns.append((random.permutation(draws) + random.uniform(1e-9, 1 - 1e-9, draws)) / draws)
    return np.stack(columns, axis=1)
