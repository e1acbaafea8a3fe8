"""The one function that orders targets, with reasons: constraints remove, then preference, capacity and health arrange."""

from collections.abc import Mapping, Sequence

from freehold.core.decision import Candidate, Decision, TargetState
from freehold.core.request import Ask
from freehold.core.target import Target, Workload
from freehold.rules.constraints import removed_by, unwanted

_IDLE = TargetState()


def decide(ask: Ask, workload: Workload, targets: Sequence[Target], states: Mapping[str, TargetState]) -> Decision:
    """Order the workload's targets for one request. `targets` come in the workload's order of preference.

    Pure, total and deterministic. Spill: where the workload allows it, a rented target overtakes owned ones that are full;
    where it does not, a full owned target keeps its place and the request waits in the engine's own queue.
    """
    removed = [reason for target in targets if (reason := removed_by(ask, target) or unwanted(ask, target))]
    gone = {reason.target for reason in removed}
    wished = {name: place for place, name in enumerate(ask.hints.order)}
    allowed = [target for target in targets if target.name not in gone]
    allowed.sort(key=lambda t: min((wished[n] for n in (t.name, t.codec) if n in wished), default=len(wished)))
    candidates = _arrange(allowed, workload, states)
    if not ask.hints.allow_fallbacks:
        candidates = candidates[:1]
    return Decision(ask=ask, candidates=tuple(candidates), removed=tuple(removed), spill=workload.spill)


def _arrange(allowed: Sequence[Target], workload: Workload, states: Mapping[str, TargetState]) -> list[Candidate]:
    """Ready targets first, then the full ones that may be left, then those cooling down; each group in order of preference."""
    ready: list[Candidate] = []
    full: list[Candidate] = []
    cooling: list[Candidate] = []
    left_full: list[str] = []
    for place, target in enumerate(allowed):
        state = states.get(target.name, _IDLE)
        fullness = None if target.rented else full_because(target, state)
        if state.cooling_s > 0:
            cooling.append(Candidate(target, f"last resort: cooling down for {state.cooling_s:.1f} s"))
        elif fullness and workload.spill:
            left_full.append(f"{target.name} is full ({fullness})")
            full.append(Candidate(target, f"waits: full ({fullness})"))
        elif fullness:
            ready.append(Candidate(target, f"choice {place + 1}, waits: full ({fullness}) and spill is off"))
        elif left_full and target.rented:
            ready.append(Candidate(target, f"spill: {'; '.join(left_full)}", spill=True))
        else:
            ready.append(Candidate(target, f"choice {place + 1} of {len(allowed)}"))
    return ready + full + cooling


def after_full(target: Target, rest: Sequence[Candidate], *, spill: bool) -> list[Candidate]:
    """Who is left to try when an owned target turned out to have no room: everyone, marked as spill, or only owned ones."""
    if not spill:
        return [candidate for candidate in rest if not candidate.target.rented]
    reason = f"spill: {target.name} said it is full"
    return [Candidate(c.target, reason, spill=True) if c.target.rented else c for c in rest]


def full_because(target: Target, state: TargetState) -> str | None:
    """Why a target has no room for one more request now, or None. The declared concurrency counts requests of others too."""
    running = state.in_flight + state.foreign
    if target.concurrency is not None and running >= target.concurrency:
        return f"{running} of {target.concurrency} running"
    if state.load is not None and state.load.waiting > 0:
        return f"{state.load.waiting} waiting in its queue"
    return None
