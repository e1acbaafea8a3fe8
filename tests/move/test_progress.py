"""A migration's log folded: what follows of it, and that folding it again finds the same."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.core.errors import BadSettings
from freehold.move.migration.machine import Event, MigrationSettings
from freehold.move.migration.pair import GateSettings, Guardrail
from freehold.move.migration.progress import Logged, Migration, PairScore, Progress, Served, event_of

QUICK = MigrationSettings(
    gate=GateSettings(margin=0.2, min_samples=20, guardrails=(Guardrail("errors", "worse_by", 0.2),)),
    guard=(Guardrail("errors", "at_most", 0.2),), steps=(0.1, 0.5), dwell=10,
)  # fmt: skip
START = Event(kind="start", at=0.0, by="ann")


def migration(judged: MigrationSettings = QUICK) -> Migration:
    return Migration(id="mig-1", workload="w", target="t", settings=judged, made_at=0.0)


def pair(candidate: float, step: int = -1, **more: Any) -> PairScore:
    return PairScore(request="fh-1", at=1.0, step=step, candidate=candidate, incumbent=1.0, harms={"errors": (0.0, 0.0)}, **more)


def served(error: float, step: int) -> Served:
    return Served(request="fh-1", at=1.0, step=step, harms={"errors": error})


class Log:
    """A log and its fold; what follows is written down at once, as a gateway does."""

    def __init__(self) -> None:
        self.lines: list[Logged] = []
        self.fold = Progress(migration())

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


def in_canary() -> Log:
    log = Log()
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
    before = msgspec.json.encode([log.fold.canary_gate, log.fold.gate])
    log.add(*(pair(0.0) for _ in range(50)))
    assert msgspec.json.encode([log.fold.canary_gate, log.fold.gate]) == before
    log.add(Event(kind="pause", at=3.0, by="ann"), *(served(1.0, 0) for _ in range(50)))
    assert (log.fold.state.stage, log.fold.served) == ("paused", 0)


def test_more_slices_than_are_kept_count_in_the_whole() -> None:
    log = Log()
    log.add(START, *(pair(1.0, slice=f"s{n}") for n in range(150)))
    assert len(log.fold.gate.slices) <= 100


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from((1.0, 0.95, 0.7)), st.sampled_from((0.0, 0.1, 0.5)))
def test_folding_the_log_again_from_any_line_on_gives_the_same(seed: int, good: float, bad: float) -> None:
    source = random.Random(seed)
    log = Log()
    log.add(START)
    for _ in range(250):
        step = log.fold.state.step
        one: Logged = (
            pair(float(source.random() < good), step) if source.random() < 0.7 else served(float(source.random() < bad), step)
        )
        log.add(one)
    again = Progress(migration())
    for n, line in enumerate(log.lines, 1):
        again.take(n, msgspec.json.decode(msgspec.json.encode(line), type=type(line)))
    assert again.next() is None
    for name in ("state", "lines", "events", "served", "pairs", "gate", "canary_gate", "guard"):
        assert msgspec.json.encode(getattr(again, name)) == msgspec.json.encode(getattr(log.fold, name)), name


def test_an_event_that_cannot_follow_is_refused() -> None:
    with pytest.raises(BadSettings, match="prove is not possible in stage draft"):
        Progress(migration()).take(1, Event(kind="prove", at=0.0, by="x"))
