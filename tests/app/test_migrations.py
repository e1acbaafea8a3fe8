"""The runner beside a gateway: what it makes of entries and pairs, and that a ledger it cannot write loses none of them."""

from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from in_memory import MemoryLedger
from ledger_entries import entry

from freehold.app import migrating, migrations
from freehold.app.migrating import Wish
from freehold.app.migration_log import write_event
from freehold.app.migrations import Runner
from freehold.core.conversation import Text
from freehold.core.data import Handling
from freehold.core.decision import Removed
from freehold.core.entry import Attempt
from freehold.core.errors import LedgerUnavailable
from freehold.core.policy_facts import TargetFacts
from freehold.core.ports import HttpCall, UpstreamFailure, UpstreamReply, Verdict
from freehold.core.releases import Release
from freehold.core.request import Ask, Request
from freehold.core.said import Choice, Whole
from freehold.move.migration.machine import Event, MigrationSettings
from freehold.move.migration.pair import GateSettings, Guardrail
from freehold.serve.access.keys import Keyring
from freehold.serve.gateway.house import Gateway
from freehold.serve.gateway.policy import Bounds, Policy
from freehold.serve.gateway.shadow import Compared
from freehold.serve.stores.migrations import MigrationStore
from freehold.serve.stores.opening import open_store
from freehold.serve.stores.policies import PolicyRecord

BOX = TargetFacts(
    target="box", kind="owned", codec="vllm", provider=None, model="m", pinned=False, host="127.0.0.1", regions=(),
    clearance="internal", retention_days=None, trains_on_data=None, baa=False, labels=None, egress={}, lab=True,
)  # fmt: skip
API = msgspec.structs.replace(BOX, target="api", kind="rented", codec="lab")
QUICK = MigrationSettings(
    gate=GateSettings(margin=0.2, min_samples=10, guardrails=(Guardrail("errors", "worse_by", 0.2),)),
    guard=(Guardrail("errors", "at_most", 0.2),), steps=(0.5,), dwell=5,
)  # fmt: skip


class Nobody:
    """An Outbound that is not asked here."""

    async def send(self, call: HttpCall) -> UpstreamReply:
        raise UpstreamFailure("unreachable", "nobody is there")


class Moving:
    """A gateway, its ledger, and a migration to the box. A second workload is served by the box."""

    def __init__(self, folder: Path, judged: MigrationSettings = QUICK) -> None:
        self.ledger = folder / "ledger.db"
        released = [Release(workload="w", target="api", model="m"), Release(workload="v", target="box", model="m")]
        with closing(open_store(self.ledger)):
            PolicyRecord(self.ledger).loaded("p1", [BOX, API], 100.0, released)
        self.migration = migrating.start(self.ledger, Wish("w", "box", "ann"), judged)
        policy = Policy(
            version="p1", targets={}, workloads={}, codecs={}, engines={}, keys=Keyring([]), bounds=Bounds(),
            price=lambda target, day: None,
        )  # fmt: skip
        self.gateway = Gateway(policy, Nobody(), MemoryLedger())
        self.store = MigrationStore(self.ledger)
        self.dropped: list[str] = []
        self.runner = self.fresh()

    def fresh(self) -> Runner:
        return Runner(self.gateway, self.store, self.dropped.append, conducts=True)

    async def to_canary(self) -> None:
        await self.runner.look()
        for _ in range(60):
            await self.compare("yes")
        await self.runner.look()
        assert self.gateway.assignments["w"][0].stage == "canary"

    async def compare(self, said: str | None, workload: str = "w") -> None:
        candidate = None if said is None else whole(said)
        await self.runner.compared(Compared(
            assignment=self.gateway.assignments[workload][0], id="fh-1",
            request=Request(dialect="openai_chat", model=workload, fields={}),
            ask=Ask(workload=workload, handling=Handling()), incumbent=whole("yes"), incumbent_s=1.0, candidate=candidate,
            candidate_s=1.0, cost_nanousd=7,
        ))  # fmt: skip

    def break_down(self) -> None:
        """Its breaker opens."""
        for _ in range(5):
            visit = self.gateway.board.enter("box")
            self.gateway.board.failed(visit, Verdict(True, "broken", "500"))
            self.gateway.board.leave(visit)

    def stage(self) -> str:
        return migrating.progress_of(self.ledger, self.migration).state.stage

    def kinds(self) -> list[tuple[str, str]]:
        return [(event.kind, event.by) for event, _ in migrating.history(self.ledger, self.migration)]


