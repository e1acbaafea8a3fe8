"""A migration's log folded: what follows of it, and that folding it again finds the same."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.errors import BadSettings
from freehold.move.migration.lines import Checked, PairScore, Replay, Score, Served, Unscored, Weighed
from freehold.move.migration.machine import Event, MigrationSettings
from freehold.move.migration.origins import Recorded, SuiteRef
from freehold.move.migration.pair import GateSettings, Guardrail
from freehold.move.migration.progress import LIVE_WINDOW, Logged, Migration, Progress, event_of, replayed_event

QUICK = MigrationSettings(
    gate=GateSettings(margin=0.2, min_samples=20, guardrails=(Guardrail("errors", "worse_by", 0.2),)),
    guard=(Guardrail("errors", "at_most", 0.2),), steps=(0.1, 0.5), dwell=10,
)  # fmt: skip
START = Event(kind="start", at=0.0, by="ann")


def migration(judged: MigrationSettings = QUICK) -> Migration:
    return Migration(id="mig-1", workload="w", target="t", settings=judged, made_at=0.0)


def pair(candidate: float, step: int = -1, **more: Any) -> PairScore:
    return PairScore(request="fh-1", at=1.0, step=step, candidate=candidate, incumbent=1.0, harms={"errors": (0.0, 0.0)}, **more)


def served(error: float, step: int, offline: str | None = None) -> Served:
    return Served(request="fh-1", at=1.0, step=step, harms={"errors": error}, offline=offline)


class Log:
    """A log and its fold; what follows is written down at once, as a gateway does."""

    def __init__(self, judged: MigrationSettings = QUICK) -> None:
        self.lines: list[Logged] = []
        self.fold = Progress(migration(judged))

    def add(self, *lines: Logged) -> None:
        for line in lines:
            self._take(line)
            while (following := self.fold.next()) is not None:
                self._take(event_of(following, 2.0))

    def _take(self, line: Logged) -> None:
        self.lines.append(line)
        self.fold.take(len(self.lines), line)

    def kinds(self) -> list[tuple[str, str]]:
        return [(line.kind, line.by) for line in self.lines if isinstance(line, Event)]


def in_canary(judged: MigrationSettings = QUICK) -> Log:
    log = Log(judged)
    log.add(START)
    while log.fold.state.stage == "shadow":
        log.add(pair(1.0))
    assert log.fold.state.stage == "canary"
    return log


def test_good_pairs_lead_to_the_canary_and_good_requests_live() -> None:
    log = in_canary()
    for step in (0, 1):
        log.add(*(served(0.0, step) for _ in range(9)))
        assert log.fold.state.step == step
        log.add(*(served(0.0, step) for _ in range(30)))
    assert log.fold.state.stage == "live"
    assert log.kinds() == [("start", "ann"), ("prove", "gate"), ("advance", "guard"), ("advance", "guard")]


def test_the_last_step_waits_until_every_guardrail_is_shown() -> None:
    log = in_canary()
    log.add(*(served(float(n % 6 == 0), 0) for n in range(10)), *(served(float(n % 6 == 0), 1) for n in range(12)))
    assert (log.fold.state.stage, log.fold.state.step) == ("canary", 1), "one in six is not evidently below a fifth"
    assert log.fold.served >= 10


def test_bad_pairs_roll_back_from_the_shadow() -> None:
    log = Log()
    log.add(START, *(pair(float(n % 2)) for n in range(200)))
    assert log.kinds() == [("start", "ann"), ("roll_back", "gate")]
    assert msgspec.json.decode(next(one.evidence for one in log.lines[1:] if isinstance(one, Event)))["decision"] == "rollback"


def test_harms_of_callers_roll_back_from_the_canary() -> None:
    log = in_canary()
    log.add(*(served(1.0, 0) for _ in range(9)))
    assert log.kinds()[-1] == ("roll_back", "guard")


def test_pairs_that_turn_bad_in_the_canary_roll_back_however_many_were_good() -> None:
    log = in_canary()
    log.add(*(pair(1.0, step=0) for _ in range(300)), *(pair(0.0, step=0) for _ in range(900)))
    assert log.kinds()[-1] == ("roll_back", "canary")


def test_late_lines_of_an_earlier_stage_count_nowhere() -> None:
    log = in_canary()
    before = msgspec.json.encode([log.fold.gate_now, log.fold.gate])
    log.add(*(pair(0.0) for _ in range(50)))
    assert msgspec.json.encode([log.fold.gate_now, log.fold.gate]) == before
    log.add(Event(kind="pause", at=3.0, by="ann"), *(served(1.0, 0) for _ in range(50)))
    assert (log.fold.state.stage, log.fold.served) == ("paused", 0)


def test_more_slices_than_are_kept_count_in_the_whole() -> None:
    log = Log()
    log.add(START, *(pair(1.0, slice=f"s{n}") for n in range(150)))
    assert len(log.fold.gate.slices) <= 100


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32), st.sampled_from((1.0, 0.95, 0.7)), st.sampled_from((0.0, 0.1, 0.5)), st.sampled_from(((), ("jobs",)))
)  # fmt: skip
def test_folding_the_log_again_from_any_line_on_gives_the_same(seed: int, good: float, bad: float, keys: tuple[str, ...]) -> None:
    source = random.Random(seed)
    judged = msgspec.structs.replace(QUICK, recorded=Recorded(config="/c.yaml"), offline_keys=keys)
    log = Log(judged)
    log.add(START, Replay(at=0.0, total=40))
    for n in range(250):
        step, ident = log.fold.assignment.step, f"fh-{source.randrange(60)}"
        if n == 40 and log.fold.state.replaying:
            log.add(replayed_event(log.fold, 1.0))
        one: Logged = pair(float(source.random() < good), step, recorded=n < 40, judged=Weighed(source.random() < bad, None))
        if source.random() < 0.3:
            one = served(float(source.random() < bad), step, "jobs" if keys and source.random() < 0.5 else None)
        elif source.random() < 0.1:
            one = Unscored(request=ident, at=1.0, step=step, why="judge: barred", recorded=n < 40)
        log.add(msgspec.structs.replace(one, request=ident))
    again = Progress(migration(judged))
    for n, line in enumerate(log.lines, 1):
        again.take(n, msgspec.json.decode(msgspec.json.encode(line), type=type(line)))
    assert again.next() is None
    for name in ("state", "lines", "events", "served", "pairs", "gate", "gate_now", "guard_now", "guarded"):
        assert msgspec.json.encode(getattr(again, name)) == msgspec.json.encode(getattr(log.fold, name)), name
    assert vars(again.tally) == vars(log.fold.tally)


def test_an_event_that_cannot_follow_is_refused() -> None:
    with pytest.raises(BadSettings, match="prove is not possible in stage draft"):
        Progress(migration()).take(1, Event(kind="prove", at=0.0, by="x"))


def in_live(log: Log | None = None) -> Log:
    log = log or in_canary()
    while log.fold.state.stage == "canary":
        log.add(served(0.0, log.fold.state.step))
    assert log.fold.state.stage == "live"
    return log


LIVE_STEP = len(QUICK.steps)


def test_what_turns_bad_once_it_is_live_goes_back() -> None:
    log = in_live()
    log.add(*(pair(1.0, LIVE_STEP) for _ in range(200)), *(served(0.0, LIVE_STEP) for _ in range(200)))
    assert log.fold.state.stage == "live"
    log.add(*(pair(0.0, LIVE_STEP) for _ in range(300)))
    assert log.kinds()[-1] == ("roll_back", "live")


def test_failures_that_callers_meet_once_it_is_live_go_back() -> None:
    log = in_live()
    log.add(*(served(0.0, LIVE_STEP) for _ in range(50)), *(served(1.0, LIVE_STEP) for _ in range(200)))
    assert log.kinds()[-1] == ("roll_back", "guard")


def test_evidence_of_a_live_one_begins_anew_so_that_old_good_pairs_hide_nothing() -> None:
    """After a window of good pairs bad ones are found as fast as at its beginning."""

    def until_back(good: int) -> int:
        log = in_live()
        log.add(*(pair(1.0, LIVE_STEP) for _ in range(good)))
        for count in range(1, 1_000):
            log.add(pair(0.0, LIVE_STEP))
            if log.fold.state.stage == "rolled_back":
                return count
        raise AssertionError("never")

    assert until_back(LIVE_WINDOW) == until_back(0) < until_back(LIVE_WINDOW - 1)


def test_lines_of_another_stage_count_in_no_gate() -> None:
    log = in_live()
    before = msgspec.json.encode([log.fold.gate_now, log.fold.guard_now])
    log.add(*(pair(0.0, step) for step in (-1, 0, 1)), *(served(1.0, step) for step in (0, 1)))
    assert msgspec.json.encode([log.fold.gate_now, log.fold.guard_now]) == before
    canary = in_canary()
    canary.add(*(pair(0.0, LIVE_STEP) for _ in range(50)), *(served(1.0, LIVE_STEP) for _ in range(50)))
    assert canary.fold.state.stage == "canary"


def test_a_recorded_request_counts_once() -> None:
    log = Log()
    log.add(START, pair(0.5, recorded=True, cost_nanousd=3, judge_nanousd=2), pair(0.25, recorded=True, cost_nanousd=3))
    log.add(Unscored(request="fh-1", at=1.0, step=-1, why="barred", recorded=True))
    log.add(Unscored(request="fh-2", at=1.0, step=-1, why="barred", recorded=True))
    tally = log.fold.tally
    assert (log.fold.pairs, log.fold.gate.quality.samples, log.fold.gate.quality.mean) == (1, 1, -0.5)
    assert (tally.cost_nanousd, tally.judge_nanousd, tally.unscored, len(tally.replayed)) == (6, 2, {"barred": 1}, 2)


def test_live_pairs_of_one_request_are_none_of_the_recorded() -> None:
    log = Log()
    log.add(START, pair(1.0), pair(1.0))
    assert log.fold.pairs == 2


def test_what_a_judge_said_is_added_up() -> None:
    log = Log()
    log.add(START, Checked(at=0.0, target="j", digest="d", canaries=6, won=0, tied=1, fit=True))
    for turned, longer in ((True, None), (False, True), (False, True), (False, False)):
        log.add(pair(1.0, judged=Weighed(turned, longer)))
    tally = log.fold.tally
    assert tally.judge is not None
    assert (tally.judged, tally.turned, tally.longer_preferred) == (4, 1, 2 / 3)


def test_recorded_requests_come_before_live_ones_and_the_gate_may_end_them() -> None:
    judged = msgspec.structs.replace(QUICK, recorded=Recorded(config="/c.yaml"))
    log = Log(judged)
    log.add(START)
    assert (log.fold.state.replaying, log.fold.assignment.copied) == (True, 0.0)
    log.add(Event(kind="pause", at=1.0, by="ann"), Event(kind="resume", at=2.0, by="ann"))
    assert log.fold.state.replaying
    through = replayed_event(log.fold, 3.0)
    log.add(through)
    assert (log.fold.state.stage, log.fold.state.replaying, log.fold.assignment.copied) == ("shadow", False, 1.0)
    with pytest.raises(BadSettings, match="replayed is not possible in stage canary"):
        in_canary().add(through)
    early = Log(judged)
    early.add(START)
    for n in range(100):
        if early.fold.state.stage == "shadow":
            early.add(msgspec.structs.replace(pair(1.0, recorded=True), request=f"fh-{n}"))
    assert (early.fold.state.stage, early.fold.state.replaying) == ("canary", False)
    (proof,) = (line for line in early.lines if isinstance(line, Event) and line.kind == "prove")
    assert msgspec.json.decode(proof.evidence)["recorded"] == early.fold.pairs


def test_evidence_names_the_suite() -> None:
    judged = msgspec.structs.replace(QUICK, suite=SuiteRef(path="/s.yaml", digest="abc"))
    log = Log(judged)
    log.add(START)
    while log.fold.state.stage == "shadow":
        log.add(pair(1.0))
    (*_, proof) = (line for line in log.lines if isinstance(line, Event))
    assert msgspec.json.decode(proof.evidence)["suite"] == "abc"
    assert msgspec.json.decode(proof.evidence)["decision"] == "promote"


def test_a_suites_guardrail_needs_a_limit_and_may_have_one() -> None:
    ref = SuiteRef(path="/s.yaml", digest="abc", guardrails=("format",))
    with pytest.raises(BadSettings, match="guardrail 'format' has no limit; give one with --worse-by format"):
        MigrationSettings(suite=ref)
    held = GateSettings(guardrails=(Guardrail("format", "worse_by", 0.1),))
    assert MigrationSettings(suite=ref, gate=held).suite == ref
    with pytest.raises(BadSettings, match="'format' is not measured here"):
        MigrationSettings(gate=held)
    with pytest.raises(BadSettings, match="after_live is 2"):
        MigrationSettings(after_live=2.0)


NIGHTLY = msgspec.structs.replace(QUICK, offline_keys=("jobs",))


def test_offline_requests_come_first_and_then_the_dwell_is_that_of_the_others() -> None:
    log = in_canary(NIGHTLY)
    log.add(*(served(0.0, 0) for _ in range(50)))  # others met it by failover
    assert (log.fold.state.step, log.fold.served) == (0, 0)
    log.add(*(served(0.0, 0, "jobs") for _ in range(10)))
    assert (log.fold.state.step, log.fold.assignment.share, log.fold.assignment.of("jobs").share) == (1, 0.1, 1.0)
    log.add(*(served(0.0, 1, "jobs") for _ in range(500)))
    assert (log.fold.state.step, log.fold.served) == (1, 0), "however many jobs come, they are not the callers who wait"
    log.add(*(served(0.0, 1) for _ in range(10)), *(served(0.0, 2) for _ in range(40)))
    assert log.fold.state.stage == "live"
    whys = [line.why for line in log.lines if isinstance(line, Event) and line.kind == "advance"]
    assert whys[:2] == [
        "10 offline requests and no guardrail is broken.",
        "10 requests at 10% and no guardrail is broken.",
    ]
    assert log.fold.tally.offline == {"jobs": 510}


@pytest.mark.parametrize("step", [0, 1, 2])
def test_what_offline_requests_meet_rolls_back_and_is_named(step: int) -> None:
    log = in_canary(NIGHTLY)
    for at in range(step):
        log.add(*(served(0.0, at, None if at else "jobs") for _ in range(10)))
    assert log.fold.state.step == step
    log.add(*(served(1.0, step, "jobs") for _ in range(30)))
    assert log.kinds()[-1] == ("roll_back", "guard")
    assert "beyond the limit in offline errors" in [line.why for line in log.lines if isinstance(line, Event)][-1]


def test_many_good_offline_requests_hide_nothing_of_what_others_meet() -> None:
    def until_back(jobs: int) -> int:
        log = in_canary(NIGHTLY)
        log.add(*(served(0.0, 0, "jobs") for _ in range(10)), *(served(0.0, 1, "jobs") for _ in range(jobs)))
        for count in range(1, 100):
            log.add(served(1.0, 1))
            if log.fold.state.stage == "rolled_back":
                return count
        raise AssertionError("never")

    assert until_back(0) == until_back(5_000) < 10
    assert Progress(migration(NIGHTLY)).guard_now.alpha == QUICK.gate.alpha / 2, "either may roll back, so they share it"


def test_going_live_takes_what_offline_requests_show_too() -> None:
    log = in_canary(NIGHTLY)
    log.add(*(served(float(n % 6 == 0), 0, "jobs") for n in range(10)), *(served(0.0, 1) for _ in range(10)))
    log.add(*(served(0.0, 2) for _ in range(100)))
    assert (log.fold.state.stage, log.fold.state.step) == ("canary", 2), "one in five or six jobs failed"
    log.add(*(served(0.0, 2, "jobs") for _ in range(60)))
    assert log.fold.state.stage == "live"


def test_a_served_line_of_an_older_ledger_is_of_no_offline_key() -> None:
    older = b'{"type":"served","request":"fh-1","at":1.0,"step":0,"harms":{"errors":0.0}}'
    assert msgspec.json.decode(older, type=Score) == served(0.0, 0)
