"""The signals of the build threshold: which of the team's own figures say that it is time to run the plan again.

A signal goes on at its limit and off a tenth below it, so that a value that sways around the limit does not flap. Too little data
leaves a signal as it was: what is on stays on until a measured value, or no traffic at all, says otherwise.
"""

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from freehold.plan.signals.measures import Limits, Measure, Name, Unit, of_all, of_workload, shown
from freehold.plan.signals.observed import Observed, WorkloadSeen

State: TypeAlias = Literal["on", "off", "unknown"]

ALL = "*"  # stands where a workload would, for what is judged over all of them
_RELEASE = 0.9
_SUGGESTIONS: dict[Name, str] = {
    "spend": "Run freehold plan: it says from this traffic whether owning pays.",
    "spend_share": "Run freehold plan with --budget-usd-month, to see when the budget is passed and what owning changes.",
    "rate_limited": "Ask the provider for a higher limit, or run freehold plan: owning the base takes it off the limit.",
    "slow": "Look where its first tokens come late (freehold ledger summary), and run freehold plan for capacity of your own.",
    "sensitive": "Run freehold plan: what may not be rented has to be owned, whatever it costs.",
    "data_questions": "Review the clearance, regions and terms of the targets; what no provider may see needs one of your own.",
    "provider_drift": "Compare its answers on samples of your own; owned weights change only when you change them.",
    "owned_idle": "Run freehold plan: give replicas back, return to rent, or move more workloads onto them.",
}


class Signal(msgspec.Struct, frozen=True):
    """One signal of one workload, or of ALL. `value` is None where nothing could be measured."""

    workload: str
    name: Name
    state: State
    value: float | None
    limit: float
    unit: Unit
    reason: str
    suggestion: str


def judge_signals(observed: Observed, before: Observed, limits: Limits, previous: Iterable[Signal]) -> list[Signal]:
    """The signals over all workloads, then those of each; the same input in any order gives the same list.

    `before` is the window before `observed`; `previous` what was judged last, whose signals that were on go off late.
    """
    was_on = {(s.workload, s.name) for s in previous if s.state == "on"}
    seen = {w.workload: w for w in observed.workloads}
    names = (seen.keys() | {a.workload for a in observed.attempts} | {workload for workload, _ in was_on}) - {ALL}
    judged = [_judge(ALL, m, (ALL, m.name) in was_on) for m in of_all(observed, limits)]
    for name in sorted(names):
        measures = of_workload(seen.get(name, WorkloadSeen(name)), observed, before, limits)
        judged += [_judge(name, m, (name, m.name) in was_on) for m in measures]
    return judged


def changes(before: Iterable[Signal], after: Iterable[Signal]) -> list[Signal]:
    """Of `after`, those that came on, and those that were on and are so no longer."""
    was_on = {(s.workload, s.name) for s in before if s.state == "on"}
    return [s for s in after if (s.state == "on") != ((s.workload, s.name) in was_on)]


def _judge(workload: str, measure: Measure, was_on: bool) -> Signal:
    """The state and the sentence. Only idleness goes on below its limit; a ratio counts from 1, where nothing changed."""
    value, limit, below = measure.value, measure.limit, measure.name == "owned_idle"
    state: State = "unknown"
    if measure.scarce is not None:
        state, said = ("on" if was_on else "unknown"), measure.scarce + (", so it stays on" if was_on else "")
    elif value is None:
        said = measure.told
    else:
        none = 1.0 if measure.unit == "ratio" else 0.0
        reached = value <= limit if below else value >= limit
        released = value > limit / _RELEASE if below else value - none < _RELEASE * (limit - none)
        state = "on" if reached or (was_on and not released) else "off"
        side, other = ("under", "over") if below else ("over", "under")
        verdict = f"at or {side}" if reached else f"not yet by a tenth {other}" if state == "on" else other
        said = f"{measure.told}, {verdict} the limit of {shown(limit, measure.unit)}"
    subject = "All workloads" if workload == ALL else workload
    suggestion = _SUGGESTIONS[measure.name] if state == "on" else ""
    return Signal(workload, measure.name, state, value, limit, measure.unit, f"{subject}: {said}.", suggestion)
