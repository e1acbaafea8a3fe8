"""One migration from its log: scores and events in the one order in which they became durable, and what is to follow of them.

Nothing else is kept anywhere: who reads the log from its beginning has the same stage, the same gate and the same next step.
"""

from typing import Literal, TypeAlias

import msgspec

from freehold.core.assignment import Assignment
from freehold.move.migration.gate import MOST_SLICES, Gate, open_gate
from freehold.move.migration.guard import Guard, Guarded, open_guard
from freehold.move.migration.machine import Event, Kind, MigrationSettings, State, after, assignment
from freehold.move.migration.pair import Harm, Pair
from freehold.move.migration.verdict import Verdict

GATE, GUARD, CANARY = "gate", "guard", "canary"  # who decides where no person does
_NEVER = 2**62


class PairScore(msgspec.Struct, frozen=True, kw_only=True, tag="pair"):
    """Two answers to one request. `candidate` and `incumbent`, 0 to 1; `harms` of both, by guardrail; `step` of the canary in
    which they were given, -1 before it."""

    request: str
    at: float
    step: int
    candidate: float
    incumbent: float
    slice: str | None = None
    harms: dict[str, tuple[float, float]] = {}
    cost_nanousd: int = 0


class Served(msgspec.Struct, frozen=True, kw_only=True, tag="served"):
    """One request of a caller's that the candidate was sent in the canary, with its harms."""

    request: str
    at: float
    step: int
    harms: dict[str, float] = {}


Score: TypeAlias = PairScore | Served
Logged: TypeAlias = Score | Event


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One workload's move: its id, where to, how it is judged, and when it was asked for (Unix seconds)."""

    id: str
    workload: str
    target: str
    settings: MigrationSettings
    made_at: float


class Next(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from the evidence, and the evidence itself."""

    kind: Literal["prove", "advance", "roll_back"]
    by: str
    why: str
    evidence: msgspec.Raw


class Progress:
    """The fold of one log. `take` its lines in their order; `next` says what is to be written after them, if anything."""

    def __init__(self, migration: Migration) -> None:
        self.migration = migration
        self.state = State()
        self.lines = 0
        self.events = 0
        self.served = 0
        self.pairs = 0
        self.cost_nanousd = 0
        self.first_pair_at: float | None = None
        self.last_pair_at = 0.0
        self._settings = migration.settings
        self.gate = open_gate(self._settings.gate)
        # In the canary good pairs promote nothing, so that bad ones still count after many good ones.
        self.canary_gate = open_gate(msgspec.structs.replace(self._settings.gate, min_samples=_NEVER))
        self.guard: Guard = open_guard(self._settings.gate.alpha, self._settings.guard)

    @property
    def assignment(self) -> Assignment:
        """What it asks of the request line now."""
        one = self.migration
        return assignment(one.id, one.workload, one.target, self.state, self._settings)

    def take(self, n: int, line: Logged) -> None:
        """The line with that number. Raises BadSettings on an event that cannot follow."""
        self.lines = n
        match line:
            case Event():
                self.state = after(self.state, line.kind, self._settings)
                self.events += 1
                if line.kind in {"prove", "advance"}:
                    self.served = 0
            case PairScore():
                self._pair(line)
            case Served():
                if self.state.stage == "canary":
                    self.guard.add(line.harms)
                    self.served += line.step == self.state.step

    def next(self) -> Next | None:
        """What the evidence asks for now; None: it goes on as it is."""
        if self.state.stage == "shadow":
            return self._of_gate(self.gate, GATE)
        if self.state.stage != "canary":
            return None
        if self.canary_gate.decision == "rollback":
            return self._of_gate(self.canary_gate, CANARY)
        found, share = self.guard.all(), self._settings.steps[self.state.step]
        if self.guard.broken:
            return Next(kind="roll_back", by=GUARD, why=_broken(found), evidence=_raw(found))
        last = self.state.step + 1 == len(self._settings.steps)
        if self.served < self._settings.dwell or (last and not self.guard.holds):
            return None
        why = f"{self.served:,} requests at {share:.0%} and no guardrail is broken{'; each is shown to hold' if last else ''}."
        return Next(kind="advance", by=GUARD, why=why, evidence=_raw(found))

    def verdict(self) -> Verdict:
        """Of the pairs that were judged before the canary."""
        return self.gate.verdict()

    def _of_gate(self, gate: Gate, by: str) -> Next | None:
        if gate.decision == "continue":
            return None
        verdict = gate.verdict()
        kind: Literal["prove", "roll_back"] = "prove" if gate.decision == "promote" else "roll_back"
        return Next(kind=kind, by=by, why=told(verdict), evidence=_raw(msgspec.structs.replace(verdict, sequence=())))

    def _pair(self, line: PairScore) -> None:
        self.cost_nanousd += line.cost_nanousd
        self.pairs += 1
        self.first_pair_at = line.at if self.first_pair_at is None else self.first_pair_at
        self.last_pair_at = line.at
        gate = self.gate if line.step < 0 else self.canary_gate
        if self.state.stage == ("shadow" if line.step < 0 else "canary"):
            gate.add(_paired(line, gate))


def told(verdict: Verdict) -> str:
    """The gate's reason in the words of a migration, which goes both ways."""
    return verdict.reason.replace("the owned model", "the candidate")


def event_of(following: Next, at: float) -> Event:
    """The event that writes it down."""
    kind: Kind = following.kind
    return Event(kind=kind, at=at, by=following.by, why=following.why, evidence=following.evidence)


def _paired(line: PairScore, gate: Gate) -> Pair:
    """As the gate takes it: the candidate stands where the owned model does. Slices beyond those it keeps count in the whole."""
    known = {guardrail.name for guardrail in gate.settings.guardrails}
    harms = {name: Harm(mine, theirs) for name, (mine, theirs) in line.harms.items() if name in known}
    kept = line.slice if line.slice in gate.slices or len(gate.slices) < MOST_SLICES else None
    return Pair(line.candidate, line.incumbent, kept, harms)


def _broken(found: tuple[Guarded, ...]) -> str:
    names = [f"{one.name} {one.mean:.1%} of {one.requests:,}, limit {one.limit:.1%}" for one in found if one.broken]
    return f"Roll back: the candidate is evidently beyond the limit in {', '.join(names)}."


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
