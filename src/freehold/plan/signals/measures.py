"""What each signal measures: its value over one window, in numbers and in words, or why there is too little to judge."""

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

import msgspec

from freehold.core.money import dollars
from freehold.plan.signals.observed import AttemptsSeen, Observed, WorkloadSeen
from freehold.stats.ratio import Sample, sure_change, sure_increase

Name: TypeAlias = Literal[
    "spend",  # rented cost, in dollars a month at the window's pace
    "spend_share",  # the same over the revenue or margin stated
    "rate_limited",  # attempts at rented targets turned away for their rate
    "slow",  # streamed requests without a first token in time
    "sensitive",  # requests of a data class or above
    "data_questions",  # requests that lost a target to a rule about their data
    "provider_drift",  # a rented target answers otherwise than the window before
    "owned_idle",  # slots of owned targets that do nothing
]
Unit: TypeAlias = Literal["USD/month", "share", "ratio"]

MONTH_S = 730 * 3600.0
_COVERED = 0.1  # of the window: a month's spend is not told from less of it
_STANDARD_ERRORS = 3.0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the signals are held against; a signal whose limit is None is not judged. `slots`: each owned target's declared
    concurrency. `at_least`: requests or attempts that a share or a change needs."""

    spend_nanousd_month: int | None = None
    revenue_nanousd_month: int | None = None
    revenue_share: float | None = None
    rate_limited_share: float | None = None
    slow_share: float | None = None
    sensitive_share: float | None = None
    data_question_share: float | None = None
    idle_below: float | None = None
    drift_ratio: float | None = None
    slots: Mapping[str, int | None] = {}
    at_least: int = 50


class Measure(msgspec.Struct, frozen=True):
    """A value on its way to a signal. `told` says it in words; `scarce` why it is too little to judge by, with no value where not
    even that little was measured."""

    name: Name
    limit: float
    value: float | None
    told: str = ""
    scarce: str | None = None
    unit: Unit = "share"


def of_all(observed: Observed, limits: Limits) -> list[Measure]:
    """What is judged over all workloads together."""
    whole = [
        _spend(observed, observed.attempts, limits),
        _spend_share(observed, limits),
        _sensitive(sum(w.sensitive for w in observed.workloads), sum(w.requests for w in observed.workloads), observed, limits),
        _owned_idle(observed, limits),
    ]
    return [measure for measure in whole if measure is not None]


def of_workload(seen: WorkloadSeen, observed: Observed, before: Observed, limits: Limits) -> list[Measure]:
    """What is judged for one workload; `before` is the window before."""
    mine = [a for a in observed.attempts if a.workload == seen.workload]
    rented, late = [a for a in mine if a.kind == "rented"], f"late to their first token in the last {_span(observed.window_s)}"
    turned_away = sum(a.rate_limited for a in rented)
    part = f"for rules about their data in the last {_span(observed.window_s)}, {seen.refused:,} of them with no target left"
    whole = [
        _spend(observed, mine, limits),
        _share("rate_limited", limits.rate_limited_share, (turned_away, sum(a.attempts for a in rented)), limits,
               ("attempts at rented targets", f"turned away for their rate in the last {_span(observed.window_s)}")),
        _share("slow", limits.slow_share, (seen.slow, seen.streamed), limits, ("streamed requests", late)),
        _sensitive(seen.sensitive, seen.requests, observed, limits),
        _share("data_questions", limits.data_question_share, (seen.questioned, seen.requests), limits,
               ("requests", f"kept from a target {part}")),
        _drift(mine, [a for a in before.attempts if a.workload == seen.workload], observed, limits),
    ]  # fmt: skip
    return [measure for measure in whole if measure is not None]


def _share(name: Name, limit: float | None, counts: tuple[int, int], limits: Limits, words: tuple[str, str]) -> Measure | None:
    """`counts`: hits, out of how many; `words`: what is counted, and what became of the hits."""
    if limit is None:
        return None
    hits, count = counts
    things, became = words
    if not count:
        return Measure(name, limit, None, f"no {things} to judge")
    scarce = f"only {count:,} {things}, {limits.at_least:,} are needed to judge" if count < limits.at_least else None
    return Measure(name, limit, hits / count, f"{shown(hits / count, 'share')} of {count:,} {things} were {became}", scarce)


def _sensitive(hits: int, count: int, observed: Observed, limits: Limits) -> Measure | None:
    words = ("requests", f"sensitive in the last {_span(observed.window_s)}")
    return _share("sensitive", limits.sensitive_share, (hits, count), limits, words)


def _spend(observed: Observed, attempts: Iterable[AttemptsSeen], limits: Limits) -> Measure | None:
    if limits.spend_nanousd_month is None:
        return None
    rate, limit = _usd_month(observed, attempts), float(dollars(limits.spend_nanousd_month))
    told = f"renting costs {shown(rate, 'USD/month')} a month at the pace of the last {_span(observed.window_s)}"
    return Measure("spend", limit, rate, told, _uncovered(observed), "USD/month")


def _spend_share(observed: Observed, limits: Limits) -> Measure | None:
    if limits.revenue_nanousd_month is None or limits.revenue_share is None:
        return None
    revenue, rate = float(dollars(limits.revenue_nanousd_month)), _usd_month(observed, observed.attempts)
    of = f"the {shown(revenue, 'USD/month')} stated as a month's revenue or margin"
    told = f"renting costs {shown(rate / revenue, 'share')} of {of}"
    return Measure("spend_share", limits.revenue_share, rate / revenue, told, _uncovered(observed))


def _usd_month(observed: Observed, attempts: Iterable[AttemptsSeen]) -> float:
    """Rented cost of a month at the window's pace, rounded to a nano-dollar."""
    cost_nanousd = sum(a.cost_nanousd for a in attempts if a.kind == "rented")
    return float(dollars(round(cost_nanousd * MONTH_S / observed.covered_s))) if observed.covered_s > 0 else 0.0