def whole(text: str) -> Whole:
    return Whole(id="1", model="m", choices=(Choice(parts=(Text(text),), stop="end"),))


def served(n: int, *outcomes: tuple[str, str], **fields: Any) -> Any:
    made = entry(f"fh-{n}", **{"workload": "w"} | fields)
    made.attempts = [
        Attempt(target=target, model="m", kind="owned", reason="", started_s=0.0, ended_s=0.1, outcome=outcome)  # type: ignore[arg-type]
        for target, outcome in outcomes
    ]
    return made


@pytest.fixture
def moving(tmp_path: Path) -> Moving:
    return Moving(tmp_path)


async def test_pairs_prove_it_and_good_requests_make_it_live(moving: Moving) -> None:
    await moving.to_canary()
    for n in range(40):
        moving.runner(served(n, ("box", "finished")))
    await moving.runner.look()
    assert moving.kinds() == [("start", "ann"), ("prove", "gate"), ("advance", "guard")]
    (one,) = moving.gateway.assignments["w"]
    assert (one.stage, one.share, one.copied, one.step) == ("live", 1.0, 0.01, 1)
    assert migrating.progress_of(moving.ledger, moving.migration).tally.cost_nanousd == 60 * 7


async def test_once_it_is_live_a_part_of_the_requests_is_looked_at_and_may_end_it(moving: Moving) -> None:
    await moving.to_canary()
    for n in range(40):
        moving.runner(served(n, ("box", "finished")))
    await moving.runner.look()
    (one,) = moving.gateway.assignments["w"]
    seen = [n for n in range(6_000) if one.copies(f"fh-{n}")]
    assert 20 < len(seen) < 120, "one in a hundred"
    for n in range(6_000):
        moving.runner(served(n, ("box", "broken"), ("api", "finished")))
    await moving.runner.look()
    assert moving.kinds()[-1] == ("roll_back", "guard")
    assert f"of {len(seen):,}" in migrating.history(moving.ledger, moving.migration)[-1][0].why
    assert moving.gateway.assignments == {}


async def test_pairs_without_an_answer_stop_it_in_the_shadow(moving: Moving) -> None:
    await moving.runner.look()
    for _ in range(30):
        await moving.compare(None)
    await moving.runner.look()
    assert moving.kinds() == [("start", "ann"), ("roll_back", "gate")]
    assert moving.gateway.assignments == {}


async def test_failures_that_callers_met_roll_back_with_the_next_look(moving: Moving) -> None:
    await moving.to_canary()
    for n in range(15):
        moving.runner(served(n, ("box", "broken"), ("api", "finished")))
    await moving.runner.look()
    assert moving.kinds()[-1] == ("roll_back", "guard")
    assert moving.gateway.assignments == {}


async def test_requests_that_an_open_breaker_kept_away_count_as_failures(moving: Moving) -> None:
    await moving.to_canary()
    one = moving.gateway.assignments["w"][0]
    drawn = [n for n in range(200) if one.takes(f"fh-{n}")]
    for n in drawn[:30]:  # as long as the breaker is closed, a hint or a full engine may have been the reason
        moving.runner(served(n, ("api", "finished")))
    await moving.runner.look()
    assert migrating.progress_of(moving.ledger, moving.migration).served == 0
    moving.break_down()
    for n in drawn[:30]:
        moving.runner(served(n, ("api", "finished"), removed=(Removed("box", "data_class", ""),)))
    await moving.runner.look()
    assert moving.stage() == "canary"
    for n in drawn[:30]:
        moving.runner(served(n, ("api", "finished")))
    await moving.runner.look()
    assert moving.kinds()[-1] == ("roll_back", "guard")


async def test_what_is_no_callers_and_what_was_given_up_counts_nowhere(moving: Moving) -> None:
    await moving.to_canary()
    for n in range(30):
        moving.runner(served(n, ("box", "broken"), purpose="shadow"))
        moving.runner(served(n, ("box", "cancelled")))
    await moving.runner.look()
    assert migrating.progress_of(moving.ledger, moving.migration).served == 0


async def test_another_process_stands_where_this_one_stood(moving: Moving) -> None:
    await moving.to_canary()
    before = moving.gateway.assignments
    moving.gateway.assignments = {}
    await moving.fresh().look()
    assert moving.gateway.assignments == before


