"""Recorded requests asked of a candidate: what binds them still, one at a time over kills, and money that lasts a day."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from replay_place import MASTER, Place, recorded, through
from structlog.testing import capture_logs

from freehold.app import migrating, migration_replay
from freehold.app.migrating import Wish
from freehold.app.migration_replay import Replayer, Wanted
from freehold.core.assignment import Assignment
from freehold.core.data import DataClass, Handling
from freehold.core.policy_facts import Demanded
from freehold.core.target import Workload
from freehold.move.migration.lines import PairScore, Score, Unscored
from freehold.serve.gateway.errand import Errands
from freehold.serve.gateway.shadow import Compared, Shadow
from freehold.serve.stores.content import ContentStore
from freehold.serve.stores.key_records import Grants, KeyRecord, KeyRecords


class Notes:
    """A migration's log, and a judge whose word on each pair is given."""

    def __init__(self, place: Place, verdict: Callable[[Compared], Score]) -> None:
        recorded = place.migration.settings.recorded
        assert recorded is not None
        self.wanted, self.verdict = Wanted(place.migration, recorded, frozenset(), None), verdict
        self.pairs: list[Compared] = []
        self.lines: list[Score] = []
        self.over = False
        self.gateway = place.gateway()
        self.gateway.assignments = {
            "w": (Assignment(migration=place.migration.id, workload="w", target="new", stage="shadow", day_nanousd=10**9),)
        }
        shadow = Shadow(self.gateway, Errands(self.gateway), self.never, lambda fate: None)
        self.replayer = Replayer(self, shadow, self.gateway, place.ledger)

    async def never(self, pair: Compared) -> None:
        raise AssertionError("what is replayed is no copy of a live request")

    def replaying(self) -> list[Wanted]:
        return [] if self.over else [self.wanted]

    async def scored(self, pair: Compared) -> list[Score]:
        self.pairs.append(pair)
        return [self.verdict(pair)]

    def put(self, assignment: Assignment, score: Score) -> None:
        self.lines.append(score)

    def through(self, migration: str) -> None:
        self.over = True

    async def run(self, until: Callable[[], bool]) -> None:
        """Until that holds."""
        task = asyncio.create_task(self.replayer.run())
        try:
            async with asyncio.timeout(10):
                while not until():  # noqa: ASYNC110  nothing tells of it
                    await asyncio.sleep(0.01)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def last(self) -> PairScore | Unscored:
        line = self.lines[-1]
        assert isinstance(line, PairScore | Unscored)
        return line


def unjudged(pair: Compared, reason: str = "over_cap") -> Unscored:
    """The judge took 5 nano-dollars for the first order, and was not asked in the other one."""
    why = f"judge: {reason}"
    return Unscored(request=pair.id, at=1.0, step=-1, why=why, cost_nanousd=pair.cost_nanousd, recorded=True, judge_nanousd=5)


def judged(pair: Compared) -> PairScore:
    return PairScore(
        request=pair.id, at=1.0, step=-1, candidate=1.0, incumbent=0.0, cost_nanousd=pair.cost_nanousd, recorded=True,
        judge_nanousd=7,
    )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("REPLAY_KEY", MASTER)
    return Place(tmp_path)


async def test_all_that_is_kept_is_asked_oldest_first_before_live_ones(place: Place) -> None:
    place.keep([recorded(n) for n in range(10)])
    place.keep([recorded(n) for n in range(10, 15)], content=False)
    place.keep([recorded(20, workload="other"), recorded(21, outcome="cut"), recorded(22, purpose="shadow")])
    place.keep([recorded(23, target="new")])
    place.start()
    assert place.fold().assignment.copied == 0, "live ones wait"
    await place.serve(through)
    fold = place.fold()
    assert place.order() == [f"fh-{n:03d}" for n in range(10)]
    assert sorted(place.outbound.asked) == place.order()
    assert (fold.pairs, fold.tally.to_replay, fold.assignment.copied) == (10, 10, 1.0)
    assert [event.kind for event, _ in migrating.history(place.ledger, place.migration)] == ["start", "replayed"]
    assert place.looks() == 10


async def test_what_was_begun_goes_on_where_it_was(place: Place) -> None:
    place.keep([recorded(n) for n in range(30)])
    place.start()
    for least in (5, 15):
        await place.serve(lambda fold, least=least: fold.pairs >= least)
    await place.serve(through)
    assert sorted(set(place.order())) == [f"fh-{n:03d}" for n in range(30)]
    assert place.fold().pairs == 30, "whatever was asked twice around a kill counts once"
    assert len(place.outbound.asked) <= 30 + 2 * 2 * 4 + 8


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"data_class": "confidential"}, "barred"),
        ({"regions": ("eu",)}, "barred"),
        ({"regions": ()}, "barred"),
        ({"demanded": Demanded(no_training=True)}, "barred"),
        ({"demanded": Demanded(labels=("phi",))}, "barred"),
        ({"demanded": Demanded(not_providers=("lab",), pinned=True)}, "barred"),
        ({"key": "narrow"}, "barred"),
        ({"key": "gone since"}, "barred"),
        ({"dialect": "openai_responses"}, "unreadable"),
    ],
)
async def test_what_bound_a_request_binds_it_still(place: Place, fields: dict[str, Any], why: str) -> None:
    place.keep([recorded(0, **fields)])
    place.start()
    await place.serve(through)
    assert place.fold().tally.unscored == {why: 1}
    assert not place.outbound.asked