def _uncovered(observed: Observed) -> str | None:
    """Why the window cannot be judged as a whole: the ledger is younger than a tenth of it."""
    if observed.covered_s > 0 and observed.covered_s >= _COVERED * observed.window_s:
        return None
    return f"the ledger covers only {_span(observed.covered_s)} of the last {_span(observed.window_s)}"


def _owned_idle(observed: Observed, limits: Limits) -> Measure | None:
    """The least used of the owned targets, so that one busy target does not hide another's idleness."""
    busy_s: dict[str, float] = {}
    for attempt in observed.attempts:
        if attempt.kind == "owned":
            busy_s[attempt.target] = busy_s.get(attempt.target, 0.0) + attempt.busy_s
    if limits.idle_below is None or not (limits.slots or busy_s):
        return None
    slots = {name: count for name, count in limits.slots.items() if count}
    if not slots:
        return Measure("owned_idle", limits.idle_below, None, "no owned target with a declared concurrency to judge")
    if (scarce := _uncovered(observed)) is not None:
        return Measure("owned_idle", limits.idle_below, None, "", scarce)
    # What waits in an engine's own queue is counted as busy, so the sum may pass what there is.
    used = {name: min(1.0, busy_s.get(name, 0.0) / (count * observed.covered_s)) for name, count in slots.items()}
    least = min(sorted(used), key=used.__getitem__)
    told = (
        f"the {slots[least]:,} slots of {least} were in use {shown(used[least], 'share')} of the last {_span(observed.window_s)}"
    )
    return Measure("owned_idle", limits.idle_below, used[least], told)


def _drift(now: Iterable[AttemptsSeen], before: Iterable[AttemptsSeen], observed: Observed, limits: Limits) -> Measure | None:
    """The largest change at any rented target: errors, answer length, time to first token. What chance explains is taken off."""
    if limits.drift_ratio is None:
        return None
    rented = sorted((a for a in now if a.kind == "rented"), key=lambda a: (a.target, a.model))
    if not rented:
        return Measure("provider_drift", limits.drift_ratio, None, "no attempts at rented targets to judge", None, "ratio")
    past = {(a.target, a.model): a for a in before if a.kind == "rented"}
    pairs = [(a, past[a.target, a.model]) for a in rented if (a.target, a.model) in past]
    pairs = [(a, b) for a, b in pairs if min(a.attempts, b.attempts) >= limits.at_least]
    span = _span(observed.window_s)
    if not pairs:
        scarce = f"no rented target had {limits.at_least:,} attempts both in the last {span} and in those before"
        return Measure("provider_drift", limits.drift_ratio, None, "", scarce, "ratio")
    found = [
        (ratio, f"{what} of {a.target} ({a.model}) {way} by a factor of {ratio:.2f} or more")
        for a, b in pairs
        for what, way, ratio in (
            ("the error share", "rose", sure_increase((a.failed, a.attempts), (b.failed, b.attempts), _STANDARD_ERRORS)),
            ("the mean answer length", _way(a.answers, b.answers), sure_change(a.answers, b.answers, _STANDARD_ERRORS)),
            ("the mean time to first token", _way(a.ttft_s, b.ttft_s), sure_change(a.ttft_s, b.ttft_s, _STANDARD_ERRORS)),
        )
    ]
    value, told = max(found, key=lambda pair: pair[0])
    told = told if value >= 1.005 else "no rented target changed by more than chance explains"
    return Measure("provider_drift", limits.drift_ratio, value, f"{told}, against the {span} before", None, "ratio")


def _way(now: Sample, before: Sample) -> str:
    return "rose" if now.total * before.count > before.total * now.count else "fell"


def shown(value: float, unit: Unit) -> str:
    """A value as people read it."""
    if unit == "USD/month":
        return f"${value:,.2f}" if value < 1000 else f"${value:,.0f}"
    if unit == "share":
        return f"{value:.1%}" if value >= 0.001 or not value else f"{value:.3%}"
    return f"{value:.2f}"


def _span(seconds: float) -> str:
    for name, size in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} seconds"
