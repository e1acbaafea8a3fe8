"""The stages of a migration: draft -> shadow -> canary, step by step -> live; paused or rolled back from any. Pure.

A state is the fold of its events and of nothing else, so that whoever reads the events again stands where everybody stood.
"""

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from freehold.core.assignment import Assignment, Stage
from freehold.core.errors import BadSettings
from freehold.move.migration.origins import Recorded, SuiteRef
from freehold.move.migration.pair import GateSettings, Guardrail

# `replayed`: the recorded requests are through, live ones follow; `prove`: the gate found quality and every guardrail to hold;
# `advance`: the canary's next step, behind the last one live.
Kind: TypeAlias = Literal["start", "replayed", "prove", "advance", "pause", "resume", "roll_back"]
MEASURED = ("errors", "refusals", "late")  # the harms that are measured by themselves
GUARDED = ("errors", "late")  # those that are seen where only the candidate answers


class MigrationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How one migration is judged. `gate` judges pairs of answers, `guard` what callers meet in the canary.

    `steps`: the canary's shares, each for `dwell` requests that the candidate was sent. `offline_keys`: names of API keys whose
    requests nobody waits for; where there are any, the canary begins with all of theirs and none of the others', and `steps` are
    shares of the others. `copied`: of the requests, 0-1, that are answered twice, for `day_nanousd` a day at most; `after_live`:
    the same once it is live, when the former target is asked (0: none). An answer is late after `late_s` seconds. `slice_by`: the
    field of the incumbent's JSON answer by whose value traffic is sliced. `suite`: what pairs are graded by, None: by agreement.
    `recorded`: what is asked before live requests. Raises BadSettings.
    """

    gate: GateSettings = GateSettings(
        guardrails=(
            Guardrail("errors", "worse_by", 0.03), Guardrail("refusals", "worse_by", 0.03), Guardrail("late", "at_most", 0.05),
        )
    )  # fmt: skip
    guard: tuple[Guardrail, ...] = (Guardrail("errors", "at_most", 0.05), Guardrail("late", "at_most", 0.05))
    steps: tuple[float, ...] = (0.01, 0.05, 0.25, 0.5)
    dwell: int = 200
    copied: float = 1.0
    day_nanousd: int = 5_000_000_000
    late_s: float = 30.0
    after_live: float = 0.01
    slice_by: str | None = None
    suite: SuiteRef | None = None
    recorded: Recorded | None = None
    offline_keys: tuple[str, ...] = ()

    @property
    def shares(self) -> tuple[float, ...]:
        """The canary's, step by step: of all requests, or of those that no offline key sends."""
        return (0.0, *self.steps) if self.offline_keys else self.steps

    def offline_first(self, step: int) -> bool:
        """Whether only the offline keys' requests go to the candidate in that step of the canary."""
        return step == 0 and bool(self.offline_keys)

    def step_name(self, step: int) -> str:
        """What people call that step of the canary."""
        return "offline" if self.offline_first(step) else f"{self.shares[step]:.0%}"

    def __post_init__(self) -> None:
        if not self.steps or not all(0 < share < 1 for share in self.steps) or sorted(set(self.steps)) != list(self.steps):
            raise BadSettings(f"steps is {_listed(self.steps)}; use rising shares between 0 and 1, such as 0.01, 0.05, 0.25, 0.5")
        if self.dwell < 1:
            raise BadSettings(f"dwell is {self.dwell}; use 1 request or more")
        if not 0 < self.copied <= 1:
            raise BadSettings(f"copied is {self.copied:g}; use a share above 0 and up to 1")
        if not 0 <= self.after_live <= 1:
            raise BadSettings(f"after_live is {self.after_live:g}; use a share from 0, for none, to 1, such as 0.01")
        if self.day_nanousd < 0:
            raise BadSettings(f"day_nanousd is {self.day_nanousd}; use 0 or more")
        if not 0 < self.late_s < float("inf"):
            raise BadSettings(f"late_s is {self.late_s:g}; use seconds above 0")
        _require_names(self.offline_keys)
        graded = self.suite.guardrails if self.suite is not None else ()
        for guardrail in self.gate.guardrails:
            _require(guardrail.name, (*MEASURED, *graded))
        for name in graded:
            if all(guardrail.name != name for guardrail in self.gate.guardrails):
                raise BadSettings(f"the suite's guardrail {name!r} has no limit; give one with --worse-by {name}=0.01")
        for guardrail in self.guard:
            _require(guardrail.name, GUARDED)
            if guardrail.held != "at_most":
                raise BadSettings(f"guard {guardrail.name!r} is held against the other model, which the canary does not ask")
        GateSettings(self.gate.margin, self.gate.alpha, 1, self.guard)  # as its guardrails are judged: unique, within bounds


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something was decided: when (Unix seconds), by whom or what, why, and on what evidence (JSON; null: on none)."""

    kind: Kind
    at: float
    by: str
    why: str = ""
    evidence: msgspec.Raw = msgspec.Raw(b"null")


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Where a migration stands. `step`: of the canary, -1 before it; `proven`: the gate has promoted it; `held`: the stage that a
    pause interrupted; `replaying`: in the shadow, recorded requests are asked before live ones."""

    stage: Stage = "draft"
    step: int = -1
    proven: bool = False
    held: Stage | None = None
    replaying: bool = False

    @property
    def over(self) -> bool:
        """Whether it moves nothing any more by itself."""
        return self.stage in {"live", "rolled_back"}