async def test_todays_money_is_spent_and_tomorrow_it_goes_on(place: Place) -> None:
    place.keep([recorded(n) for n in range(12)])
    place.start(day_nanousd=10**9)
    place.money.left = 250_000
    with pytest.raises(TimeoutError):
        await place.serve(through, within_s=1.5)
    spent = place.fold()
    assert 0 < spent.pairs < 12
    assert not spent.tally.unscored, "none is given up for want of money"
    assert sum(one.cost_nanousd for one in place.booked.entries) <= 250_000
    place.money.left = 10**12
    await place.serve(through)
    assert place.fold().pairs == 12


async def test_what_no_day_could_pay_holds_nothing_up(place: Place) -> None:
    place.keep([recorded(0)])
    place.start(day_nanousd=1)
    await place.serve(through)
    assert place.fold().tally.unscored == {"too_dear": 1}


async def test_a_pause_stops_it_and_what_expired_meanwhile_is_gone(place: Place) -> None:
    place.keep([recorded(n) for n in range(8)])
    place.start()
    migrating.pause(place.ledger, Wish("w"))
    with pytest.raises(TimeoutError):
        await place.serve(through, within_s=0.5)
    assert not place.outbound.asked
    with closing(ContentStore(place.content, b"m" * 32)) as store:
        store.erase("fh-003", time.time())
    migrating.start(place.ledger, Wish("w", "new"), None)
    await place.serve(through)
    assert place.order() == [f"fh-{n:03d}" for n in range(8) if n != 3]


@pytest.fixture
def waiting(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """One request that is replayed, and waits shorter than usual."""
    monkeypatch.setattr(migration_replay, "_WAIT_S", 0.2)
    place.keep([recorded(0)])
    place.start()
    return place


async def test_while_a_judge_cannot_be_paid_nothing_is_asked_read_or_told_twice(waiting: Place) -> None:
    notes = Notes(waiting, lambda pair: unjudged(pair) if len(notes.pairs) < 4 else judged(pair))
    with capture_logs() as told:
        await notes.run(lambda: notes.over)
    assert len(notes.pairs) == 4
    (line, entry) = (notes.last(), *waiting.booked.entries)
    assert (line.cost_nanousd, line.judge_nanousd) == (entry.cost_nanousd, 5 + 5 + 5 + 7), "all that was spent for it"
    assert waiting.looks() == 1
    assert [(one["event"], one["why"]) for one in told] == [("recorded requests wait", ["judge: over_cap"])]


async def test_what_is_erased_while_it_waits_is_shown_to_nobody_more(waiting: Place) -> None:
    notes = Notes(waiting, unjudged)
    await notes.run(lambda: bool(notes.pairs))
    with closing(ContentStore(waiting.content, b"m" * 32)) as store:
        store.erase("fh-000", time.time())
    await notes.run(lambda: notes.over)
    line, (entry,) = notes.last(), waiting.booked.entries
    assert isinstance(line, Unscored)
    assert (line.why, line.cost_nanousd, line.judge_nanousd) == ("gone", entry.cost_nanousd, 5)
    assert len(notes.pairs) == 1


async def test_what_is_bound_by_more_since_a_reload_is_shown_to_nobody_more(waiting: Place) -> None:
    notes = Notes(waiting, unjudged)
    await notes.run(lambda: bool(notes.pairs))
    restricted = Workload(name="w", targets=(), handling=Handling(data_class=DataClass.restricted))
    notes.gateway.swap(msgspec.structs.replace(notes.gateway.policy, workloads={"w": restricted}))
    await notes.run(lambda: notes.over)
    line, (entry,) = notes.last(), waiting.booked.entries
    assert isinstance(line, Unscored)
    assert (line.why, line.cost_nanousd, line.judge_nanousd) == ("barred", entry.cost_nanousd, 5)
    assert len(notes.pairs) == 1


async def test_a_judge_that_is_gone_from_the_policy_is_not_waited_for(waiting: Place) -> None:
    notes = Notes(waiting, lambda pair: unjudged(pair, "unknown"))
    await notes.run(lambda: notes.over)
    line = notes.last()
    assert isinstance(line, Unscored)
    assert line.why == "judge: unknown"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, {}),
        ({"grants": Grants(classes="public")}, {"barred": 1}),
        ({"grants": Grants(classes="of a newer version")}, {"barred": 1}),
        ({"expires_at": time.time() - 1}, {"barred": 1}),
        ({"revoked_at": time.time() - 1}, {"barred": 1}),
    ],
)
async def test_what_the_ledgers_key_reaches_today_counts(place: Place, fields: dict[str, Any], why: dict[str, int]) -> None:
    usual: dict[str, Any] = {"name": "led", "sha256": "c" * 64, "role": None, "grants": Grants(), "made_at": 1.0}
    KeyRecords(place.ledger).make(KeyRecord(id="key-1", **usual | fields))
    place.keep([recorded(0, key="led", data_class="internal")])
    place.start()
    await place.serve(through)
    assert place.fold().tally.unscored == why
    assert len(place.outbound.asked) == (not why)


async def test_a_row_that_cannot_be_read_holds_nothing_up(place: Place) -> None:
    place.keep([recorded(n) for n in range(6)])
    with closing(sqlite3.connect(place.ledger)) as db, db:
        db.execute("UPDATE entries SET demanded = '{' WHERE id = 'fh-002'")
    place.start()
    await place.serve(through)
    assert place.order() == [f"fh-{n:03d}" for n in range(6)]
    assert place.fold().tally.unscored == {"unreadable": 1}
