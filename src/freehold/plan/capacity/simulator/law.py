"""The time of one engine step as a table of numbers, and its closed form for decode steps that are alike.

A step prefills new prompt tokens, which attend to `pairs` tokens together (n after c cached ones: n x (c + n / 2)), and decodes
one token for each sequence of a batch that keeps `context` tokens together. Its seconds are a sum of groups, each the longest
(max) or the shortest (min) of terms affine in the four. In k such steps without a prompt the context grows by the batch each
time, so as long as the same terms count they take k x seconds + growth x k (k - 1) / 2, growth = context_s x batch.
"""

import math
from typing import Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from freehold.core.errors import BadSettings

Floats: TypeAlias = NDArray[np.float64]

MOST_STEPS = 1 << 40


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds: `fixed_s`, and what each prompt token, pair, decoding sequence and token of context adds. None is below 0."""

    fixed_s: float = 0.0
    prefill_s: float = 0.0
    pair_s: float = 0.0
    sequence_s: float = 0.0
    context_s: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise BadSettings(f"{name} of a step is {value:g}; give seconds of 0 or more")

    @property
    def row(self) -> tuple[float, ...]:
        """The five coefficients in the order of the table."""
        return self.fixed_s, self.prefill_s, self.pair_s, self.sequence_s, self.context_s


class Group(msgspec.Struct, frozen=True):
    """The longest (`max`) or the shortest (`min`) of its terms: max for what overlaps, min for what saturates."""

    terms: tuple[Term, ...]
    of: Literal["max", "min"] = "max"

    def __post_init__(self) -> None:
        if not self.terms:
            raise BadSettings("a group of the step time has no term; give at least one")


class StepLaw(msgspec.Struct, frozen=True):
    """The sum of its groups. Raises BadSettings where a step could take no time at all."""

    groups: tuple[Group, ...]

    def __post_init__(self) -> None:
        if self.seconds() <= 0:
            raise BadSettings("a step of this law can take 0 s; give one group a fixed_s above 0 in each of its terms")

    def seconds(self, prefill: float = 0.0, pairs: float = 0.0, batch: float = 0.0, context: float = 0.0) -> float:
        """Seconds of one step."""
        return step_seconds(self.table(), prefill, pairs, batch, context)

    def table(self) -> Floats:
        """One row per term: number of its group, sign (1 max, -1 min), then the five coefficients times the sign."""
        rows = []
        for number, group in enumerate(self.groups):
            sign = 1.0 if group.of == "max" else -1.0
            rows += [(float(number), sign, *(sign * value for value in term.row)) for term in group.terms]
        return np.array(rows, dtype=np.float64).reshape(len(rows), 7)


def step_seconds(law: Floats, prefill: float, pairs: float, batch: float, context: float) -> float:
    """Seconds of one step by the table of a law."""
    total, row = 0.0, 0
    while row < len(law):
        group, sign, best = law[row, 0], law[row, 1], -np.inf
        while row < len(law) and law[row, 0] == group:
            value = law[row, 2] + law[row, 3] * prefill + law[row, 4] * pairs + law[row, 5] * batch + law[row, 6] * context
            best = max(best, value)
            row += 1
        total += sign * best
    return float(total)


def decode_line(law: Floats, batch: float, context: float) -> tuple[float, float, int]:
    """Of decode steps that are alike: seconds of the first, by how much each takes longer than the one before, and how many
    steps this holds for (at least 1): until another term of a group overtakes."""
    seconds, growth, steps, row = 0.0, 0.0, MOST_STEPS, 0
    while row < len(law):
        first, group, sign = row, law[row, 0], law[row, 1]
        best, pace = -np.inf, 0.0
        while row < len(law) and law[row, 0] == group:
            value, rise = law[row, 2] + law[row, 5] * batch + law[row, 6] * context, law[row, 6] * batch
            if value > best or (value == best and rise > pace):
                best, pace = value, rise
            row += 1
        for other in range(first, row):
            rise = law[other, 6] * batch
            if rise > pace:
                value = law[other, 2] + law[other, 5] * batch + law[other, 6] * context
                overtaken = (best - value) / (rise - pace)
                if overtaken < steps:
                    steps = int(overtaken) + 1
        seconds += sign * best
        growth += sign * pace
    return seconds, growth, steps


def run_seconds(seconds: float, growth: float, steps: int) -> float:
    """Seconds of so many steps, of which the first takes `seconds` and each next one `growth` more."""
    return steps * seconds + growth * (steps * (steps - 1) / 2)


def steps_until(seconds: float, growth: float, left: float, most: int) -> int:
    """The fewest steps, 1 to `most`, that take `left` seconds or longer; `most` where none do."""
    if growth == 0.0:
        guess = left / seconds
    else:  # the root of growth k^2 / 2 + (seconds - growth / 2) k = left, in the form that does not cancel
        half = seconds - growth / 2
        guess = 2 * left / (half + np.sqrt(max(0.0, half * half + 2 * growth * left)))
    steps = most if guess >= most else max(1, int(guess))
    # Rounding may be off by a step: the sum itself decides, so that time never depends on how it was searched.
    while steps > 1 and run_seconds(seconds, growth, steps - 1) >= left:
        steps -= 1
    while steps < most and run_seconds(seconds, growth, steps) < left:
        steps += 1
    return steps
