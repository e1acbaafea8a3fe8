"""Requests that are alike, and the times typical of them: what the constants are fitted to.

Typical is the mean without the outer tenths: it moves smoothly with the constants, where a median jumps with the step that one
request joins, and a few that stalled do not reach it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from freehold.plan.capacity.calibration.timings import Load, Timing

Floats: TypeAlias = NDArray[np.float64]
Place: TypeAlias = tuple[int, int]  # number of the load, number of its request

_GAP = 1.3  # lengths this factor apart are two kinds
_WIDE = 2.0  # lengths without a gap are cut where they span more than this
_OUTER = 0.1  # of the requests at either end
_SHORTEST_S = 1e-6


class Kind(NamedTuple):
    """Requests alike in loads of one name."""

    places: tuple[Place, ...]


def kinds(loads: Sequence[Load]) -> tuple[Kind, ...]:
    """Alike are requests of loads of one name whose outputs, and among those whose inputs, are about as long."""
    found = []
    for name in dict.fromkeys(load.name for load in loads):
        places = [(at, number) for at, load in enumerate(loads) if load.name == name for number in range(len(load.timings))]
        for same in _groups(places, lambda place: loads[place[0]].timings[place[1]].output_tokens):
            found += [Kind(tuple(one)) for one in _groups(same, lambda place: loads[place[0]].timings[place[1]].input_tokens)]
    return tuple(found)


def typical(alike: Sequence[Kind], answered: Sequence[Sequence[Timing]]) -> Floats:
    """Of each kind the logarithms of TTFT, TPOT and total (seconds), one after the other."""
    made = []
    for kind in alike:
        rows = [answered[at][number] for at, number in kind.places]
        paces = [one.tpot_s for one in rows if one.tpot_s is not None]
        made += [_middle(one.ttft_s for one in rows), _middle(paces), _middle(one.total_s for one in rows)]
    return np.log(np.maximum(made, _SHORTEST_S))


def _middle(values: Iterable[float]) -> float:
    ordered = sorted(values)
    cut = int(len(ordered) * _OUTER)
    middle = ordered[cut : len(ordered) - cut]
    return sum(middle) / len(middle) if middle else 0.0


def _groups(places: Sequence[Place], length: Callable[[Place], int]) -> list[list[Place]]:
    """Cut where the next length is much longer than the one before, or than the first of its group."""
    groups: list[list[Place]] = []
    for place in sorted(places, key=length):
        if groups and length(place) <= _GAP * length(groups[-1][-1]) and length(place) <= _WIDE * length(groups[-1][0]):
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups
