"""The one decision of a request: strange media and what cannot be said sifted out, constraints applied, the rest in order."""

from collections.abc import Mapping

import msgspec

from freehold.core.decision import Decision, Removed, TargetState
from freehold.core.errors import BadRequest, FreeholdError, NoTargetAllowed
from freehold.core.request import Ask
from freehold.rules.order import decide
from freehold.serve.gateway.exchange import Speech
from freehold.serve.gateway.media import sift
from freehold.serve.gateway.policy import Policy


def decided(speech: Speech, ask: Ask, policy: Policy, states: Mapping[str, TargetState], draw: float = 0.0) -> Decision:
    """Every target of the workload, as a candidate or removed with its reason. Pure: the request line and `explain` share it."""
    workload = policy.workloads[ask.workload]
    names = targets_of(ask, policy)
    targets, strange = sift(speech.request, workload, [policy.targets[name] for name in names], policy.media_hosts)
    decision = decide(_with_fallbacks(ask), workload, targets, states, draw)
    mute = _mute(decision, speech, policy)
    if ask.hints.allow_fallbacks and not strange and not mute:
        return decision
    left = tuple(candidate for candidate in decision.candidates if candidate.target.name not in {gone.target for gone in mute})
    left = left if ask.hints.allow_fallbacks else left[:1]  # the first that can be asked at all
    return msgspec.structs.replace(decision, ask=ask, candidates=left, removed=(*strange, *decision.removed, *mute))


def _with_fallbacks(ask: Ask) -> Ask:
    if ask.hints.allow_fallbacks:
        return ask
    return msgspec.structs.replace(ask, hints=msgspec.structs.replace(ask.hints, allow_fallbacks=True))


def targets_of(ask: Ask, policy: Policy) -> tuple[str, ...]:
    """The workload's targets in order of preference, and behind them those that migrations move it to."""
    moved = (one.target for one in ask.assigned if one.target in policy.targets)
    return tuple(dict.fromkeys((*policy.workloads[ask.workload].targets, *moved)))


def only_mute(decision: Decision) -> bool:
    """Whether nobody is left for the reason alone that none of those who may serve it can be asked this."""
    kinds = {removed.constraint for removed in decision.removed}
    return not decision.candidates and "dialect" in kinds and kinds <= {"dialect", "named", "hint"}


def none_left(decision: Decision) -> FreeholdError:
    """Why nobody may serve it: a field that no target's dialect can say is the request's to mend, anything else a rule's."""
    if only_mute(decision):
        mute = [removed for removed in decision.removed if removed.constraint == "dialect"]
        return BadRequest(f"no target can be asked this: {mute[0].detail}", param=mute[0].detail.partition(":")[0])
    return NoTargetAllowed(f"no target may serve this request: {decision.why_not()}")


def _mute(decision: Decision, speech: Speech, policy: Policy) -> tuple[Removed, ...]:
    """The candidates whose dialect cannot say it: found before anything is sent, so that nothing is dropped on the way."""
    removed: list[Removed] = []
    for candidate in decision.candidates:
        problem = speech.why_not(candidate.target, policy.codecs[candidate.target.name])
        if problem is not None:
            removed.append(Removed(candidate.target.name, "dialect", str(problem)))
    return tuple(removed)
