"""The gate: pairs in, and after each one promote, roll back or continue. Pure and deterministic; its state is itself, as JSON.

Promotion needs quality and every guardrail, each shown at the whole alpha (an intersection-union test: whichever of them is
truly broken stops it). Rollback needs any one of them, so they share alpha. Slices share another alpha; they can only hold
promotion up.
"""

import math

import msgspec

from freehold.core.errors import BadSettings
from freehold.move.migration.pair import GateSettings, Pair
from freehold.move.migration.verdict import Decision, Evidence, Point, Role, Verdict, reason
from freehold.stats.sequences import Sequence

QUALITY = "quality"
MOST_SLICES = 100
FIRST_POINT = 10
_FURTHER = 1.05  # each point of the sequence comes after so many times the pairs of the one before
_TUNED_FOR = 1_000  # pairs at which the asymptotic display is tightest


class Gate(msgspec.Struct):
    """One question asked of a stream of pairs. Encode it with msgspec and decode it again: it goes on where it was."""

    settings: GateSettings
    quality: Sequence
    guardrails: dict[str, Sequence]
    slices: dict[str, Sequence] = {}
    decision: Decision = "continue"
    points: list[Point] = []

    def add(self, pair: Pair) -> Decision:
        """Take one pair and look. After promote or rollback no pair counts any more.

        Raises BadSettings, with nothing taken, on a harm that no guardrail limits and on more slices than are kept.
        """
        if self.decision != "continue":
            return self.decision
        harms, shown = self._advantages(pair), self._shown(self.quality)
        quality = pair.owned - pair.rented
        self.quality.add(quality)
        for name, advantage in harms.items():
            self.guardrails[name].add(advantage)
        if pair.slice is not None:
            self.slices.setdefault(pair.slice, Sequence(self.quality.threshold)).add(quality)
        self.decision = self._decide()
        last = self.points[-1].n if self.points else FIRST_POINT / _FURTHER
        turned = self.decision != "continue" or self._shown(self.quality) != shown
        if turned or self.quality.samples >= last * _FURTHER:
            self.quality.tighten(self.settings.alpha)
            self.points.append(self._point(self.quality.low, self.quality.high))
        return self.decision

    def verdict(self) -> Verdict:
        """The decision so far with its evidence; asking changes nothing."""
        samples = self.quality.samples
        evidence = (
            self._evidence(QUALITY, "quality", self.quality),
            *(self._evidence(name, "guardrail", sequence) for name, sequence in self.guardrails.items()),
            *(self._evidence(name, "slice", sequence, place) for place, (name, sequence) in enumerate(self.slices.items(), 1)),
        )
        latest = self.points[-1].n if self.points else 0
        return Verdict(
            decision=self.decision,
            at_sample=samples if self.decision != "continue" else None,
            samples=samples,
            reason=reason(self.decision, self.settings, evidence),
            settings=self.settings,
            evidence=evidence,
            sequence=(*self.points, *([self._point(*self.quality.bounds(self.settings.alpha))] if samples > latest else [])),
        )

    def _advantages(self, pair: Pair) -> dict[str, float]:
        if pair.slice is not None and pair.slice not in self.slices and len(self.slices) >= MOST_SLICES:
            raise BadSettings(f"slice {pair.slice!r} is one more than the {MOST_SLICES} that are kept; use broader slices")
        limits = {guardrail.name: guardrail for guardrail in self.settings.guardrails}
        if unknown := [name for name in pair.guardrails if name not in limits]:
            raise BadSettings(
                f"guardrail {unknown[0]!r} has no limit; "
                f"give one with --worse-by {unknown[0]}=0.01 (than the rented model) or --at-most {unknown[0]}=0.05"
            )
        return {name: limits[name].advantage(harm) for name, harm in pair.guardrails.items()}

    def _decide(self) -> Decision:
        required = (self.quality, *self.guardrails.values())
        if any(one.most_below >= self._needed_for_rollback() for one in required):
            return "rollback"
        slices = enumerate(self.slices.values(), 1)
        if any(one.most_below >= self._needed_for_slice(place) for place, one in slices):
            return "continue"
        least = self.settings.min_samples
        return "promote" if all(one.samples >= least and self._shown(one) for one in required) else "continue"

    def _shown(self, sequence: Sequence) -> bool:
        """Whether it has been evident that the mean is above the threshold."""
        return sequence.most_above >= -math.log(self.settings.alpha)

    def _needed_for_rollback(self) -> float:
        """The logarithm of wealth: alpha is parted evenly over quality and the guardrails."""
        return -math.log(self.settings.alpha / (1 + len(self.guardrails)))

    def _needed_for_slice(self, place: int) -> float:
        """The k-th slice met has alpha / (k (k + 1)): they sum to alpha however many there will be."""
        return -math.log(self.settings.alpha / (place * (place + 1)))

    def _point(self, low: float, high: float) -> Point:
        asymptotic = self.quality.asymptotic_bounds(self.settings.alpha, _TUNED_FOR) or (None, None)
        return Point(self.quality.samples, self.quality.mean, low, high, *asymptotic)

    def _evidence(self, name: str, role: Role, sequence: Sequence, place: int = 0) -> Evidence:
        below = self._needed_for_slice(place) if role == "slice" else self._needed_for_rollback()
        holds = role != "slice" and self._shown(sequence)
        low, high = sequence.bounds(self.settings.alpha)
        return Evidence(
            name=name,
            role=role,
            finding="broken" if sequence.most_below >= below else "holds" if holds else "open",
            samples=sequence.samples,
            mean=sequence.mean,
            threshold=sequence.threshold,
            low=low,
            high=high,
            log_wealth_above=sequence.most_above,
            needed_above=None if role == "slice" else -math.log(self.settings.alpha),
            log_wealth_below=sequence.most_below,
            needed_below=below,
        )


def open_gate(settings: GateSettings) -> Gate:
    """A gate that has seen nothing."""
    guardrails = {
        guardrail.name: Sequence(guardrail.threshold, top=1.0 if guardrail.held == "worse_by" else 0.0)
        for guardrail in settings.guardrails
    }
    return Gate(settings, Sequence(0.0 - settings.margin), guardrails)
