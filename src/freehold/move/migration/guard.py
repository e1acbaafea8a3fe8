"""The canary's guard: harms that callers met at the candidate, each against a fixed bound, looked at after every request."""

import math
from collections.abc import Mapping

import msgspec

from freehold.move.migration.pair import Guardrail
from freehold.stats.sequences import Sequence


class Guarded(msgspec.Struct, frozen=True):
    """One guardrail as it stands: the mean harm seen and its limit. It `holds` or is `broken` once that is shown."""

    name: str
    requests: int
    mean: float
    limit: float
    holds: bool
    broken: bool


class Guard(msgspec.Struct):
    """Rolling back needs any of them broken, so they share alpha; going live needs each shown to hold, at the whole of it."""

    alpha: float
    guardrails: tuple[Guardrail, ...]
    sequences: dict[str, Sequence]

    def add(self, harms: Mapping[str, float]) -> None:
        """One request of the canary, with its harms, 0 to 1, by name; one that is not there was not measured."""
        for name, sequence in self.sequences.items():
            if name in harms:
                sequence.add(-harms[name])

    @property
    def broken(self) -> bool:
        """Whether any is evidently above its limit."""
        return any(one.broken for one in self.all())

    @property
    def holds(self) -> bool:
        """Whether each is evidently below its limit."""
        return all(one.holds for one in self.all())

    def all(self) -> tuple[Guarded, ...]:
        """Each as it stands."""
        below = -math.log(self.alpha / max(1, len(self.guardrails)))
        found = []
        for guardrail in self.guardrails:
            sequence = self.sequences[guardrail.name]
            holds, broken = sequence.most_above >= -math.log(self.alpha), sequence.most_below >= below
            mean = 0.0 - sequence.mean
            found.append(Guarded(guardrail.name, sequence.samples, mean, guardrail.limit, holds and not broken, broken))
        return tuple(found)


def open_guard(alpha: float, guardrails: tuple[Guardrail, ...]) -> Guard:
    """A guard that has seen nothing."""
    return Guard(alpha, guardrails, {one.name: Sequence(one.threshold, top=0.0) for one in guardrails})
