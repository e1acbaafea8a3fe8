"""The constants that explain measured loads best: robust least squares on logarithms, through the engine under load itself.

Each kind of request in each load gives three rows: the typical TTFT, TPOT and total, predicted over measured. A kind counts by
its requests. Levenberg-Marquardt on the logarithms of the constants keeps them above 0; Huber's weights (P. J. Huber, "Robust
estimation of a location parameter", Ann. Math. Statist. 35, 1964) keep a disturbed load from pulling the rest.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import msgspec
import numpy as np

from freehold.core.errors import BadSettings
from freehold.plan.capacity.calibration.check import medians
from freehold.plan.capacity.calibration.kinds import Floats, kinds, typical
from freehold.plan.capacity.calibration.law import CONSTANTS, LatencyLaw
from freehold.plan.capacity.calibration.slots import at_once, under_load
from freehold.plan.capacity.calibration.timings import Load

_ROUNDS = 40
_NUDGE = 0.02  # of a constant's logarithm, for the slopes
_HUBER = 1.5
_FINEST = 0.005  # a load whose medians are met to half a per cent is met
_WIDEST = math.log(1e3)
_Z80 = 1.2815515655446004
_ENOUGH = 2  # kinds of requests: three rows each for the six constants
_SEARCHED = CONSTANTS[:-1]  # how far apart requests come is seen, not searched


class Interval(msgspec.Struct, frozen=True):
    """80 % interval of a constant. One that the loads do not tell from 0 is wide."""

    low80: float
    high80: float


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """The law, the interval of each constant by name, and the typical miss (0.1 is 10 %) on the loads it was fitted to."""

    law: LatencyLaw
    intervals: dict[str, Interval]
    miss: float


def fit(loads: Sequence[Load], slots: int | None = None, progress: Callable[[int], None] = lambda _: None) -> Fit:
    """The constants of the engine that was measured. `slots` None: as many as were seen decoding at once, where callers waited.

    `progress` hears the number of rounds done. Raises BadSettings where the loads are too few or too alike.
    """
    found = slots if slots is not None else _seen_slots(loads)
    alike = kinds(loads)
    if len(alike) < _ENOUGH or len({load.concurrency for load in loads}) < 2:
        raise BadSettings(
            f"{len(alike)} kinds of requests in {len({load.concurrency for load in loads})} concurrencies do not tell "
            f"{len(_SEARCHED)} constants apart; measure 2 or more concurrencies and 2 or more lengths"
        )
    measured = typical(alike, [load.timings for load in loads])
    counts = np.repeat([len(kind.places) for kind in alike], 3)
    trust = np.sqrt(counts / counts.mean())
    gaps = [after.sent_s - before.sent_s for load in loads for before, after in pairwise(load.timings[: load.concurrency])]
    near_s, apart_s, far_s = (float(np.quantile(gaps, share)) if gaps else 0.0 for share in (0.1, 0.5, 0.9))

    def law_of(logs: Floats) -> LatencyLaw:
        constants = dict(zip(_SEARCHED, np.exp(logs).tolist(), strict=True))
        return LatencyLaw(**constants, apart_s=apart_s, slots=found)

    def misses(logs: Floats) -> Floats:
        law = law_of(logs)
        missed: Floats = trust * (typical(alike, [under_load(law, load, draw) for draw, load in enumerate(loads)]) - measured)
        return missed

    tries = [_descend(misses, np.log(np.array(guess)), progress) for guess in _guesses(loads)]
    logs, slopes, left = min(tries, key=lambda one: float(np.abs(one[2]).sum()))
    weights, scale = _weights(left)
    spread = np.sqrt(np.diag(np.linalg.inv((slopes.T * weights) @ slopes + 1e-9 * np.eye(len(logs))))) * scale
    widths = np.minimum(_Z80 * spread, _WIDEST)
    intervals = {
        name: Interval(float(np.exp(log - width)), float(np.exp(log + width)))
        for name, log, width in zip(_SEARCHED, logs, widths, strict=True)
    }
    return Fit(
        law=law_of(logs), intervals=intervals | {"apart_s": Interval(near_s, far_s)},
        miss=float(np.median(np.abs(np.expm1(left / trust)))),
    )  # fmt: skip


def _seen_slots(loads: Sequence[Load]) -> int | None:
    """The most that decoded at once; None where that were all callers, so that no bound was met."""
    busiest = max(loads, key=lambda load: load.concurrency)
    seen = at_once((one.first_s, one.last_s) for one in busiest.timings)
    return seen if seen < busiest.concurrency else None


def _guesses(loads: Sequence[Load]) -> list[tuple[float, ...]]:
    """Rough constants from the load with the fewest callers, in the order of CONSTANTS: where the first token's wait lies is
    guessed in two ways, because which step a prompt joins makes valleys that a descent does not leave."""
    timings = min(loads, key=lambda load: load.concurrency).timings
    calm = medians(timings)
    tokens = sum(one.input_tokens for one in timings) / len(timings)
    step, ttft = max(calm.tpot_s, 1e-6), max(calm.ttft_s, 1e-6)
    ways = ((0.3, 0.1, 0.4), (0.1, 0.001, 0.8))
    return [
        (0.7 * step, prompt * ttft / tokens, 0.2 * step, 0.1 * step / tokens, before * ttft, inside * ttft)
        for before, inside, prompt in ways
    ]


def _weights(left: Floats) -> tuple[Floats, float]:
    """Huber's weights, and the scale of what is left."""
    scale = max(float(np.median(np.abs(left))) * 1.4826, _FINEST)
    size = np.abs(left) / scale
    return np.minimum(1.0, _HUBER / np.maximum(size, 1e-12)), scale


def _loss(left: Floats, scale: float) -> float:
    size = np.abs(left) / scale
    return float(np.where(size <= _HUBER, size**2 / 2, _HUBER * (size - _HUBER / 2)).sum())


def _descend(misses: Callable[[Floats], Floats], logs: Floats, progress: Callable[[int], None]) -> tuple[Floats, Floats, Floats]:
    """The logarithms with the least loss, the slopes there, and what is left there."""
    damping, left = 1e-2, misses(logs)
    slopes = _slopes(misses, logs, left)
    for done in range(_ROUNDS):
        progress(done)
        weights, scale = _weights(left)
        square, pull = (slopes.T * weights) @ slopes, (slopes.T * weights) @ left
        moved = np.clip(np.linalg.solve(square + damping * (np.diag(np.diag(square)) + 1e-6 * np.eye(len(logs))), -pull), -1, 1)
        tried = misses(logs + moved)
        better = _loss(left, scale) - _loss(tried, scale)
        if better > 0:
            logs, left, damping = logs + moved, tried, damping / 4
            slopes = _slopes(misses, logs, left)
            if better < 1e-4 * _loss(left, scale):
                break
        else:
            damping *= 5
            if damping > 1e6:
                break
    return logs, slopes, left


def _slopes(misses: Callable[[Floats], Floats], logs: Floats, left: Floats) -> Floats:
    columns = []
    for place in range(len(logs)):
        moved = logs.copy()
        moved[place] += _NUDGE
        columns.append((misses(moved) - left) / _NUDGE)
    return np.stack(columns, axis=1)