async def test_a_person_is_heard_with_the_next_look(moving: Moving) -> None:
    await moving.to_canary()
    migrating.pause(moving.ledger, Wish("w"))
    await moving.runner.look()
    assert moving.gateway.assignments == {}
    migrating.start(moving.ledger, Wish("w", "box"), None)
    await moving.runner.look()
    assert moving.gateway.assignments["w"][0].share == 0.5
    migrating.roll_back(moving.ledger, Wish("w"))
    await moving.runner.look()
    assert moving.gateway.assignments == {}


async def test_scores_that_could_not_be_written_are_written_later(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    await moving.runner.look()
    await moving.compare("yes")
    before, score = moving.gateway.assignments, moving.store.score

    def full(migration: str, scores: object) -> None:
        raise LedgerUnavailable("the disk is full")

    monkeypatch.setattr(moving.store, "score", full)
    await moving.runner.look()
    assert moving.gateway.assignments == before
    await moving.compare("yes")
    monkeypatch.setattr(migrations, "_MOST_WAITING", 2)
    await moving.compare("yes")
    assert moving.dropped == ["unwritten"]
    monkeypatch.setattr(moving.store, "score", score)
    await moving.runner.look()
    assert migrating.progress_of(moving.ledger, moving.migration).pairs == 2


async def test_a_log_that_cannot_be_read_moves_nothing(moving: Moving) -> None:
    moving.store.append(moving.migration.id, write_event(Event(kind="advance", at=1.0, by="nobody")), after=1)
    await moving.runner.look()
    assert moving.gateway.assignments == {}


async def test_offline_keys_go_first_and_their_requests_are_told_apart(tmp_path: Path) -> None:
    moving = Moving(tmp_path, msgspec.structs.replace(QUICK, offline_keys=("jobs",)))
    await moving.to_canary()
    ask = Ask(workload="w", handling=Handling())
    ids = [f"fh-{n}" for n in range(200)]
    assert all(moving.gateway.drawn(ask, ident, "jobs").assigned for ident in ids)
    assert not any(moving.gateway.drawn(ask, ident, "app").assigned for ident in ids)
    moving.break_down()
    for n in range(3):  # the breaker kept them away: of those who were to go there only
        moving.runner(served(n, ("api", "finished"), key="app"))
        moving.runner(served(n, ("api", "finished"), key="jobs"))
    await moving.runner.look()
    fold = migrating.progress_of(moving.ledger, moving.migration)
    assert [(one.name, one.requests, one.mean) for one in fold.guarded] == [("offline errors", 3, 1.0), ("errors", 0, 0.0)]
    for n in range(3, 43):
        moving.runner(served(n, ("box", "finished"), key="jobs"))
    await moving.runner.look()
    assert moving.kinds()[-1] == ("advance", "guard")
    assert sum(bool(moving.gateway.drawn(ask, ident, "app").assigned) for ident in ids) in range(70, 130), "a half"
    assert all(moving.gateway.drawn(ask, ident, "jobs").assigned for ident in ids)
    again, before = moving.fresh(), moving.gateway.assignments
    moving.gateway.assignments = {}
    await again.look()
    assert moving.gateway.assignments == before
    migrating.roll_back(moving.ledger, Wish("w"))
    await again.look()
    assert not any(moving.gateway.drawn(ask, "fh-1", key).assigned for key in ("jobs", "app")), "one look takes back both"


async def test_several_workloads_move_at_once_in_both_directions_and_know_nothing_of_each_other(moving: Moving) -> None:
    back = migrating.start(moving.ledger, Wish("v", "api", "ben"), QUICK)
    await moving.runner.look()
    assert {name: one.target for name, (one,) in moving.gateway.assignments.items()} == {"w": "box", "v": "api"}
    for _ in range(60):
        await moving.compare("yes", "v")
    for _ in range(30):
        await moving.compare(None, "w")
    await moving.runner.look()
    assert moving.kinds() == [("start", "ann"), ("roll_back", "gate")]
    assert {name: (one.stage, one.target) for name, (one,) in moving.gateway.assignments.items()} == {"v": ("canary", "api")}
    for n in range(40):
        moving.runner(served(n, ("api", "broken")))  # of the other workload
        moving.runner(served(n, ("api", "finished"), workload="v"))
    await moving.runner.look()
    assert moving.gateway.assignments["v"][0].stage == "live"
    assert [(e.kind, e.by) for e, _ in migrating.history(moving.ledger, back)] == [
        ("start", "ben"), ("prove", "gate"), ("advance", "guard"),
    ]  # fmt: skip
