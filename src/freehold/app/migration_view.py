"""One migration as people and the dashboard see it: where it stands, on what evidence, what it cost, when it may be done."""

import math

import msgspec

from freehold.app.migrating import all_of, progress_of
from freehold.core.assignment import Stage
from freehold.move.migration.gate import Gate
from freehold.move.migration.guard import Guarded
from freehold.move.migration.lines import Checked
from freehold.move.migration.machine import MigrationSettings
from freehold.move.migration.progress import Progress, told
from freehold.move.migration.verdict import Verdict
from freehold.serve.stores.place import LedgerPlace


class Recording(msgspec.Struct, frozen=True):
    """Of `total` recorded requests so many are done; None: not counted yet."""

    done: int
    total: int | None


class Judging(msgspec.Struct, frozen=True):
    """What is known of the judge: its latest check with null answers (None: under way), how many pairs it judged, how many of
    these verdicts turned with the order, and of those between answers of two lengths the share that the longer one won."""

    checked: Checked | None
    pairs: int
    turned: int
    longer_preferred: float | None
    cost_nanousd: int


class Offline(msgspec.Struct, frozen=True):
    """The offline keys, by how many requests of theirs the candidate was sent in the canary. `begun`: that has begun."""

    sent: dict[str, int]
    begun: bool

    @property
    def words(self) -> str:
        """For people."""
        unmet = ", ".join(key for key, count in self.sent.items() if count == 0)
        none = f"; of {unmet} the candidate has met no request yet" if unmet and self.begun else ""
        return f"Offline first: keys {', '.join(self.sent)}{none}."


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """`share`: of the workload's requests that go to the candidate now; `served`: how many it was sent at this step, of `dwell`.
    Where keys are offline, both are of the requests that none of them sends, but in the offline step `served` is of theirs.
    `step_name`: the canary's step as people call it, None before it; `offline` None: no key is.

    `verdict` is the gate's, in whose words the candidate is the owned model; in the canary it is of the pairs since that began,
    live of the latest ones. `unscored`: requests that count for neither model, by why. `cost_nanousd`: of the copies.
    `suite`: the digest of what pairs are graded by. `expected_s`: seconds until it is live at the pace so far, None where that
    cannot be said.
    """

    id: str
    workload: str
    target: str
    stage: Stage
    step: int
    step_name: str | None
    share: float
    pairs: int
    served: int
    dwell: int
    cost_nanousd: int
    made_at: float
    expected_s: float | None
    reason: str
    guard: tuple[Guarded, ...]
    verdict: Verdict
    settings: MigrationSettings
    unscored: dict[str, int]
    suite: str | None
    recorded: Recording | None
    judge: Judging | None
    offline: Offline | None


def standing(progress: Progress) -> Standing:
    """As the log says."""
    one, state, settings, tally = progress.migration, progress.state, progress.migration.settings, progress.tally
    suite, offline = settings.suite, None
    if settings.offline_keys:
        offline = Offline({key: tally.offline[key] for key in settings.offline_keys}, state.step >= 0)
    return Standing(
        id=one.id, workload=one.workload, target=one.target, stage=state.stage, step=state.step,
        step_name=None if state.step < 0 else settings.step_name(state.step),
        share=progress.assignment.share, pairs=tally.pairs, served=progress.served, dwell=settings.dwell,
        cost_nanousd=tally.cost_nanousd, made_at=one.made_at, expected_s=_expected_s(progress),
        reason=_reason(progress) if offline is None or state.over else f"{offline.words} {_reason(progress)}",
        guard=progress.guarded, verdict=progress.gate_now.verdict(), settings=settings,
        unscored=dict(sorted(tally.unscored.items())), suite=None if suite is None else suite.digest,
        recorded=None if settings.recorded is None else Recording(len(tally.replayed), tally.to_replay),
        judge=None if suite is None or suite.judge is None else Judging(
            tally.judge, tally.judged, tally.turned, tally.longer_preferred, tally.judge_nanousd
        ),
        offline=offline,
    )  # fmt: skip


def standings(ledger: LedgerPlace) -> list[Standing]:
    """Every migration on record, oldest first. Raises BadSettings."""
    return [standing(progress_of(ledger, one)) for one in all_of(ledger)]


def _reason(progress: Progress) -> str:
    state, settings = progress.state, progress.migration.settings
    match state.stage:
        case "draft":
            return "Nothing is sent to the candidate yet."
        case "shadow" if state.replaying:
            tally = progress.tally
            of = "" if tally.to_replay is None else f" of {tally.to_replay:,}"
            return f"Recorded requests first: {len(tally.replayed):,}{of} are done. {told(progress.verdict())}"
        case "shadow":
            return told(progress.verdict())
        case "canary":
            last = state.step + 1 == len(settings.shares)
            waits = "every guardrail is shown to hold" if last and progress.served >= settings.dwell else "enough requests came"
            at = f"at {settings.step_name(state.step)}{' of the others' if settings.offline_keys else ''}"
            where = "in step offline" if settings.offline_first(state.step) else at
            return f"Canary {where}: {progress.served:,} of {settings.dwell:,} requests; it waits until {waits}."
        case "live":
            if settings.after_live == 0:
                return "Every request goes to the candidate first; it is no longer compared."
            seen = progress.gate_now.quality.samples
            return (
                f"Every request goes to the candidate first; of {settings.after_live:.2%} the former target is asked too: "
                f"{seen:,} latest pairs, nothing evidently worse."
            )
        case "paused":
            return f"Paused in stage {state.held}; nothing is sent to the candidate."
        case "rolled_back":
            return "Rolled back: the workload is served as before."


def _expected_s(progress: Progress) -> float | None:
    """At the pace of the pairs so far; the canary's part from the requests that this pace stands for."""
    state, settings = progress.state, progress.migration.settings
    took = 0.0 if progress.tally.first_pair_at is None else progress.tally.last_pair_at - progress.tally.first_pair_at
    if state.stage not in {"shadow", "canary"} or state.replaying or progress.pairs < 2 or took <= 0:
        return None
    if settings.offline_keys and state.step < 1:  # when the offline keys come, nobody has seen yet
        return None
    pace = progress.pairs / took
    pairs = 0.0 if state.step >= 0 else _pairs_left(progress.gate)
    requests = pace / settings.copied
    steps = settings.shares[max(0, state.step) :]
    waits = [max(0, settings.dwell - (progress.served if state.step >= 0 and at == 0 else 0)) for at in range(len(steps))]
    canary = sum(wait / (share * requests) for wait, share in zip(waits, steps, strict=True))
    expected = pairs / pace + canary
    return expected if math.isfinite(expected) else None


def _pairs_left(gate: Gate) -> float:
    """As many as it takes if evidence grows as it did; without end where it does not grow."""
    needed = -math.log(gate.settings.alpha)
    left = float(max(0, gate.settings.min_samples - gate.quality.samples))
    for sequence in (gate.quality, *gate.guardrails.values()):
        if sequence.most_above < needed:
            grown = sequence.most_above / max(1, sequence.samples)
            left = max(left, (needed - sequence.most_above) / grown if grown > 0 else math.inf)
    return left
