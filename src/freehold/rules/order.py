"""The one function that orders targets, with reasons: constraints remove, then preference, capacity and health arrange."""

from collections.abc import Mapping, Sequence

import msgspec

from freehold.core.assignment import Assignment
from freehold.core.decision import Candidate, Decision, TargetState
from freehold.core.request import Ask
from freehold.core.target import Target, Workload
from freehold.rules.constraints import removed_by, unwanted

PROBE_S = 1.0  # how long until it is worth asking again what became of a probe
_IDLE = TargetState()


def decide(
    ask: Ask, workload: Workload, targets: Sequence[Target], states: Mapping[str, TargetState], draw: float = 0.0
) -> Decision:
    """Order the workload's targets for one request. `targets` come in the workload's order of preference.

    Pure, total and deterministic: `draw`, in [0, 1), says whether a recovering target takes this one. Spill: where the workload
    allows it, a rented target overtakes owned ones that are full; where it does not, a full owned target keeps its place and the
    request waits in the engine's own queue. Targets of the migrations that this request was drawn for come before the others
    that may serve it, behind those that its caller wished for.
    """
    removed = [reason for target in targets if (reason := removed_by(ask, target) or unwanted(ask, target))]
    gone = {reason.target for reason in removed}
    allowed = [target for target in targets if target.name not in gone]
    if ask.assigned:
        moved = {one.target: place for place, one in enumerate(ask.assigned)}
        allowed.sort(key=lambda t: moved.get(t.name, len(moved)))
    if ask.hints.order:
        wished = {name: place for place, name in enumerate(ask.hints.order)}
        allowed.sort(key=lambda t: min((wished[n] for n in (t.name, t.codec) if n in wished), default=len(wished)))
    candidates = [_told(candidate, ask.assigned) for candidate in _arrange(allowed, workload, states, draw)]
    if not ask.hints.allow_fallbacks:
        candidates = candidates[:1]
    return Decision(ask=ask, candidates=tuple(candidates), removed=tuple(removed), spill=workload.spill)


def _arrange(allowed: Sequence[Target], workload: Workload, states: Mapping[str, TargetState], draw: float) -> list[Candidate]:
    """Ready targets first, then the full ones that may be left, then those recovering, cooling down and held; each group in
    order of preference."""
    ready: list[Candidate] = []
    full: list[Candidate] = []
    last: tuple[list[Candidate], ...] = ([], [], [])
    left_full: list[str] = []
    for place, target in enumerate(allowed):
        state = states.get(target.name, _IDLE)
        fullness = None if target.rented else full_because(target, state)
        weakness = None if state is _IDLE else _weak(target, state, draw)
        if weakness is not None:
            rank, candidate = weakness
            last[rank].append(candidate)
        elif fullness and workload.spill:
            left_full.append(f"{target.name} is full ({fullness})")
            full.append(Candidate(target, f"waits: full ({fullness})"))
        elif fullness:
            ready.append(Candidate(target, f"choice {place + 1}, waits: full ({fullness}) and spill is off"))
        elif left_full and target.rented:
            ready.append(Candidate(target, f"spill: {'; '.join(left_full)}", spill=True))
        else:
            ready.append(Candidate(target, f"choice {place + 1} of {len(allowed)}"))
    return [*ready, *full, *last[0], *last[1], *last[2]]


def _told(candidate: Candidate, assigned: Sequence[Assignment]) -> Candidate:
    """With the migration that it stands there for."""
    for one in assigned:
        if one.target == candidate.target.name:
            canary = (
                "canary, offline first" if one.share == 1 and one.offline_keys else f"canary of {one.share:.3g} of the requests"
            )
            why = "live" if one.stage == "live" else canary
            return msgspec.structs.replace(candidate, reason=f"{candidate.reason}; migration {one.migration}: {why}")
    return candidate


def _weak(target: Target, state: TargetState, draw: float) -> tuple[int, Candidate] | None:
    """How far behind its health puts a target; None where it does not."""
    held = held_because(state)
    if held is not None:
        return 2, Candidate(target, f"held: {held[0]}", held_s=held[1])
    if state.cooling_s > 0:
        return 1, Candidate(target, f"last resort: cooling down for {state.cooling_s:.1f} s")
    if draw >= state.share:
        return 0, Candidate(target, f"recovering: takes {state.share:.0%} of its requests, not this one")
    return None


def held_because(state: TargetState) -> tuple[str, float] | None:
    """Why a target should be sent nothing now, and for how many seconds; None where nothing speaks against it."""
    if state.phase == "open" and state.open_s >= state.asked_s:
        return f"its breaker is open for {state.open_s:.1f} s, after {state.failures} failures in a row", state.open_s
    if state.asked_s > 0:
        return f"it asked to be left alone for {state.asked_s:.1f} s", state.asked_s
    if state.probing:
        return "one request is finding out whether it is back", PROBE_S
    if state.quota_s > 0:
        return f"its quota has room in {state.quota_s:.1f} s", state.quota_s
    return None


def after_full(target: Target, rest: Sequence[Candidate], *, spill: bool) -> list[Candidate]:
    """Who is left to try when an owned target turned out to have no room: everyone, marked as spill, or only owned ones."""
    if not spill:
        return [candidate for candidate in rest if not candidate.target.rented]
    reason = f"spill: {target.name} said it is full"
    return [Candidate(c.target, reason, spill=True, held_s=c.held_s) if c.target.rented else c for c in rest]


def full_because(target: Target, state: TargetState) -> str | None:
    """Why a target has no room for one more request now, or None. The declared concurrency counts requests of others too."""
    running = state.in_flight + state.foreign
    if target.concurrency is not None and running >= target.concurrency:
        return f"{running} of {target.concurrency} running"
    if state.load is not None and state.load.waiting > 0:
        return f"{state.load.waiting} waiting in its queue"
    return None
