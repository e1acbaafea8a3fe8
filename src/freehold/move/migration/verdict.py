"""What the gate says, and on what evidence: a record that anyone can compare byte by byte with a replay of the same pairs."""

from typing import Literal

import msgspec

from freehold.move.migration.pair import GateSettings

Decision = Literal["promote", "rollback", "continue"]
Role = Literal["quality", "guardrail", "slice"]
Finding = Literal["holds", "broken", "open"]


class Point(msgspec.Struct, frozen=True):
    """Quality as it stood after so many pairs: mean of owned - rented and its bounds, -1 to 1.

    `low` and `high` are each wrong with probability alpha at most, at all times together; the asymptotic ones as samples grow.
    """

    n: int
    mean: float
    low: float
    high: float
    asymptotic_low: float | None
    asymptotic_high: float | None


class Evidence(msgspec.Struct, frozen=True):
    """One question and what was found. Means, bounds and the threshold are advantages of the owned model: better is more.

    It `holds` once the greatest `log_wealth_above` has reached `needed_above`, it is `broken` once that of below has; logarithms
    are natural. A slice can only be broken: `needed_above` is none.
    """

    name: str
    role: Role
    finding: Finding
    samples: int
    mean: float
    threshold: float
    low: float
    high: float
    log_wealth_above: float
    needed_above: float | None
    log_wealth_below: float
    needed_below: float


class Verdict(msgspec.Struct, frozen=True):
    """The decision, after how many pairs it fell (none while it is `continue`), and everything it rests on."""

    decision: Decision
    at_sample: int | None
    samples: int
    reason: str
    settings: GateSettings
    evidence: tuple[Evidence, ...]
    sequence: tuple[Point, ...]

    def canonical(self) -> bytes:
        """JSON with sorted keys and no spaces: the same pairs and settings give the same bytes."""
        return msgspec.json.encode(self, order="sorted")


def reason(decision: Decision, settings: GateSettings, evidence: tuple[Evidence, ...]) -> str:
    """The decision in one sentence for people."""
    samples = evidence[0].samples
    after = f"after {samples:,} {'pair' if samples == 1 else 'pairs'}"
    broken = [named(one) for one in evidence if one.finding == "broken"]
    if decision == "promote":
        rails = " and every guardrail holds" if settings.guardrails else ""
        return f"Promote: {after} the owned model is at most {points(settings.margin)} points worse{rails}."
    if decision == "rollback":
        return f"Roll back: {after} the owned model is evidently beyond the limit in {', '.join(broken)}."
    still = [named(one) for one in evidence if one.role != "slice" and one.finding == "open"]
    short = samples < settings.min_samples and f"fewer than {settings.min_samples:,} pairs"
    parts = [
        f"not yet shown: {', '.join(still)}" if still else "",
        f"evidently beyond the margin: {', '.join(broken)}" if broken else "",
        short or "",
    ]
    return f"Continue: {after} no decision; {'; '.join(part for part in parts if part)}."


def named(evidence: Evidence) -> str:
    """What was asked about, as one says it."""
    return f"slice {evidence.name}" if evidence.role == "slice" else evidence.name


def points(share: float) -> str:
    """A difference of scores in points of a hundred."""
    # Adding 0.0 makes a rounded -0.0 a plain 0.
    return f"{round(100 * share, 2) + 0.0:.2f}".rstrip("0").rstrip(".")