_FROM: dict[Kind, tuple[Stage, ...]] = {
    "start": ("draft",),
    "replayed": ("shadow",),
    "prove": ("shadow",),
    "advance": ("canary",),
    "pause": ("draft", "shadow", "canary", "live"),
    "resume": ("paused",),
    "roll_back": ("draft", "shadow", "canary", "live", "paused"),
}


def allowed(state: State, kind: Kind) -> bool:
    """Whether that can happen there."""
    return state.stage in _FROM[kind]


def after(state: State, kind: Kind, settings: MigrationSettings) -> State:
    """The state that follows. Raises BadSettings where that cannot happen in this stage."""
    if not allowed(state, kind):
        raise BadSettings(f"{kind} is not possible in stage {state.stage}; it is from {_listed(_FROM[kind])}")
    match kind:
        case "start":
            return State(stage="shadow", replaying=settings.recorded is not None)
        case "replayed":
            return msgspec.structs.replace(state, replaying=False)
        case "prove":
            return State(stage="canary", step=0, proven=True)
        case "advance":
            last = state.step + 1 >= len(settings.shares)
            return msgspec.structs.replace(state, stage="live") if last else msgspec.structs.replace(state, step=state.step + 1)
        case "pause":
            return msgspec.structs.replace(state, stage="paused", held=state.stage)
        case "resume":
            assert state.held is not None
            return msgspec.structs.replace(state, stage=state.held, held=None)
        case "roll_back":
            return msgspec.structs.replace(state, stage="rolled_back", held=None)


def replay(events: Iterable[Event], settings: MigrationSettings) -> State:
    """The state after these events. Raises BadSettings where they are none that could have happened."""
    state = State()
    for event in events:
        state = after(state, event.kind, settings)
    return state


def watched(state: State, settings: MigrationSettings) -> bool:
    """Whether evidence may still move it: on its way, or live and compared."""
    return not state.over or (state.stage == "live" and settings.after_live > 0)


def assignment(migration: str, workload: str, target: str, state: State, settings: MigrationSettings) -> Assignment:
    """What this state asks of the request line. Once it is live, the step is one behind the canary's last."""
    share = {"canary": settings.shares[state.step], "live": 1.0}.get(state.stage, 0.0)
    copied = {"canary": settings.copied, "live": settings.after_live}.get(state.stage, 0.0)
    if state.stage == "shadow" and not state.replaying:
        copied = settings.copied
    step = len(settings.shares) if state.stage == "live" else state.step
    return Assignment(
        migration=migration, workload=workload, target=target, stage=state.stage, step=step, share=share, copied=copied,
        day_nanousd=settings.day_nanousd,
        offline_keys=frozenset(settings.offline_keys) if state.stage == "canary" else frozenset(),
    )  # fmt: skip


def _require(name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise BadSettings(f"guardrail {name!r} is not measured here; use {' or '.join(known)}")


def _require_names(offline_keys: tuple[str, ...]) -> None:
    for key in offline_keys:
        if not key or offline_keys.count(key) > 1:
            raise BadSettings(f"offline key {key!r} is {'given twice' if key else 'empty'}; name each key once")


def _listed(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values)
