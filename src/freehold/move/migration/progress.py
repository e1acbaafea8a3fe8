"""One migration from its log: scores and events in the one order in which they became durable, and what is to follow of them.

Nothing else is kept anywhere: who reads the log from its beginning has the same stage, the same gate and the same next step.
"""

from typing import Literal, TypeAlias

import msgspec

from freehold.core.assignment import Assignment
from freehold.move.migration.gate import MOST_SLICES, Gate, open_gate
from freehold.move.migration.guard import Guard, Guarded, open_guard
from freehold.move.migration.lines import PairScore, Score, Served
from freehold.move.migration.machine import Event, Kind, MigrationSettings, State, after, assignment
from freehold.move.migration.pair import Harm, Pair
from freehold.move.migration.tally import Tally
from freehold.move.migration.verdict import Verdict

__all__ = ["Logged", "Migration", "Next", "PairScore", "Progress", "Score", "Served", "event_of", "replayed_event", "told"]

GATE, GUARD, CANARY, LIVE, REPLAY = "gate", "guard", "canary", "live", "replay"  # who decides where no person does
# Once it is live, evidence begins anew after so many: what was good for long must not hide what has turned bad.
LIVE_WINDOW = 1_000
_NEVER = 2**62


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
        self.tally = Tally()
        self._settings = migration.settings
        self.gate = open_gate(self._settings.gate)
        self._canary_gate, self._canary_guard = self._watch()
        self._offline_guard: Guard | None = None
        if self._settings.offline_keys:  # apart, so that many good offline requests hide nothing that others meet
            self._canary_guard, self._offline_guard = self._guard(parts=2), self._guard(parts=2)
        self._live_gate, self._live_guard = self._watch()
        self._lived = False  # it is live, or was last
        self._seen_live = 0

    @property
    def pairs(self) -> int:
        """How many were scored, in all stages."""
        return self.tally.pairs

    @property
    def assignment(self) -> Assignment:
        """What it asks of the request line now."""
        one = self.migration
        return assignment(one.id, one.workload, one.target, self.state, self._settings)

    @property
    def gate_now(self) -> Gate:
        """The gate that pairs of this stage are put to, or were last."""
        if self._lived:
            return self._live_gate
        return self.gate if self.state.step < 0 else self._canary_gate

    @property
    def guard_now(self) -> Guard:
        """The guard of what callers meet at the candidate; in the canary of those who wait for it."""
        return self._live_guard if self._lived else self._canary_guard

    @property
    def guarded(self) -> tuple[Guarded, ...]:
        """All that is guarded now, what offline requests meet too."""
        offline = () if self._lived or self._offline_guard is None else self._offline_guard.all()
        return (*(msgspec.structs.replace(one, name=f"offline {one.name}") for one in offline), *self.guard_now.all())

    def take(self, n: int, line: Logged) -> None:
        """The line with that number. Raises BadSettings on an event that cannot follow."""
        self.lines = n
        if isinstance(line, Event):
            self.state = after(self.state, line.kind, self._settings)
            self.events += 1
            self._lived = self._lived or self.state.stage == "live"
            if line.kind in {"prove", "advance"}:
                self.served = 0
        elif self.tally.take(line):
            if isinstance(line, PairScore):
                self._pair(line)
            elif isinstance(line, Served):
                self._served(line)

    def next(self) -> Next | None:
        """What the evidence asks for now; None: it goes on as it is."""
        if self.state.stage == "shadow":
            return self._of_gate(self.gate, GATE)
        if self.state.stage not in {"canary", "live"}:
            return None
        if self.gate_now.decision == "rollback":
            return self._of_gate(self.gate_now, LIVE if self._lived else CANARY)
        found = self.guarded
        if any(one.broken for one in found):
            return Next(kind="roll_back", by=GUARD, why=_broken(found), evidence=_raw(found))
        last = self.state.step + 1 == len(self._settings.shares)
        if self._lived or self.served < self._settings.dwell or (last and not all(one.holds for one in found)):
            return None
        what = "offline requests" if self._offline_first else f"requests at {self._settings.step_name(self.state.step)}"
        why = f"{self.served:,} {what} and no guardrail is broken{'; each is shown to hold' if last else ''}."
        return Next(kind="advance", by=GUARD, why=why, evidence=_raw(found))

    def verdict(self) -> Verdict:
        """Of the pairs that were judged before the canary."""
        return self.gate.verdict()

    @property
    def _offline_first(self) -> bool:
        return self._settings.offline_first(self.state.step)

    def _watch(self) -> tuple[Gate, Guard]:
        """Fresh ones. Good pairs promote nothing there, so that bad ones still count after many good ones."""
        return open_gate(msgspec.structs.replace(self._settings.gate, min_samples=_NEVER)), self._guard()

    def _guard(self, parts: int = 1) -> Guard:
        """A fresh one: of so many, each of which may roll back, so that they share alpha."""
        return open_guard(self._settings.gate.alpha / parts, self._settings.guard)

    def _of_gate(self, gate: Gate, by: str) -> Next | None:
        if gate.decision == "continue":
            return None
        verdict = gate.verdict()
        kind: Literal["prove", "roll_back"] = "prove" if gate.decision == "promote" else "roll_back"
        evidence = msgspec.to_builtins(msgspec.structs.replace(verdict, sequence=())) | self._origins()
        return Next(kind=kind, by=by, why=told(verdict), evidence=_raw(evidence))

    def _origins(self) -> dict[str, object]:
        """What the evidence rests on, where that is more than live pairs and their agreement."""
        suite, found = self._settings.suite, dict[str, object]()
        if suite is not None:
            found["suite"] = suite.digest
        if self.tally.judge is not None:
            found["judge"] = self.tally.judge
        if self._settings.recorded is not None:
            found["recorded"] = len(self.tally.replayed)
        return found

    def _pair(self, line: PairScore) -> None:
        live = len(self._settings.shares)
        stage = "shadow" if line.step < 0 else "canary" if line.step < live else "live"
        if stage != self.state.stage:
            return
        if stage == "live":
            self._turn_window()
        self.gate_now.add(_paired(line, self.gate_now))

    def _served(self, line: Served) -> None:
        live = line.step == len(self._settings.shares)
        if self.state.stage != ("live" if live else "canary"):
            return
        if live:
            self._turn_window()
        guard = self.guard_now if line.offline is None or self._offline_guard is None else self._offline_guard
        guard.add(line.harms)
        self.served += line.step == self.assignment.step and (guard is self._offline_guard) == self._offline_first

    def _turn_window(self) -> None:
        """After so many lines both begin anew, unless one of them has found what there was to find."""
        if self._seen_live >= LIVE_WINDOW and self._live_gate.decision == "continue" and not self._live_guard.broken:
            self._live_gate, self._live_guard = self._watch()
            self._seen_live = 0
        self._seen_live += 1


def told(verdict: Verdict) -> str:
    """The gate's reason in the words of a migration, which goes both ways."""
    return verdict.reason.replace("the owned model", "the candidate")


def event_of(following: Next, at: float) -> Event:
    """The event that writes it down."""
    kind: Kind = following.kind
    return Event(kind=kind, at=at, by=following.by, why=following.why, evidence=following.evidence)


def replayed_event(progress: Progress, at: float) -> Event:
    """The event behind the last of the recorded requests."""
    asked, total = len(progress.tally.replayed), progress.tally.to_replay or 0
    evidence = {"total": total, "asked": asked, "unscored": dict(sorted(progress.tally.unscored.items()))}
    why = f"{asked:,} of {total:,} recorded requests were asked; live ones follow."
    return Event(kind="replayed", at=at, by=REPLAY, why=why, evidence=_raw(evidence))


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
